//! Polling sources against a server of this machine.
#![allow(clippy::unwrap_used)]

mod local;

use std::sync::Arc;

use kafka_bridge::broker::{Broker, NotWritten};
use kafka_bridge::misbehaving::MisbehavingBroker;
use local::{Receiver, Reply, Writes, broker, records, until};
use tokio::sync::watch;
use ways::AppendError;
use ways::fetch::Fetcher;
use ways::fields::{Entry, Fields};
use ways::poll::{PollConfig, PollError, PollMetrics, Polled, Source};

fn source(url: &str, settings: &str) -> Source {
    let text = format!(
        "name = 'users'\ntopic = 'users'\nurl = '{url}'\nevery = '1s'\nallow_http = true\nallow_private = true\n{settings}"
    );
    let mut fields = Fields::new(toml::from_str(&text).unwrap());
    let config = PollConfig::from_fields(&mut fields).unwrap();
    fields.finish().unwrap();
    Source::new(config, Fetcher::new().unwrap()).unwrap()
}

fn polled(written: usize, unchanged: usize, refused: usize) -> Polled {
    Polled { written, unchanged, refused, not_modified: false }
}

#[tokio::test]
async fn items_become_records_of_their_streams() {
    let server = Receiver::start(|_, _| {
        Reply::json(
            r#"{"results":[{"id":1,"name":{"first":"Ann"},"age":30},{"id":2,"name":{"first":"Bob"}},{"name":{}}]}"#,
        )
    })
    .await;
    let broker = broker(&["users"]).await;
    let mut source = source(
        &server.url("/v2/users"),
        "items = '/results'\nkey = '/id'\nas = 'parameters'\nheaders = { X-Key = 'secret' }",
    );
    assert_eq!(source.poll(&Writes(broker.clone())).await, Ok(polled(2, 0, 1)), "one has no id");
    let mut records = records(&*broker, "users").await;
    records.sort_by_key(|record| record.key.clone());
    let text = |number: usize| String::from_utf8(records[number].value.as_deref().unwrap().to_vec()).unwrap();
    assert_eq!((records[0].key.as_deref(), records[1].key.as_deref()), (Some(&b"1"[..]), Some(&b"2"[..])));
    assert!(text(0).contains(r#""name.first":["Ann"]"#) && text(0).contains(r#""age":[30"#), "{}", text(0));
    assert_eq!(server.asked()[0].headers["x-key"], "secret");
}

#[tokio::test]
async fn what_has_not_changed_is_neither_sent_nor_written_again() {
    let server = Receiver::start(|request, before| match request.headers.get("if-none-match") {
        Some(tag) if tag == "\"1\"" && before < 3 => Reply::status(304),
        _ if before < 3 => {
            Reply::Whole(200, vec![("etag", "\"1\"".to_owned())], br#"[{"id":1,"n":1},{"id":2,"n":1}]"#.to_vec())
        }
        _ => Reply::json(r#"[{"id":1,"n":1},{"id":2,"n":2},{"id":3,"n":1}]"#),
    })
    .await;
    let broker = broker(&["users"]).await;
    let (mut source, writes) = (source(&server.url("/"), "key = '/id'\nonly_changed = true"), Writes(broker.clone()));
    assert_eq!(source.poll(&writes).await, Ok(polled(2, 0, 0)));
    assert!(source.poll(&writes).await.unwrap().not_modified);
    assert!(source.poll(&writes).await.unwrap().not_modified);
    assert_eq!(source.poll(&writes).await, Ok(polled(2, 1, 0)));
    assert_eq!(records(&*broker, "users").await.len(), 4);
    assert!(!server.asked()[0].headers.contains_key("if-none-match"));
}

#[tokio::test]
async fn pages_are_followed_on_their_host_only() {
    let server = Receiver::start(|request, _| {
        Reply::json(match &*request.line {
            "GET /?page=1" => r#"{"items":[1,2],"next":"/?page=2"}"#,
            "GET /?page=2" => r#"{"items":[3],"next":null}"#,
            "GET /round" => r#"{"items":[],"next":"/round"}"#,
            _ => r#"{"items":[4],"next":"https://example.com/"}"#,
        })
    })
    .await;
    let broker = broker(&["users"]).await;
    let writes = Writes(broker.clone());
    let settings = "items = '/items'\nnext = '/next'";
    assert_eq!(source(&server.url("/?page=1"), settings).poll(&writes).await, Ok(polled(3, 0, 0)));
    for path in ["/elsewhere", "/round"] {
        let error = source(&server.url(path), settings).poll(&writes).await.unwrap_err();
        assert!(matches!(error, PollError::Next(_)), "{path}: {error}");
    }
    assert_eq!(server.asked().len(), 2 + 1 + 100);
}

#[tokio::test]
async fn what_is_wrong_is_told_and_nothing_is_written() {
    let server = Receiver::start(|request, _| match &*request.line {
        "GET /429" => Reply::status_with(429, "retry-after", "7"),
        "GET /500" => Reply::status(500),
        "GET /html" => Reply::json("<html>"),
        "GET /deep" => Reply::json(&"[".repeat(1000)),
        _ => Reply::json("{}"),
    })
    .await;
    let broker = broker(&["users"]).await;
    for (path, expected) in [
        ("/429", "it answers with HTTP status 429"),
        ("/500", "it answers with HTTP status 500"),
        ("/html", "its answer is not what was expected: it is not JSON"),
        ("/deep", "its answer is not what was expected: it is nested"),
        ("/none", "its answer has nothing at /results, where the setting `items` points"),
    ] {
        let error = source(&server.url(path), "items = '/results'").poll(&Writes(broker.clone())).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{path}: {error}");
    }
    assert!(records(&*broker, "users").await.is_empty());
}

#[tokio::test]
async fn what_could_not_be_written_is_new_at_the_next_poll() {
    let server =
        Receiver::start(|_, _| Reply::Whole(200, vec![("etag", "\"1\"".to_owned())], b"[1,2,3]".to_vec())).await;
    let misbehaving = MisbehavingBroker::new(broker(&["users"]).await);
    let (mut source, writes) = (source(&server.url("/"), "only_changed = true"), Writes(misbehaving.clone()));
    misbehaving.refuse_appends(Some(NotWritten::Unavailable));
    assert!(matches!(source.poll(&writes).await, Err(PollError::Append(_))));
    misbehaving.refuse_appends(None);
    assert_eq!(source.poll(&writes).await, Ok(polled(3, 0, 0)));
    assert_eq!(records(&*misbehaving, "users").await.len(), 3);
}

/// What was written is not known, so what was before it is a change.
#[tokio::test]
async fn what_comes_back_to_what_it_was_is_written_where_nobody_knows_what_is_in_between() {
    for has_tags in [true, false] {
        let server = Receiver::start(move |request, before| match before {
            1 => Reply::json(r#"{"is":"down"}"#),
            _ if has_tags && request.headers.contains_key("if-none-match") => Reply::status(304),
            _ => Reply::Whole(200, vec![("etag", "\"1\"".to_owned())], br#"{"is":"up"}"#.to_vec()),
        })
        .await;
        let misbehaving = MisbehavingBroker::new(broker(&["users"]).await);
        let (mut source, writes) = (source(&server.url("/"), "only_changed = true"), Writes(misbehaving.clone()));
        assert_eq!(source.poll(&writes).await, Ok(polled(1, 0, 0)));
        misbehaving.hold_acks();
        let lost = async {
            until("it is stored", || misbehaving.held() == 1).await;
            misbehaving.die();
        };
        let (failed, ()) = tokio::join!(source.poll(&writes), lost);
        assert!(matches!(failed, Err(PollError::Append(AppendError::OutcomeUnknown(_)))), "{failed:?}");
        misbehaving.release_acks();
        misbehaving.revive();
        assert_eq!(source.poll(&writes).await, Ok(polled(1, 0, 0)), "{has_tags}");
        assert_eq!(records(&*misbehaving, "users").await.len(), 3, "up, down, up");
    }
}

#[tokio::test]
async fn more_items_than_may_be_under_way_are_all_written() {
    let items = format!("[{}]", (0..2_500).map(|number| number.to_string()).collect::<Vec<_>>().join(","));
    let server = Receiver::start(move |_, _| Reply::json(&items)).await;
    let broker = broker(&["users"]).await;
    assert_eq!(source(&server.url("/"), "").poll(&Writes(broker.clone())).await, Ok(polled(2_500, 0, 0)));
}

#[tokio::test]
async fn a_source_that_does_not_answer_holds_up_no_stop() {
    let server = Receiver::start(|_, _| Reply::Silence).await;
    let (stop, stopping) = watch::channel(false);
    let append = Arc::new(Writes(broker(&["users"]).await));
    let running = tokio::spawn(ways::poll::run(source(&server.url("/"), ""), append, PollMetrics::default(), stopping));
    until("a poll", || !server.asked().is_empty()).await;
    stop.send_replace(true);
    tokio::time::timeout(std::time::Duration::from_secs(5), running).await.expect("it ends at once").unwrap();
}

#[tokio::test]
async fn a_source_is_polled_again_and_again_until_the_server_stops() {
    let server = Receiver::start(|_, before| if before == 1 { Reply::status(500) } else { Reply::json("1") }).await;
    let broker = broker(&["users"]).await;
    let (stop, stopping) = watch::channel(false);
    let (append, metrics) = (Arc::new(Writes(broker.clone())), PollMetrics::default());
    let running = tokio::spawn(ways::poll::run(source(&server.url("/"), ""), append, metrics, stopping));
    until("three polls", || server.asked().len() >= 3).await;
    stop.send_replace(true);
    running.await.unwrap();
    assert!(records(&*broker, "users").await.len() >= 2);
    assert_eq!(broker.topic("users").await.unwrap().unwrap().partitions, 3);
}

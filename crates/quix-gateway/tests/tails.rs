//! `GET /topics/{topic}/packages`: resumed at any message, filtered as the hub filters, bounded, and told what is wrong.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use kafka_bridge::broker::Broker;
use kafka_bridge::feed::Feeds;
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::record::NewRecord;
use quix_gateway::{Gateway, Settings, router};
use quix_model::{Events, Outgoing, ParameterData, Splitting, WriteSettings};
use serde_json::{Value, json};
use tower::ServiceExt;

#[tokio::test]
async fn a_read_resumed_at_any_message_misses_nothing_and_repeats_nothing() {
    let room = Room::open(2).await;
    let (s, t) = room.streams_apart();
    let large = room.pieces(&s, json!([{ "id": "large", "timestamp": 9, "value": "x".repeat(1_500_000) }]));
    assert!(large.len() > 1);
    room.events(&s, &["a", "b", "c"]).await;
    room.record(&s, &large[0]).await;
    room.events(&s, &["d", "e"]).await;
    room.events(&t, &["f"]).await;
    for piece in &large[1..] {
        room.record(&s, piece).await;
    }
    room.events(&s, &["g"]).await;
    room.events(&t, &["h", "i"]).await;

    let all = room.events_from("?event=*&from=earliest&until_end=true", None).await;
    assert_eq!(all.len(), 10);
    assert!(all.iter().any(|event| event.id.contains('.')) && all.iter().any(|event| event.id.contains('~')));
    for (number, event) in all.iter().enumerate() {
        let rest = room.events_from("?event=*&until_end=true", Some(&event.id)).await;
        assert_eq!(names(&rest), names(&all[number + 1..]), "after {}", event.id);
        let rest = room.events_from(&format!("?event=*&until_end=true&cursor={}", event.id), None).await;
        assert_eq!(names(&rest), names(&all[number + 1..]), "after {}", event.id);
    }

    // Partitions that came meanwhile are read from their first record on.
    let last = all.last().unwrap().id.clone();
    assert!(room.broker.add_partitions("t", 5));
    let new: Vec<_> = (0..20).map(|number| format!("n{number}")).collect();
    for id in &new {
        room.events(id, &[id]).await;
    }
    let mut rest = names(&room.events_from("?event=*&until_end=true", Some(&last)).await);
    let mut expected = new.clone();
    rest.sort();
    expected.sort();
    assert_eq!(rest, expected);
}

#[tokio::test]
async fn records_that_are_gone_are_told_and_nothing_that_was_read() {
    let room = Room::open(1).await;
    for _ in 0..3 {
        room.events("s", &["old"]).await;
    }
    // The topic was cut back or made anew: what is there now was never read.
    for query in ["?cursor=0:99,7:3&event=*&until_end=true", "?cursor=0:4~2@1&event=*&max=9"] {
        let lines = room.lines(query).await;
        assert_eq!(lines[0], json!({ "gap": { "lost": 0, "nextOffset": 0, "partition": 0 } }), "{query}");
        assert_eq!(lines[1..].iter().map(|line| line["offset"].clone()).collect::<Vec<_>>(), [0, 1, 2], "{query}");
    }
    let events = room.get("?cursor=0:99&until_end=true", &[("accept", "text/event-stream")]).await;
    assert_eq!(events.headers()["streamgate-cursor"], "0:99", "until it was told, it is not passed");
    let events = text(events).await;
    assert!(events.starts_with(":\nid: 0:99\n\nevent: gap\nid: 0:0\ndata: {\"lost\":0,"), "{events}");
    assert!(events.ends_with("event: end\ndata: {}\n\n"), "{events}");
    assert_eq!(room.lines("?cursor=0:3,7:3&until_end=true").await, [json!(null); 0], "no partition 7, and nothing new");
    let end = json!({ "gap": { "lost": 0, "nextOffset": 3, "partition": 0 } });
    assert_eq!(room.lines("?from=99&max=9").await, [end], "an offset that no partition has yet is the end");
}

#[tokio::test]
async fn a_record_that_comes_to_very_much_is_handed_out_a_part_at_a_time() {
    let room = Room::open(1).await;
    room.events("s", &["first"]).await;
    let event = |number: u32| json!({ "id": format!("e{number}"), "timestamp": number, "value": "x".repeat(40) });
    for piece in room.pieces("s", (0..30_000).map(event).collect()) {
        room.record("s", &piece).await;
    }
    room.events("s", &["last"]).await;
    let expected: Vec<_> = std::iter::once("first".to_owned())
        .chain((0..30_000).map(|number| format!("e{number}")))
        .chain(["last".to_owned()])
        .collect();

    let mut answer = room.get("?from=earliest&until_end=true&event=*", &[]).await;
    let (mut all, mut parts) = (String::new(), 0);
    while let Some(frame) = answer.body_mut().frame().await {
        let part = frame.unwrap().into_data().unwrap();
        assert!(part.len() < 70_000 && part.ends_with(b"}\n"), "{}", part.len());
        all.push_str(std::str::from_utf8(&part).unwrap());
        parts += 1;
    }
    assert!(all.len() > 4 << 20 && parts > 60, "{} bytes in {parts} parts", all.len());
    let ids =
        |lines: &[Value]| -> Vec<_> { lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect() };
    assert!(ids(&lines(&all)) == expected, "each once, in order");

    let (mut query, mut got, mut pages) = ("?from=earliest&max=10000&event=*".to_owned(), Vec::new(), 0);
    while got.len() < expected.len() {
        let answer = room.get(&query, &[]).await;
        let link = answer.headers()["link"].to_str().unwrap().to_owned();
        query = link[1..link.find('>').unwrap()].to_owned();
        let page = text(answer).await;
        assert!(page.len() < (2 << 20) + 1000, "{}", page.len());
        got.extend(ids(&lines(&page)));
        pages += 1;
    }
    assert!(got == expected && pages > 3, "{pages} pages: each once, in order");
}

#[tokio::test]
async fn a_message_that_never_becomes_whole_is_given_up() {
    let room = Room::open(1).await;
    let large = room.pieces("s", json!([{ "id": "large", "timestamp": 9, "value": "x".repeat(1_500_000) }]));
    room.record("s", &large[0]).await;
    room.events("s", &["a"]).await;
    let cursor_after = async |query: &str| {
        let answer = room.get(query, &[]).await;
        answer.headers()["streamgate-cursor"].to_str().unwrap().to_owned()
    };
    let cursor = cursor_after("?from=earliest&max=9&event=*").await;
    let since = cursor.strip_prefix("0:2~0@").unwrap().parse::<u64>().unwrap();
    assert_eq!(cursor_after(&format!("?cursor={cursor}&max=9&event=*")).await, cursor, "it may still come");
    room.events("s", &["b"]).await;
    assert_eq!(cursor_after(&format!("?cursor={cursor}&max=9&event=*")).await, format!("0:3~0@{since}"));

    // By time, where the end is reached.
    let long_ago = format!("0:2~0@{}", since - 61);
    assert_eq!(cursor_after(&format!("?cursor={long_ago}&max=9&event=*")).await, "0:3");
    assert_eq!(cursor_after(&format!("?cursor={long_ago}&wait=300ms&event=*")).await, "0:3");
    assert_eq!(cursor_after(&format!("?cursor=0:3~0@{}&max=9", since - 61)).await, "0:3", "nothing to read");
    room.events("s", &["c", "d"]).await;
    let mut before_the_end = long_ago;
    for next in ["3", "3.1"] {
        before_the_end = cursor_after(&format!("?cursor={before_the_end}&max=1&event=*")).await;
        assert_eq!(before_the_end, format!("0:{next}~0@{}", since - 61), "the rest may be behind");
    }
    for piece in &large[1..] {
        room.record("s", piece).await;
    }
    let rest = room.lines(&format!("?cursor={before_the_end}&max=9&event=*")).await;
    assert_eq!(rest.iter().map(|line| line["id"].clone()).collect::<Vec<_>>(), ["d", "large"]);

    // Pieces that come keep it.
    let middle = room.pieces("s", json!([{ "id": "middle", "timestamp": 9, "value": "x".repeat(2_500_000) }]));
    let end = cursor_after("?from=end&max=1").await;
    let next: i64 = end[2..].parse().unwrap();
    room.record("s", &middle[0]).await;
    cursor_after(&format!("?cursor={end}&max=9")).await;
    room.record("s", &middle[1]).await;
    let cursor = cursor_after(&format!("?cursor=0:{}~{next}@{}&max=9", next + 1, since - 61)).await;
    let expected = format!("0:{}~{next}@", next + 2);
    assert!(cursor.starts_with(&expected) && !cursor.ends_with(&(since - 61).to_string()), "{cursor}");

    // By what its partition has left behind.
    let end = cursor_after("?from=end&max=1").await;
    room.record("s", &large[0]).await;
    for _ in 0..500 {
        room.events("s", &["x"]).await;
    }
    let cursor = cursor_after(&format!("?cursor={end}&max=999&event=*")).await;
    assert!(cursor.contains('~'), "{cursor}");
    room.events("s", &["x"]).await;
    let cursor = cursor_after(&format!("?cursor={cursor}&max=999&event=*")).await;
    assert!(!cursor.contains('~'), "{cursor}");
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_nothing_gives_its_replay_back_and_is_told() {
    let (max_write_stall, lookup_timeout) = (Duration::from_secs(5), Duration::from_secs(1));
    let settings = Settings { max_write_stall, lookup_timeout, max_replays_per_client: 1, ..Settings::default() };
    let room = Room::with(1, settings).await;
    for _ in 0..100 {
        room.record("s", &room.pieces("s", json!([{ "id": "e", "timestamp": 1, "value": "x".repeat(40_000) }]))[0])
            .await;
    }
    let unread = room.get("?from=earliest", &[("accept", "text/event-stream")]).await;
    let refused = room.get("?from=earliest&max=1", &[]).await;
    assert_eq!(
        (refused.status(), &refused.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"1".parse().unwrap())
    );
    assert!(text(refused).await.contains("(limit `replays_per_client`)"));
    assert_eq!(room.get("", &[]).await.status(), StatusCode::OK, "live reads take no place");
    room.until_there_is_a_replay().await;
    let said = text(unread).await;
    assert!(said.starts_with(":\nid: 0:0\n\n"), "{}", &said[..20]);
    assert!(said.ends_with("\n\nevent: problem\ndata: {\"error\":\"The subscriber is too slow.\"}\n\n"));

    // A bounded answer has named its end already.
    let unread = room.get("?from=earliest&max=99", &[]).await;
    room.until_there_is_a_replay().await;
    assert!(to_bytes(unread.into_body(), usize::MAX).await.is_err());

    // Whoever has come to the end reads live.
    let mut live = room.get("?from=earliest&event=none", &[]).await;
    room.until_there_is_a_replay().await;
    room.events("s", &["none"]).await;
    assert!(next_text(&mut live).await.contains("\"id\":\"none\""));
}

#[tokio::test(start_paused = true)]
async fn very_many_readers_of_one_client_that_come_back_at_once_are_all_taken_back() {
    let room = Room::with(1, Settings { max_replays_per_client: 2, ..Settings::default() }).await;
    for _ in 0..50 {
        room.events("s", &["a", "b"]).await;
    }
    let resumed = async |_| {
        let mut answer = room.get("?event=*", &[("accept", "text/event-stream"), ("last-event-id", "0:48.1")]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let mut all = String::new();
        while !all.contains("id: 0:50\n") {
            all += &next_text(&mut answer).await;
        }
        assert_eq!(all.matches("data: ").count(), 3);
        answer
    };
    let begun = tokio::time::Instant::now();
    let live = futures::future::join_all((0..30).map(resumed)).await;
    assert_eq!((live.len(), begun.elapsed()), (30, Duration::ZERO), "nobody waits for those that go on live");
}

#[tokio::test(start_paused = true)]
async fn a_bounded_read_that_waits_at_the_end_keeps_no_replay() {
    let room = Room::with(1, Settings { max_replays_per_client: 1, ..Settings::default() }).await;
    room.events("s", &["a"]).await;
    let waits = room.get("?from=earliest&wait=60s&event=none", &[]);
    let other = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        room.lines("?from=earliest&max=1").await
    };
    tokio::select! {
        biased;
        _ = waits => panic!("its time is not over"),
        lines = other => assert_eq!(lines[0]["offset"], 0),
    }
}

#[tokio::test]
async fn the_last_event_goes_before_the_address_where_there_are_events() {
    let room = Room::open(1).await;
    room.events("s", &["a", "b", "c", "d"]).await;
    let query = "?event=*&until_end=true&cursor=0:0.1";
    assert_eq!(names(&room.events_from(query, Some("0:0.3")).await), ["d"], "a browser that connects again");
    let lines = text(room.get(query, &[("last-event-id", "0:0.3")]).await).await;
    assert_eq!(self::lines(&lines).len(), 3, "who follows a link");
    let lines = text(room.get("?event=*&until_end=true", &[("last-event-id", "0:0.3")]).await).await;
    assert_eq!(self::lines(&lines).len(), 1);
}

#[tokio::test]
async fn links_mean_what_the_address_meant() {
    let room = Room::open(1).await;
    room.events("s", &["a&b", "c d", "e"]).await;
    let answer = room.get("?from=0&%6dax=1&event=a%26b&%65vent=c%20d&access_token=x&until_end=true", &[]).await;
    let link = answer.headers()["link"].to_str().unwrap();
    assert_eq!(link, "<?cursor=0:0.1&max=1&event=a%26b&event=c+d&until_end=true>; rel=\"next\"");
    let rest = room.lines(&link[1..link.find('>').unwrap()]).await;
    assert_eq!(rest[0]["id"], "c d");
}

#[tokio::test]
async fn filters_leave_what_the_hub_would_call_back() {
    let room = Room::open(1).await;
    room.events("s", &["a", "b"]).await;
    room.parameters(
        "s",
        json!({ "timestamps": [1], "numericValues": { "speed": [7], "gear": [3] }, "tagValues": { "lap": ["2"] } }),
    )
    .await;
    room.parameters("t", json!({ "timestamps": [2], "numericValues": { "speed": [8] } })).await;
    room.parameters("t", json!({ "timestamps": [3], "numericValues": { "gear": [1] } })).await;
    let read = async |query: &str| room.lines(&format!("?from=earliest&until_end=true{query}")).await;

    let all = read("").await;
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|package| package.get("callback").is_none() && package["value"].is_string()));
    assert_eq!(read("&stream=t").await, all[2..]);
    assert_eq!(read("&stream=*").await, all);

    let speed = read("&parameter=speed").await;
    assert_eq!(speed.len(), 2, "a package without it comes to nothing");
    assert_eq!(speed[0]["callback"], "ParameterDataReceived");
    assert_eq!((&speed[0]["partition"], &speed[0]["offset"]), (&json!(0), &json!(1)));
    assert_eq!(speed[0]["numericValues"], json!({ "speed": [7] }));
    assert_eq!(speed[0]["tagValues"], json!({ "lap": ["2"] }));
    assert_eq!(speed[1]["streamId"], "t");
    let both = read("&stream=s&parameter=speed&parameter=gear").await;
    assert_eq!((both.len(), &both[0]["numericValues"]), (1, &json!({ "speed": [7], "gear": [3] })));
    assert_eq!(read("&kind=parameters").await.len(), 3);
    assert!(read("&parameter=Speed").await.is_empty(), "case matters");

    let events = read("&event=b").await;
    assert_eq!((events.len(), &events[0]["callback"], &events[0]["id"]), (1, &json!("EventDataReceived"), &json!("b")));
    assert_eq!(read("&event=*&parameter=gear").await.len(), 4);
    assert_eq!(read("&kind=packages&event=a").await.len(), 5);
}

#[tokio::test]
async fn bounded_reads_follow_one_another_by_their_links() {
    let room = Room::open(2).await;
    for number in 0..7 {
        room.events(&format!("s{number}"), &[&format!("e{number}"), &format!("f{number}")]).await;
    }
    let (mut query, mut got, mut sizes) = ("?from=earliest&max=3&event=*".to_owned(), Vec::new(), Vec::new());
    while sizes.last() != Some(&0) {
        let answer = room.get(&format!("{query}&access_token=secret"), &[]).await;
        let link = answer.headers()["link"].to_str().unwrap().to_owned();
        let cursor = answer.headers()["streamgate-cursor"].to_str().unwrap().to_owned();
        let lines = lines(&text(answer).await);
        sizes.push(lines.len());
        got.extend(lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()));
        assert_eq!(link, format!("<?cursor={cursor}&max=3&event=*>; rel=\"next\""));
        query = link[1..link.find('>').unwrap()].to_owned();
    }
    assert_eq!(sizes, [3, 3, 3, 3, 2, 0]);
    got.sort();
    let mut expected: Vec<_> = (0..7).flat_map(|number| [format!("e{number}"), format!("f{number}")]).collect();
    expected.sort();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_bounded_read_waits_for_as_many_as_it_wants_and_no_longer_than_it_said() {
    let room = Room::open(1).await;
    let waits = room.get("?cursor=0:0&max=2&wait=60s&event=*", &[]);
    let writes = async {
        while room.feeds.followed().is_empty() {
            tokio::task::yield_now().await;
        }
        room.events("s", &["a"]).await;
        room.events("s", &["b", "c"]).await;
    };
    let begun = std::time::Instant::now();
    let (answer, ()) = tokio::join!(waits, writes);
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(answer.headers()["streamgate-cursor"], "0:1.1");
    let got: Vec<_> = lines(&text(answer).await).iter().map(|line| line["id"].clone()).collect();
    assert_eq!(got, ["a", "b"]);

    let answer = room.get("?cursor=0:1.1&max=5&wait=50ms&event=*", &[]).await;
    assert_eq!(answer.headers()["streamgate-cursor"], "0:2");
    assert_eq!(lines(&text(answer).await)[0]["id"], "c", "what is there, when the time is over");
    let begun = std::time::Instant::now();
    let answer = room.get("?cursor=0:2&wait=50ms", &[]).await;
    assert!(begun.elapsed() >= Duration::from_millis(50));
    assert_eq!(answer.headers()["streamgate-cursor"], "0:2");
    assert_eq!(text(answer).await, "");
}

#[tokio::test]
async fn times_are_places_to_begin() {
    let room = Room::open(1).await;
    room.events("s", &["a"]).await;
    let count = async |from: &str| room.lines(&format!("?until_end=true&from={from}")).await.len();
    assert_eq!(count("-1h").await, 1);
    assert_eq!(count("2020-01-01T00:00:00+01:00").await, 1, "a plus that is no blank");
    assert_eq!(count("4102444800000").await, 0, "in the year 2100");
    assert_eq!(count("1000000000000").await, 1, "in the year 2001");
    assert_eq!(count("0").await, 1);
}

#[tokio::test]
async fn what_is_wrong_is_named_with_what_is_allowed() {
    let room = Room::open(1).await;
    for (query, name, allowed) in [
        ("?from=soon", "'from'", "'earliest'"),
        ("?until_end=maybe", "'until_end'", "'true' or 'false'"),
        ("?max=0", "'max'", "1 to 10000"),
        ("?max=10001", "'max'", "1 to 10000"),
        ("?max=1&max=2", "'max'", "once only"),
        ("?wait=61s", "'wait'", "'60s'"),
        ("?wait=1y", "'wait'", "'60s'"),
        ("?cursor=x", "'cursor'", "'0:120,1:77'"),
        ("?kind=everything", "'kind'", "'packages'"),
    ] {
        let answer = room.get(query, &[]).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        let problem: Value = serde_json::from_str(&text(answer).await).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(name) && detail.contains(allowed), "{query}: {detail}");
    }
    let answer = room.get("", &[("last-event-id", "7")]).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(text(answer).await.contains("The header 'Last-Event-ID'"));
    let unknown =
        room.router.clone().oneshot(Request::get("/topics/new/packages?max=1&wait=1s").body(Body::empty()).unwrap());
    assert_eq!(unknown.await.unwrap().status(), StatusCode::NOT_FOUND, "a bounded read makes no topic");
}

#[tokio::test]
async fn events_begin_with_a_cursor_and_go_on_live() {
    let room = Room::open(2).await;
    room.events("s", &["before"]).await;
    let mut answer = room.get("", &[("accept", "text/html, text/event-stream;q=0.9")]).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let first = next_text(&mut answer).await;
    let id = first.strip_prefix(":\nid: ").unwrap().trim_end().to_owned();
    assert_eq!(answer.headers()["streamgate-cursor"].to_str().unwrap(), id);
    room.events("s", &["a"]).await;
    let event = next_text(&mut answer).await;
    assert!(event.starts_with("id: ") && event.contains("\ndata: {") && event.ends_with("}\n\n"), "{event}");
    // From the first sign on, before any package.
    let rest = room.events_from("?event=*&until_end=true", Some(&id)).await;
    assert_eq!(names(&rest), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_answer_shows_that_it_goes_on() {
    let room = Room::open(1).await;
    let mut lines = room.get("", &[]).await;
    let mut events = room.get("", &[("accept", "text/event-stream")]).await;
    let mut filtered = room.get("?event=none", &[("accept", "text/event-stream")]).await;
    assert_eq!(
        (&*next_text(&mut events).await, &*next_text(&mut filtered).await),
        (":\nid: 0:0\n\n", ":\nid: 0:0\n\n")
    );
    room.events("s", &["a"]).await;
    assert!(next_text(&mut lines).await.contains("\"offset\":0"));
    assert!(next_text(&mut events).await.starts_with("id: 0:1\ndata: "));
    let begun = tokio::time::Instant::now();
    let signs = tokio::join!(next_text(&mut lines), next_text(&mut events), next_text(&mut filtered));
    assert_eq!(begun.elapsed().as_secs(), 15);
    // Nobody wanted what came, and who is cut off need not look at it again.
    assert_eq!((&*signs.0, &*signs.1, &*signs.2), ("\n", ":\nid: 0:1\n\n", ":\nid: 0:1\n\n"));
}

/// One event as it came.
struct Event {
    id: String,
    data: Value,
}

fn names(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.data["id"].as_str().unwrap().to_owned()).collect()
}

/// A gateway with one topic, `t`.
struct Room {
    broker: Arc<MemoryBroker>,
    feeds: Arc<Feeds>,
    router: Router,
}

impl Room {
    async fn open(partitions: i32) -> Self {
        Self::with(partitions, Settings::default()).await
    }

    async fn with(partitions: i32, settings: Settings) -> Self {
        let broker = Arc::new(MemoryBroker::new());
        broker.create_topic("t", Some(partitions)).await.unwrap();
        let feeds = Feeds::new(broker.clone(), Duration::ZERO);
        let settings = Settings { create_topics: true, ..settings };
        let router = router(Gateway::new(broker.clone(), feeds.clone(), settings, Default::default()));
        Self { broker, feeds, router }
    }

    /// Two streams in different partitions.
    fn streams_apart(&self) -> (String, String) {
        let partition = |stream: &str| kafka_bridge::partitioner::partition_of(stream.as_bytes(), 2);
        let other = (0..).map(|number| format!("t{number}")).find(|other| partition(other) != partition("s"));
        ("s".to_owned(), other.unwrap())
    }

    fn pieces(&self, stream: &str, events: Value) -> Vec<Vec<u8>> {
        let events: Events = serde_json::from_value(events).unwrap();
        let settings = WriteSettings { splitting: Splitting::Legacy, ..WriteSettings::default() };
        let records = settings.records(Outgoing::Events(&events), stream, 7).unwrap();
        records.into_iter().map(|record| record.value.to_vec()).collect()
    }

    /// One package of these events.
    async fn events(&self, stream: &str, ids: &[&str]) {
        let events = ids.iter().map(|id| json!({ "id": id, "timestamp": 1 })).collect();
        let [record] = &self.pieces(stream, Value::Array(events))[..] else { panic!("one record") };
        self.record(stream, record).await;
    }

    async fn parameters(&self, stream: &str, data: Value) {
        let data: ParameterData = serde_json::from_value(data).unwrap();
        let records = WriteSettings::default().records(Outgoing::ParameterData(&data), stream, 7).unwrap();
        self.record(stream, &records[0].value).await;
    }

    async fn record(&self, stream: &str, value: &[u8]) {
        let record = NewRecord { key: Some(stream.as_bytes()), value, headers: &[] };
        self.broker.append("t", record).unwrap().await.unwrap();
    }

    async fn get(&self, query: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let request = Request::get(format!("/topics/t/packages{query}"));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn until_there_is_a_replay(&self) {
        let again = async {
            while self.get("?from=earliest&max=1", &[]).await.status() != StatusCode::OK {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), again).await.expect("a replay is given back");
    }

    async fn lines(&self, query: &str) -> Vec<Value> {
        lines(&text(self.get(query, &[]).await).await)
    }

    /// The events with data of an answer that comes to its end.
    async fn events_from(&self, query: &str, last_event_id: Option<&str>) -> Vec<Event> {
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(last_event_id.map(|id| ("last-event-id", id)));
        let text = text(self.get(query, &headers).await).await;
        let blocks = text.strip_suffix("event: end\ndata: {}\n\n").unwrap().split_terminator("\n\n");
        let event = |block: &str| {
            let (id, data) = block.strip_prefix("id: ")?.split_once("\ndata: ").unwrap();
            Some(Event { id: id.to_owned(), data: serde_json::from_str(data).unwrap() })
        };
        blocks.filter_map(event).collect()
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn text(answer: Response<Body>) -> String {
    String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

async fn next_text(answer: &mut Response<Body>) -> String {
    let frame = answer.body_mut().frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

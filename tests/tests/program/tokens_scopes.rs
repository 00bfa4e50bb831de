//! What a token allows: topics by name, for hub and HTTP alike, told in a way that gives no name away.

use e2e::program::Program;
use e2e::wait::within;
use futures::{SinkExt, StreamExt};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::bearer::{LINE, ask, connect, get, guarded, token};
use crate::support::problem;

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_beyond_the_token_is_refused_whether_or_not_it_is_there() {
    let program = guarded("").await;
    let all = token("root", "read:* write:* create_topics");
    for topic in ["f1-data", "secret"] {
        let made = ask(Method::PUT, &format!("{}/topics/{topic}", program.url), Some(&all)).send().await.unwrap();
        assert_eq!(made.status(), 200);
    }
    let reader = token("ann", "read:f1-*");
    let client = connect(&program, &reader).await;
    let mut told = Vec::new();
    for topic in ["secret", "local-secret", "nowhere", "local-nowhere", "f1"] {
        let answer = get(&format!("{}/topics/{topic}/packages?until_end=true", program.url), &reader).await;
        let document = problem(answer, 403).await;
        let refused = client.invoke("SubscribeToPackages", &(topic,)).await.unwrap_err().to_string();
        // Ending what was never begun succeeds, and tells nothing.
        client.invoke("UnsubscribeFromPackages", &(topic,)).await.unwrap();
        let name = topic.trim_start_matches("local-");
        for text in [document["detail"].as_str().unwrap(), &refused] {
            assert!(text.ends_with(&format!("it needs the scope read:{name}.")), "{text}");
        }
        told.push(refused.replace(topic, "X").replace(name, "X"));
        let write = ask(Method::POST, &format!("{}/topics/{topic}/packages", program.url), Some(&reader)).body(LINE);
        assert_eq!(problem(write.send().await.unwrap(), 403).await["kind"], "NotWritten");
    }
    assert!(told.iter().all(|text| *text == told[0]), "{told:?}");

    for topic in ["f1-data", "local-f1-data"] {
        client.invoke("SubscribeToPackages", &(topic,)).await.unwrap();
        let answer = get(&format!("{}/topics/{topic}/packages?until_end=true", program.url), &reader).await;
        assert_eq!(answer.status(), 200, "{topic}");
        let events = json!([{ "id": "E", "timestamp": 1, "value": "v" }]);
        let refused = client.invoke("SendEventData", &(topic, "s", &events)).await.unwrap_err().to_string();
        assert!(refused.contains("NotWritten: ") && refused.ends_with("the scope write:f1-data."), "{refused}");
    }
    // Inside of what it may read, it may know.
    let answer = get(&format!("{}/topics/f1-new/packages?until_end=true", program.url), &reader).await;
    problem(answer, 404).await;
    let refused = client.invoke("SubscribeToPackages", &("f1-new",)).await.unwrap_err().to_string();
    assert!(refused.contains("Topic 'f1-new' does not exist"), "making topics is a scope of its own: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn topic_star_is_what_the_token_may_read_for_streams_and_metrics_too() {
    let program = guarded("").await;
    let all = token("root", "read:* write:* create_topics");
    let write = async |topic: &str| {
        let url = format!("{}/topics/{topic}/packages", program.url);
        assert_eq!(ask(Method::POST, &url, Some(&all)).body(LINE).send().await.unwrap().status(), 200, "{topic}");
    };
    for topic in ["f1-data", "secret"] {
        ask(Method::PUT, &format!("{}/topics/{topic}", program.url), Some(&all)).send().await.unwrap();
        write(topic).await;
    }
    let client = connect(&program, &token("ann", "read:f1-*")).await;
    let list: Vec<Value> = client.invoke_as("SubscribeToActiveStreams", &("*",)).await.unwrap();
    assert_eq!(list.iter().map(|stream| &stream["topicName"]).collect::<Vec<_>>(), ["f1-data"]);
    client.invoke("SubscribeToTopicMetrics", &("*",)).await.unwrap();
    for topic in ["new-secret", "f1-new"] {
        ask(Method::PUT, &format!("{}/topics/{topic}", program.url), Some(&all)).send().await.unwrap();
        write(topic).await;
    }
    let (mut streams, mut measured) = (None, None);
    while streams.as_deref() != Some("f1-new") || measured.as_deref() != Some("f1-new") {
        let call = within("a call", client.next_call()).await.unwrap();
        let arguments: Vec<Value> = serde_json::from_str(&call.arguments).unwrap();
        let topic = arguments[0]["topicName"].as_str().unwrap().to_owned();
        assert!(topic.starts_with("f1-"), "{topic}");
        *(if call.target == "ActiveStreamsChanged" { &mut streams } else { &mut measured }) = Some(topic);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_listed_and_made_within_the_token() {
    let program = guarded("").await;
    let all = token("root", "read:* write:* create_topics");
    for topic in ["a", "b-read", "b-write", "c"] {
        ask(Method::PUT, &format!("{}/topics/{topic}", program.url), Some(&all)).send().await.unwrap();
    }
    for (scope, seen) in [
        ("read:b-read write:b-write", &["b-read", "b-write"][..]),
        ("read:*", &["a", "b-read", "b-write", "c"]),
        ("write:c*", &["c"]),
        ("admin create_topics kafka", &[]),
        ("", &[]),
    ] {
        let answer = get(&format!("{}/topics", program.url), &token("ann", scope)).await;
        let topics: Vec<Value> = answer.json().await.unwrap();
        let mut names: Vec<_> = topics.iter().map(|topic| topic["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, seen, "{scope}");
    }
    for (scope, topic, expected) in [
        ("write:*", "d", 403),
        ("create_topics", "d", 403),
        ("create_topics", "a", 403),
        ("create_topics write:d*", "d", 200),
        ("create_topics write:d*", "local-d2", 200),
        ("create_topics write:d*", "e", 403),
    ] {
        let url = format!("{}/topics/{topic}", program.url);
        let answer = ask(Method::PUT, &url, Some(&token("ann", scope))).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{scope} {topic}");
    }
    let write = |scope: &str, topic: &str| {
        let url = format!("{}/topics/{topic}/packages", program.url);
        ask(Method::POST, &url, Some(&token("ann", scope))).body(LINE).send()
    };
    assert_eq!(write("write:u", "u").await.unwrap().status(), 404, "its use makes no topic");
    assert_eq!(write("write:u create_topics", "u").await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_without_scopes_are_given_the_configured_ones_and_no_others_are() {
    let program = guarded("default_scope = \"read:f1-*\"").await;
    let named = get(&format!("{}/topics/f1-x/packages?until_end=true", program.url), &token("ann", "")).await;
    assert_eq!(named.status(), 403, "an empty scope is one");
    let bare =
        crate::tokens_kinds::hs256(&json!({ "alg": "HS256" }), &json!({ "exp": 9_999_999_999_u64, "sub": "pat" }));
    for (topic, expected) in [("f1-x", 404), ("secret", 403)] {
        let answer = get(&format!("{}/topics/{topic}/packages?until_end=true", program.url), &bare).await;
        assert_eq!(answer.status(), expected, "{topic}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_names_the_workspace_of_ids() {
    let program = Program::serve(&["--memory"]).await;
    let port = program.address().rsplit(':').next().unwrap().to_owned();
    let topics = async |host: &str| -> Vec<Value> {
        let request = Client::new().get(format!("{}/topics", program.url)).header("host", format!("{host}:{port}"));
        request.send().await.unwrap().json().await.unwrap()
    };
    for (host, topic) in
        [("writer-org-env.localhost", "org-env-f1"), ("reader-two.localhost", "two-f2"), ("localhost", "local-f3")]
    {
        let url = format!("{}/topics/{topic}/packages", program.url);
        let write = Client::new().post(url).header("host", format!("{host}:{port}")).body(LINE);
        assert_eq!(write.send().await.unwrap().status(), 200, "{host}");
        let id = format!("{}{}", &topic[..topic.len() - 2], "f1");
        assert_eq!(topics(host).await[0], json!({ "name": "f1", "id": id, "partitions": 1 }));
    }
    let names: Vec<_> =
        topics("localhost").await.iter().map(|topic| topic["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names, ["f1", "f2", "f3"], "the workspace is no part of a name");

    // A client of a workspace is called back with that workspace's id, by whichever name it has subscribed.
    for (workspace, topic) in [("ws-a", "by-name"), ("ws-b", "ws-b-by-id")] {
        let package = package_sent_back(&program, &format!("reader-{workspace}.localhost:{port}"), topic).await;
        let name = topic.trim_start_matches("ws-b-");
        assert_eq!((&package["topicName"], &package["topicId"]), (&json!(name), &json!(format!("{workspace}-{name}"))));
    }
}

/// Subscribes to a topic at this host, writes an event to it, and gives the package that comes back.
async fn package_sent_back(program: &Program, host: &str, topic: &str) -> Value {
    let stream = tokio::net::TcpStream::connect(program.address()).await.unwrap();
    let (mut hub, _) = tokio_tungstenite::client_async(format!("ws://{host}/hub"), stream).await.unwrap();
    let events = json!([{ "id": "E", "timestamp": 1, "value": "v" }]);
    for message in [
        json!({ "protocol": "json", "version": 1 }),
        json!({ "type": 1, "invocationId": "1", "target": "SubscribeToPackages", "arguments": [topic] }),
        json!({ "type": 1, "invocationId": "2", "target": "SendEventData", "arguments": [topic, "s", events] }),
    ] {
        hub.send(Message::text(format!("{message}\u{1e}"))).await.unwrap();
    }
    within("the package", async {
        loop {
            let frame = hub.next().await.expect("the connection lives").unwrap().into_text().unwrap();
            let messages = frame.split_terminator('\u{1e}').map(|text| serde_json::from_str::<Value>(text).unwrap());
            let mut calls = messages.filter(|message| message["target"] == "PackageReceived");
            if let Some(call) = calls.next() {
                return call["arguments"][0].clone();
            }
        }
    })
    .await
}

//! What subscriptions may cost: their limits, and that equal ones share their work.

use e2e::wait::until;
use serde_json::json;
use streamgate::config::{Config, Limits};

use crate::reader::Room;
use crate::support::metric;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_so_many_subscriptions_each_triple_one() {
    let limits = Limits { subscriptions: 5, ..Limits::default() };
    let room = Room::configured(Config { limits, create_topics: Some(true), ..Config::default() }).await;
    let reader = room.reader().await;
    let hits = async || metric(&room.server.management(), "streamgate_limit_hits_total{limit=\"subscriptions\"}").await;
    for _ in 0..2 {
        for (method, arguments) in [
            ("SubscribeToParameter", vec!["t", "s", "a"]),
            ("SubscribeToParameter", vec!["t", "*", "*"]),
            ("SubscribeToEvent", vec!["t", "s", "a"]),
            ("SubscribeToPackages", vec!["*"]),
            ("SubscribeToParameterDefinitions", vec!["t", "s"]),
        ] {
            reader.calls(method, &arguments).await;
            reader.calls(method, &arguments).await;
        }
    }
    assert_eq!(hits().await, 0.0, "twice is once");
    for topic in ["t", "other", "*"] {
        let error = reader.fails("SubscribeToEvent", (topic, "s", "b")).await;
        assert!(error.contains("This connection has 5 subscriptions") && error.contains("`subscriptions`"), "{error}");
    }
    assert_eq!(hits().await, 3.0);
    // What was refused takes no room, and what is ended gives it.
    reader.calls("UnsubscribeFromEvent", ("t", "s", "b")).await;
    reader.fails("SubscribeToEvent", ("t", "s", "b")).await;
    reader.calls("UnsubscribeFromStream", ("t", "s")).await;
    for event in ["b", "c", "d"] {
        reader.calls("SubscribeToEvent", ("t", "s", event)).await;
    }
    reader.fails("SubscribeToEvent", ("t", "s", "e")).await;
    reader.calls("UnsubscribeFromPackages", ("*",)).await;
    reader.calls("SubscribeToEvent", ("t", "s", "e")).await;
    // Others have room of their own, and a new connection has all of it.
    room.reader().await.calls("SubscribeToEvent", ("t", "s", "x")).await;
    room.events("t", "s", json!([{ "id": "e", "timestamp": 1 }])).await;
    reader.next_of("EventDataReceived").await;
    let follow = "streamgate_subscriptions{topic=\"t\"}";
    reader.0.abort().await;
    until("nobody follows", async || metric(&room.server.management(), follow).await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_has_so_many_subscriptions_to_all_topics() {
    let limits = Limits { wildcard_subscriptions: 2, ..Limits::default() };
    let room = Room::configured(Config { limits, create_topics: Some(true), ..Config::default() }).await;
    let reader = room.reader().await;
    for event in ["a", "b", "a"] {
        reader.calls("SubscribeToEvent", ("*", "s", event)).await;
    }
    let error = reader.fails("SubscribeToEvent", ("*", "s", "c")).await;
    assert!(error.contains("2 subscriptions to topic '*'") && error.contains("`wildcard_subscriptions`"), "{error}");
    let hits = "streamgate_limit_hits_total{limit=\"wildcard_subscriptions\"}";
    assert_eq!(metric(&room.server.management(), hits).await, 1.0);
    reader.calls("SubscribeToEvent", ("t", "s", "c")).await;
    reader.calls("UnsubscribeFromEvent", ("*", "s", "b")).await;
    reader.calls("SubscribeToEvent", ("*", "s", "d")).await;
    room.reader().await.calls("SubscribeToEvent", ("*", "s", "x")).await;
    for event in ["b", "c", "d"] {
        room.events("t", "s", json!([{ "id": event, "timestamp": 1 }])).await;
    }
    for event in ["c", "d"] {
        assert_eq!(reader.next_of("EventDataReceived").await["id"], event);
    }
}

/// One call of 10,000 events, well within what may be sent, is ten times what may wait for a connection.
#[tokio::test(flavor = "multi_thread")]
async fn no_single_record_ends_who_keeps_up() {
    let limits = Limits { output_queue_bytes: 1 << 20, ..Limits::default() };
    let room = Room::configured(Config { limits, ..Config::default() }).await;
    let (reader, stream) = (room.reader().await, "s".repeat(1_000));
    reader.calls("SubscribeToEvent", ("t", &stream, "*")).await;
    for round in 0..3 {
        let events: Vec<_> = (0..10_000).map(|number| json!({ "id": "e", "timestamp": number })).collect();
        room.events("t", &stream, events.into()).await;
        for number in 0..10_000 {
            let event = reader.next_of("EventDataReceived").await;
            assert_eq!(event["timestamp"], number, "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_too_long_are_refused_and_the_longest_are_not() {
    let room = Room::open().await;
    let reader = room.reader().await;
    let (longest, too_long) = ("ä".repeat(512), format!("{}x", "ä".repeat(512)));
    for (method, arguments, what) in [
        ("SubscribeToParameter", vec!["t", &too_long, "p"], "stream id"),
        ("SubscribeToParameter", vec!["t", "s", &too_long], "parameter id"),
        ("SubscribeToEvent", vec!["t", "s", &too_long], "event id"),
        ("SubscribeToEvent", vec!["*", &too_long, "e"], "stream id"),
        ("SubscribeToParameterDefinitions", vec!["t", &too_long], "stream id"),
        ("SubscribeToEventDefinitions", vec!["t", &too_long], "stream id"),
    ] {
        let error = reader.fails(method, &arguments).await;
        assert!(error.contains(&format!("The {what} is longer than 1024 bytes")), "{method}: {error}");
        assert!(error.len() < 400, "{error}");
        reader.calls(&method.replace("SubscribeTo", "UnsubscribeFrom"), &arguments).await;
    }
    let hits = metric(&room.server.management(), "streamgate_limit_hits_total{limit=\"names\"}").await;
    assert_eq!(hits, 6.0);
    let error = reader.fails("SubscribeToEvent", ("t".repeat(250), "s", "e")).await;
    assert!(error.contains("is not a topic name: a name has 1 to 249 characters"), "{error}");
    reader.calls("SubscribeToEvent", ("t", &longest, &longest)).await;
    room.events("t", &longest, json!([{ "id": longest, "timestamp": 1 }])).await;
    assert_eq!(reader.next_of("EventDataReceived").await["id"], longest);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_filters_share_an_encoding_and_what_nobody_needs_is_not_parsed() {
    let room = Room::open().await;
    let management = room.server.management();
    let counted = async |name: &str| metric(&management, &format!("streamgate_{name}_total{{topic=\"t\"}}")).await;
    let mut readers = Vec::new();
    for number in 0..30 {
        let reader = room.reader().await;
        // Three filters, asked for in two ways.
        let stream = if number % 2 == 0 { "s" } else { "*" };
        reader.calls("SubscribeToParameter", ("t", stream, format!("p{}", number % 3))).await;
        readers.push(reader);
    }
    let data = json!({ "timestamps": [1], "numericValues": { "p0": [0], "p1": [1], "p2": [2], "p3": [3] } });
    for _ in 0..4 {
        room.parameters("t", "s", data.clone()).await;
    }
    for (number, reader) in readers.iter().enumerate() {
        for _ in 0..4 {
            let numbers = json!({ format!("p{}", number % 3): [number % 3] });
            assert_eq!(reader.next_of("ParameterDataReceived").await["numericValues"], numbers);
        }
    }
    until("all are counted", async || counted("deliveries").await == 120.0).await;
    assert_eq!((counted("encodings").await, counted("parses").await), (12.0, 4.0));
    room.events("t", "s", json!([{ "id": "p0", "timestamp": 1 }])).await;
    room.parameters("t", "s", json!({ "timestamps": [1], "stringValues": { "p3": ["x"] } })).await;
    until("both are read", async || counted("packages").await == 6.0).await;
    assert_eq!((counted("encodings").await, counted("parses").await), (12.0, 5.0), "events are not even looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_that_is_set_packages_are_a_sample_and_nothing_else_is() {
    let mut config = Config { create_topics: Some(true), ..Config::default() };
    config.limits.packages_per_second = 3;
    let room = Room::configured(config).await;
    let reader = room.reader().await;
    reader.calls("SubscribeToPackages", ("t",)).await;
    reader.calls("SubscribeToEvent", ("t", "*", "*")).await;
    for number in 0..50 {
        room.events("t", "s", json!([{ "id": "e", "timestamp": number }])).await;
    }
    let (mut packages, mut events) = (0, 0);
    while events < 50 {
        match reader.next().await.0.as_str() {
            "PackageReceived" => packages += 1,
            _ => events += 1,
        }
    }
    let left_out = "streamgate_limit_hits_total{limit=\"packages_per_second\"}";
    let left_out = metric(&room.server.management(), left_out).await;
    assert_eq!(f64::from(packages), 50.0 - left_out);
    assert!((3..50).contains(&packages), "{packages}");
}

//! Which topics a Reader follows: by name and by id, each for itself, or all of them.

use e2e::wait::{until, within};
use kafka_bridge::broker::Broker;
use reqwest::Client;
use serde_json::{Value, json};

use crate::reader::Room;
use crate::support::metric;

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_told_by_name_or_id_and_callbacks_carry_both() {
    let room = Room::open().await;
    for text in ["t", "local-t"] {
        let reader = room.reader().await;
        reader.calls("SubscribeToParameter", (text, "s", "p")).await;
        reader.calls("SubscribeToEvent", (text, "s", "e")).await;
        reader.calls("SubscribeToParameterDefinitions", (text, "s")).await;
        reader.calls("SubscribeToEventDefinitions", (text, "s")).await;
        reader.calls("SubscribeToPackages", (text,)).await;
        write_all(&room, "t").await;
        for callback in [
            "PackageReceived",
            "ParameterDataReceived",
            "PackageReceived",
            "EventDataReceived",
            "PackageReceived",
            "ParameterDefinitionsUpdated",
            "PackageReceived",
            "EventDefinitionsUpdated",
        ] {
            let got = reader.next_of(callback).await;
            assert_eq!((&got["topicName"], &got["topicId"]), (&json!("t"), &json!("local-t")), "{callback} by {text}");
        }
        // Each name ends what was begun by the other.
        let other = if text == "t" { "local-t" } else { "t" };
        reader.calls("UnsubscribeFromParameter", (other, "s", "p")).await;
        reader.calls("UnsubscribeFromStream", (other, "s")).await;
        write_all(&room, "t").await;
        for _ in 0..4 {
            reader.next_of("PackageReceived").await;
        }
        reader.0.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_stream_in_two_topics_stays_apart() {
    let room = Room::open().await;
    let reader = room.reader().await;
    for topic in ["a", "b"] {
        reader.calls("SubscribeToParameter", (topic, "s", "p")).await;
        reader.calls("SubscribeToEvent", (topic, "s", "e")).await;
    }
    room.events("a", "s", json!([{ "id": "e", "timestamp": 1 }])).await;
    assert_eq!(reader.next_of("EventDataReceived").await["topicName"], "a");
    room.events("b", "s", json!([{ "id": "e", "timestamp": 1 }])).await;
    assert_eq!(reader.next_of("EventDataReceived").await["topicName"], "b");
    reader.calls("UnsubscribeFromParameter", ("a", "s", "p")).await;
    let data = json!({ "timestamps": [1], "numericValues": { "p": [1] } });
    room.parameters("a", "s", data.clone()).await;
    room.parameters("b", "s", data.clone()).await;
    assert_eq!(reader.next_of("ParameterDataReceived").await["topicName"], "b");
    reader.calls("UnsubscribeFromStream", ("a", "s")).await;
    room.events("a", "s", json!([{ "id": "e", "timestamp": 2 }])).await;
    room.parameters("b", "s", data).await;
    assert_eq!(reader.next_of("ParameterDataReceived").await["topicName"], "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_whose_name_is_the_id_of_another_keeps_it() {
    let room = Room::open().await;
    room.broker.create_topic("local-t", Some(1)).await.unwrap();
    let reader = room.reader().await;
    for topic in ["local-t", "t"] {
        reader.calls("SubscribeToEvent", (topic, "s", "e")).await;
    }
    for _ in 0..2 {
        reader.calls("UnsubscribeFromEvent", ("local-t", "s", "e")).await;
    }
    for topic in ["local-t", "t"] {
        room.events(topic, "s", json!([{ "id": "e", "timestamp": 1 }])).await;
    }
    assert_eq!(reader.next_of("EventDataReceived").await["topicName"], "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn topic_star_is_every_topic_also_those_that_come() {
    let room = Room::open().await;
    let (all, writer) = (room.reader().await, room.reader().await);
    all.calls("SubscribeToEvent", ("*", "s", "e")).await;
    let event = json!([{ "id": "e", "timestamp": 1 }]);
    room.events("t", "s", event.clone()).await;
    assert_eq!(all.next_of("EventDataReceived").await["topicName"], "t");
    // One that its first write makes: not even that is missed.
    writer.calls("SendEventData", ("made-by-use", "s", &event)).await;
    assert_eq!(all.next_of("EventDataReceived").await["topicId"], "local-made-by-use");
    // One that somebody else makes is found soon.
    let url = format!("{}/topics/made-elsewhere", room.server.url());
    assert!(Client::new().put(url).send().await.unwrap().status().is_success());
    let management = room.server.management();
    until("it is followed", async || metric(&management, &follows("made-elsewhere")).await == 1.0).await;
    room.events("made-elsewhere", "s", event.clone()).await;
    assert_eq!(all.next_of("EventDataReceived").await["topicName"], "made-elsewhere");
    // It is one subscription, ended by its own name only.
    all.calls("UnsubscribeFromEvent", ("t", "s", "e")).await;
    all.calls("UnsubscribeFromStream", ("t", "s")).await;
    room.events("t", "s", event.clone()).await;
    assert_eq!(all.next_of("EventDataReceived").await["topicName"], "t");
    all.calls("SubscribeToPackages", ("t",)).await;
    all.calls("UnsubscribeFromStream", ("*", "s")).await;
    for topic in ["made-by-use", "made-elsewhere", "t"] {
        room.events(topic, "s", event.clone()).await;
    }
    assert_eq!(all.next_of("PackageReceived").await["topicName"], "t", "all that is left");
    all.0.close().await;
    for topic in ["t", "made-by-use", "made-elsewhere"] {
        until("nobody follows it", async || metric(&management, &follows(topic)).await == 0.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topic_star_and_a_topic_of_it_deliver_once_and_end_apart() {
    let room = Room::open().await;
    let reader = room.reader().await;
    for topic in ["*", "t", "*"] {
        reader.calls("SubscribeToParameter", (topic, "*", "a")).await;
        reader.calls("SubscribeToPackages", (topic,)).await;
    }
    reader.calls("SubscribeToParameter", ("t", "s", "b")).await;
    let expect = async |numbers: Value| {
        room.parameters("t", "s", json!({ "timestamps": [1], "numericValues": { "a": [1], "b": [2] } })).await;
        reader.next_of("PackageReceived").await;
        assert_eq!(reader.next_of("ParameterDataReceived").await["numericValues"], numbers);
    };
    expect(json!({ "a": [1], "b": [2] })).await;
    reader.calls("UnsubscribeFromParameter", ("t", "*", "a")).await;
    reader.calls("UnsubscribeFromPackages", ("t",)).await;
    expect(json!({ "a": [1], "b": [2] })).await;
    reader.calls("UnsubscribeFromParameter", ("*", "*", "a")).await;
    expect(json!({ "b": [2] })).await;
    // With its last subscription to all topics a connection leaves all of them.
    reader.calls("UnsubscribeFromStream", ("t", "s")).await;
    reader.0.abort().await;
    until("nobody follows it", async || metric(&room.server.management(), &follows("t")).await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_goes_ends_who_asked_for_it_but_not_who_follows_all() {
    let room = Room::open().await;
    let (named, all) = (room.reader().await, room.reader().await);
    named.calls("SubscribeToEvent", ("t", "*", "*")).await;
    all.calls("SubscribeToEvent", ("*", "*", "*")).await;
    assert!(room.broker.delete_topic("t"));
    let closed = within("the end", named.0.closed()).await;
    assert!(format!("{closed:?}").contains("Topic 't' is gone."), "{closed:?}");
    // The same name anew is a topic that has come.
    let created = Client::new().put(format!("{}/topics/t", room.server.url())).send().await.unwrap();
    assert!(created.status().is_success(), "{created:?}");
    let management = room.server.management();
    until("it is followed", async || metric(&management, &follows("t")).await == 1.0).await;
    room.events("t", "s", json!([{ "id": "e", "timestamp": 1 }])).await;
    assert_eq!(all.next_of("EventDataReceived").await["topicName"], "t");
}

fn follows(topic: &str) -> String {
    format!("streamgate_subscriptions{{topic=\"{topic}\"}}")
}

/// One record of each model that has subscribers of its own.
async fn write_all(room: &Room, topic: &str) {
    room.parameters(topic, "s", json!({ "timestamps": [1], "numericValues": { "p": [1] } })).await;
    room.events(topic, "s", json!([{ "id": "e", "timestamp": 1 }])).await;
    room.parameter_definitions(topic, "s", json!([{ "id": "p" }])).await;
    room.event_definitions(topic, "s", json!([{ "id": "e" }])).await;
}

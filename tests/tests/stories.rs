//! Stories of writers and readers over the whole server, in memory, in a data folder and on real Kafka.

use e2e::client::HubError;
use e2e::stage::Stage;
use e2e::wait::{own_topic, within};
use serde_json::{Value, json};

fn event(number: usize) -> Value {
    json!({ "timestamp": number, "tags": {}, "id": "number", "value": number.to_string() })
}

fn number(package: &Value) -> usize {
    let events: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
    events[0]["Value"].as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_acknowledged_after_subscribe_completes_is_delivered_on_a_topic_nobody_followed() {
    for (stage, rounds) in [(Stage::Memory, 200), (Stage::Embedded, 200), (Stage::Kafka, 200)] {
        let server = stage.server().await;
        let writer = server.connect().await;
        let prefix = own_topic("fresh");
        for round in 0..rounds {
            let topic = format!("{prefix}-{round}");
            let reader = server.connect().await;
            within("the subscription", reader.invoke("SubscribeToPackages", &(&topic,))).await.unwrap();
            within("the send", writer.invoke("SendEventData", &(&topic, "s", [event(round)]))).await.unwrap();
            let call = within("the package", reader.next_call_of("PackageReceived")).await.unwrap();
            let (package,): (Value,) = call.bind().unwrap();
            assert_eq!(number(&package), round, "{stage:?}");
            reader.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_in_any_case_are_stored_alike_and_digits_are_kept() {
    for stage in Stage::ALL {
        let server = stage.server().await;
        let (client, topic) = (server.connect().await, own_topic("digits"));
        client.invoke("SubscribeToPackages", &(&topic,)).await.unwrap();
        let camel = json!([{ "timestamp": 1697025689418406001_i64, "tags": {"a": "b"}, "id": "E", "value": "v" }]);
        let pascal = json!({ "Timestamp": 1697025689418406001_i64, "Tags": {"a": "b"}, "Id": "E", "Value": "v" });
        client.invoke("SendEventData", &(&topic, "s", camel)).await.unwrap();
        client.invoke("SendEventData", &(&topic, "s", pascal)).await.unwrap();
        for _ in 0..2 {
            let call = within("the package", client.next_call_of("PackageReceived")).await.unwrap();
            let (package,): (Value,) = call.bind().unwrap();
            let value = r#"[{"Timestamp":1697025689418406001,"Tags":{"a":"b"},"Id":"E","Value":"v"}]"#;
            assert_eq!(package["value"], value);
            assert_eq!(package["type"], "QuixStreams.Telemetry.Models.EventDataRaw[]");
            assert_eq!(package["topicName"], topic.as_str());
            assert_eq!(package["topicId"], format!("local-{topic}"));
            assert_eq!(package["streamId"], "s");
            assert!(package["dateTime"].as_str().unwrap().ends_with('Z'));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_stream_in_two_topics_stays_apart_and_unsubscribing_ends_one() {
    let server = Stage::Memory.server().await;
    let (client, a, b) = (server.connect().await, own_topic("a"), own_topic("b"));
    for topic in [&a, &b] {
        client.invoke("SubscribeToTopicPackages", &(topic,)).await.unwrap();
        client.invoke("SubscribeToPackages", &(format!("local-{topic}"),)).await.unwrap();
    }
    client.invoke("UnsubscribeFromPackages", &(&a,)).await.unwrap();
    client.invoke("UnsubscribeFromPackages", &("never-subscribed",)).await.unwrap();
    client.invoke("SendEventData", &(&a, "s", [event(1)])).await.unwrap();
    client.invoke("SendEventData", &(&b, "s", [event(2)])).await.unwrap();
    client.invoke("SendEventData", &(&b, "s", [event(3)])).await.unwrap();
    for expected in [2, 3] {
        let call = within("the package", client.next_call_of("PackageReceived")).await.unwrap();
        let (package,): (Value,) = call.bind().unwrap();
        assert_eq!((package["topicName"].as_str(), number(&package)), (Some(b.as_str()), expected), "subscribed once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_nobody_can_decode_is_still_a_package() {
    use kafka_bridge::{broker::Broker, memory::MemoryBroker, record::NewRecord};
    let broker = std::sync::Arc::new(MemoryBroker::new());
    let server = e2e::server::TestServer::over(broker.clone()).await;
    let (reader, topic) = (server.connect().await, own_topic("odd"));
    reader.invoke("SubscribeToPackages", &(&topic,)).await.unwrap();
    for (value, type_name, shown) in [
        (&b"{hello}"[..], "System.String", r#""{hello}""#),
        (b"\xff\xfe", "System.Byte[]", r#""//4=""#),
        (b"{\"a\":1}", "System.String", r#"{"a":1}"#),
    ] {
        broker.append(&topic, NewRecord { key: None, value, headers: &[] }).unwrap().await.unwrap();
        let call = within("the package", reader.next_call_of("PackageReceived")).await.unwrap();
        let (package,): (Value,) = call.bind().unwrap();
        assert_eq!(package["type"], type_name);
        assert_eq!(package["value"], shown);
        assert_eq!(package["streamId"], "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_writes_say_that_nothing_was_written() {
    let server = Stage::Memory.server().await;
    let (client, topic) = (server.connect().await, own_topic("refused"));
    let long = "x".repeat(1025);
    let rows = [
        (json!([&topic, &long, [event(1)]]), "NotWritten: The stream id is longer than 1024 bytes."),
        (json!([&topic, "___KA___", [event(1)]]), "NotWritten: The stream id '___KA___' is reserved"),
        (json!(["no topic!", "s", [event(1)]]), "NotWritten: 'no topic!' is not a topic name"),
        (json!(["__consumer_offsets", "s", [event(1)]]), "NotWritten: '__consumer_offsets' is not a topic name"),
        (json!([&topic, "s", [{ "timestamp": 1.5, "id": "a" }]]), "Argument 3 does not fit"),
        (json!([&topic, "s", [{ "timestamp": 1 }]]), "Argument 3 does not fit: the event has no `id`"),
        (json!([&topic, null, []]), "Argument 2 does not fit: invalid type: null, expected a string"),
    ];
    for (arguments, expected) in rows {
        let Err(HubError::Failed(text)) = client.invoke("SendEventData", &arguments).await else {
            panic!("{arguments} was taken")
        };
        assert!(text.contains(expected), "{text}");
    }
    client.invoke("SendEventData", &(&topic, "s", [event(1)])).await.unwrap();
}

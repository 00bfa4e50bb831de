//! Values that end at the broker: what was sent arrives as it was, or is refused, and nothing in between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use e2e::client::HubClient;
use e2e::server::TestServer;
use e2e::wait::within;
use kafka_bridge::broker::{Broker, Delivery, Start};
use kafka_bridge::memory::MemoryBroker;

use serde_json::Value;

/// Sends events as they stand; the error, if there is one.
async fn send(client: &HubClient, stream: &str, events: &str) -> Option<String> {
    let events: Box<serde_json::value::RawValue> = serde_json::from_str(events).expect("JSON");
    let arguments = ("values", stream, events);
    within("an answer", client.invoke("SendEventData", &arguments)).await.err().map(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_arrive_unchanged_or_not_at_all() {
    let broker = Arc::new(MemoryBroker::new());
    let server = TestServer::over(broker.clone()).await;
    let (client, reader) = (server.connect().await, server.connect().await);
    reader.invoke("SubscribeToPackages", &("values",)).await.unwrap();
    let mut deliveries = broker.read("values", Start::Earliest).await.unwrap();
    for (event, stored) in [
        // Half of a pair is no character.
        (
            r#"{"timestamp":1,"id":"E","value":"\ud800"}"#,
            "[{\"Timestamp\":1,\"Tags\":{},\"Id\":\"E\",\"Value\":\"\u{FFFD}\"}]",
        ),
        (
            r#"{"timestamp":1,"id":"\udfff","value":"a\udc00b"}"#,
            "[{\"Timestamp\":1,\"Tags\":{},\"Id\":\"\u{FFFD}\",\"Value\":\"a\u{FFFD}b\"}]",
        ),
        (
            r#"{"timestamp":1,"id":"E","tags":{"\ud800":"\udbff"}}"#,
            "[{\"Timestamp\":1,\"Tags\":{\"\u{FFFD}\":\"\u{FFFD}\"},\"Id\":\"E\",\"Value\":null}]",
        ),
        (
            r#"{"timestamp":1,"id":"E","value":"\ud83d\ude80"}"#,
            "[{\"Timestamp\":1,\"Tags\":{},\"Id\":\"E\",\"Value\":\"🚀\"}]",
        ),
        // What ends messages, lines and texts elsewhere.
        (
            r#"{"timestamp":1,"id":"E","value":"\u001e\u0000\r\n\u2028</script>\u001b[31m"}"#,
            "[{\"Timestamp\":1,\"Tags\":{},\"Id\":\"E\",\"Value\":\"\\u001E\\u0000\\r\\n\u{2028}</script>\\u001B[31m\"}]",
        ),
        (r#"{"timestamp":-0,"id":"E"}"#, r#"[{"Timestamp":0,"Tags":{},"Id":"E","Value":null}]"#),
        (
            r#"{"timestamp":-9223372036854775808,"id":""}"#,
            r#"[{"Timestamp":-9223372036854775808,"Tags":{},"Id":"","Value":null}]"#,
        ),
        (
            r#"{"timestamp":9.223372036854775807e18,"id":"E"}"#,
            r#"[{"Timestamp":9223372036854775807,"Tags":{},"Id":"E","Value":null}]"#,
        ),
        (
            r#"{"timestamp":1,"id":"E","unknown":1e400,"more":[-0,1e309,{"x":-1e-400}]}"#,
            r#"[{"Timestamp":1,"Tags":{},"Id":"E","Value":null}]"#,
        ),
        (
            r#"{"timestamp":1,"TIMESTAMP":2,"id":"a","ID":"b","value":"1","Value":"2"}"#,
            r#"[{"Timestamp":2,"Tags":{},"Id":"b","Value":"2"}]"#,
        ),
        (
            r#"{"timestamp":1,"id":"E","tags":{"__proto__":"x","a":"1","a":"2"}}"#,
            r#"[{"Timestamp":1,"Tags":{"__proto__":"x","a":"2"},"Id":"E","Value":null}]"#,
        ),
    ] {
        assert_eq!(send(&client, "s", event).await, None, "{event}");
        let record = loop {
            match within("the record", deliveries.next()).await.unwrap() {
                Delivery::Batch(mut batch) => break batch.records.remove(0),
                _ => continue,
            }
        };
        let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
        assert!(
            value.to_lowercase().contains(&stored.to_lowercase()) || escaped(&value).contains(&escaped(stored)),
            "{event}: {value}"
        );
        let call = within("the package", reader.next_call_of("PackageReceived")).await.unwrap();
        let (package,): (Value,) = call.bind().unwrap();
        let (shown, expected): (Value, Value) =
            (serde_json::from_str(package["value"].as_str().unwrap()).unwrap(), serde_json::from_str(stored).unwrap());
        assert_eq!(shown, expected, "{event}");
    }
    for refused in [
        r#"{"timestamp":1e400,"id":"E"}"#,
        r#"{"timestamp":1e309,"id":"E"}"#,
        r#"{"timestamp":9223372036854775808,"id":"E"}"#,
        r#"{"timestamp":-9223372036854775809,"id":"E"}"#,
        r#"{"timestamp":1e-1,"id":"E"}"#,
        r#"{"timestamp":1e1000000000000000000000,"id":"E"}"#,
        r#"{"timestamp":0.000000000000000000000000000000000001,"id":"E"}"#,
        r#"{"timestamp":null,"id":"E"}"#,
        r#"{"timestamp":1,"id":1}"#,
        r#"{"timestamp":1,"id":"E","value":1e400}"#,
        r#"{"timestamp":1,"id":"E","tags":[]}"#,
        r#"[[]]"#,
        "null",
        "-0",
    ] {
        let error = send(&client, "s", refused).await;
        assert!(error.as_ref().is_some_and(|error| error.contains("Argument 3 does not fit")), "{refused}: {error:?}");
    }
    let long = format!("{{\"timestamp\":1{},\"id\":\"E\"}}", "0".repeat(1 << 20));
    assert!(send(&client, "s", &long).await.is_some(), "a million digits");
    assert_eq!(send(&client, "s", r#"{"timestamp":1,"id":"E"}"#).await, None, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_tags_and_as_many_events_take_no_time_to_speak_of() {
    let server = TestServer::start().await;
    let client = server.connect().await;
    let tags: Vec<String> = (0..100_000).map(|number| format!("\"t{number}\":\"v\"")).collect();
    let same: Vec<String> = (0..200_000).map(|number| format!("\"t\":\"{number}\"")).collect();
    let members = format!("{{\"timestamp\":1,\"id\":\"E\"{}}}", ",\"x\":1".repeat(300_000));
    let events = format!("[{}]", vec![r#"{"timestamp":1,"id":"E"}"#; 80_000].join(","));
    for (what, events) in [
        ("tags", format!("{{\"timestamp\":1,\"id\":\"E\",\"tags\":{{{}}}}}", tags.join(","))),
        ("tags of one name", format!("{{\"timestamp\":1,\"id\":\"E\",\"tags\":{{{}}}}}", same.join(","))),
        ("members", members),
        ("events", events),
    ] {
        let begun = Instant::now();
        assert_eq!(send(&client, "s", &events).await, None, "{what}");
        println!("{what}: {} bytes in {:?}", events.len(), begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {:?}", begun.elapsed());
    }
}

/// Escapes may be written in more ways than one.
fn escaped(json: &str) -> String {
    serde_json::from_str::<Value>(json).expect("JSON").to_string()
}

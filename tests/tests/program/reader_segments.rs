//! Records that came in segments, and odd ones, as a Reader sees them: whole or not at all, and nobody waits.

use quix_model::{Events, Outgoing, Splitting, WriteSettings};
use serde_json::{Value, json};

use crate::reader::{Reader, Room};
use crate::support::metric;
use crate::vectors::{records, vectors};

#[tokio::test(flavor = "multi_thread")]
async fn a_large_event_comes_whole_once_its_last_segment_is_there() {
    let room = Room::open().await;
    let (events, packages) = (room.reader().await, room.reader().await);
    events.calls("SubscribeToEvent", ("t", "*", "*")).await;
    packages.calls("SubscribeToPackages", ("t",)).await;
    let text = "čau ".repeat(500_000);
    let large: Events = serde_json::from_value(json!([{ "id": "large", "timestamp": 1, "value": text }])).unwrap();
    let settings = WriteSettings { splitting: Splitting::Legacy, ..WriteSettings::default() };
    let pieces = settings.records(Outgoing::Events(&large), "s", 7).unwrap();
    assert_eq!(pieces.len(), 3);
    for piece in &pieces {
        room.record("t", b"s", &piece.value).await;
    }
    room.events("t", "s", json!([{ "id": "after", "timestamp": 2 }])).await;
    let got = events.next_of("EventDataReceived").await;
    assert_eq!((&got["streamId"], &got["id"], &got["value"]), (&json!("s"), &json!("large"), &json!(text)));
    assert_eq!(events.next_of("EventDataReceived").await["id"], "after");
    let package = packages.next_of("PackageReceived").await;
    let shown: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
    assert_eq!((&shown[0]["Id"], &shown[0]["Value"]), (&json!("large"), &json!(text)));
    assert!(packages.next_of("PackageReceived").await["value"].as_str().unwrap().contains("after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_segment_that_does_not_come() {
    let room = Room::open().await;
    let reader = room.reader().await;
    reader.calls("SubscribeToEvent", ("t", "*", "*")).await;
    let pieces = records(&vectors("handmade-split.json")["cases"]["split-three"]["messages"]);
    assert_eq!(pieces.len(), 3);
    for piece in &pieces[..2] {
        room.record("t", &piece.key, &piece.value).await;
    }
    room.events("t", "other", json!([{ "id": "next", "timestamp": 1 }])).await;
    assert_eq!(reader.next_of("EventDataReceived").await["id"], "next", "at once");
    room.record("t", &pieces[2].key, &pieces[2].value).await;
    assert_eq!(reader.next_of("EventDataReceived").await["streamId"], "split-three");
    // Past 500 records of its partition an incomplete one is given up, which the next segment finds.
    for piece in &pieces[..2] {
        room.record("t", &piece.key, &piece.value).await;
    }
    for number in 0..501 {
        room.events("t", "other", json!([{ "id": "more", "timestamp": number }])).await;
    }
    room.record("t", &pieces[2].key, &pieces[2].value).await;
    room.events("t", "other", json!([{ "id": "last", "timestamp": 1 }])).await;
    for _ in 0..501 {
        assert_eq!(reader.next_of("EventDataReceived").await["id"], "more");
    }
    assert_eq!(reader.next_of("EventDataReceived").await["id"], "last");
    let dropped = "streamgate_records_odd_total{reason=\"split_expired\"}";
    assert_eq!(metric(&room.server.management(), dropped).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_in_any_order_twice_mixed_or_single_come_together() {
    let room = Room::open().await;
    let reader = room.reader().await;
    reader.calls("SubscribeToEvent", ("t", "*", "*")).await;
    let cases = vectors("handmade-split.json")["cases"].clone();
    for case in
        ["split-out-of-order", "split-twice-sent", "split-last-not-last", "split-one-segment", "split-interleaved"]
    {
        let records = records(&cases[case]["messages"]);
        assert!(!records.is_empty(), "{case}");
        for record in &records {
            room.record("t", &record.key, &record.value).await;
        }
        room.events("t", "end", json!([{ "id": "end", "timestamp": 1 }])).await;
        let mut got = Vec::new();
        loop {
            let event = reader.next_of("EventDataReceived").await;
            if event["streamId"] == "end" {
                break;
            }
            assert_eq!(event["streamId"], case);
            got.push(event["id"].clone());
        }
        let expected = if case == "split-interleaved" { 2 } else { 1 };
        assert_eq!(got.len(), expected, "{case}: {got:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_records_are_packages_and_disturb_nobody() {
    let room = Room::open().await;
    let (packages, events) = (room.reader().await, room.reader().await);
    packages.calls("SubscribeToPackages", ("t",)).await;
    events.calls("SubscribeToEvent", ("t", "*", "*")).await;
    events.calls("SubscribeToParameter", ("t", "*", "*")).await;
    for (value, shown) in [
        (&b""[..], "\"\""),
        (b"{", "\"{\""),
        (b"<", "\"<\""),
        (b"\x01", "\"\\u0001\""),
        (b"{\"C\":\"JT\",\"K\":\"EventData[]\",\"V\":[{\"Timestamp\":\"no\"}]}", ""),
    ] {
        room.record("t", b"\xff", value).await;
        let package = packages.next_of("PackageReceived").await;
        assert_eq!(package["streamId"], "\u{fffd}");
        if !shown.is_empty() {
            assert_eq!(package["value"], shown);
        }
    }
    // Keep-alives are nobody's.
    room.record("t", b"___KA___", b"").await;
    still_there(&room, &packages, &events).await;
}

async fn still_there(room: &Room, packages: &Reader, events: &Reader) {
    // As newer Python clients write it: a single event, no array.
    let value = br#"{"C":"JT","K":"EventData","V":{"Timestamp":7,"Tags":{},"Id":"one","Value":"v"}}"#;
    room.record("t", b"s", value).await;
    assert_eq!(events.next_of("EventDataReceived").await["id"], "one");
    let package = packages.next_of("PackageReceived").await;
    let shown: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
    assert_eq!(shown, json!([{ "Timestamp": 7, "Tags": {}, "Id": "one", "Value": "v" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_and_codec_of_quix_streams_is_parameter_data() {
    let room = Room::open().await;
    let reader = room.reader().await;
    reader.calls("SubscribeToParameter", ("t", "*", "*")).await;
    let mut shown: Vec<Vec<Value>> = Vec::new();
    for codec in ["json", "compact", "protobuf"] {
        let vectors = vectors(&format!("v05-timeseries-{codec}.json"));
        for record in records(&vectors["messages"]) {
            room.record("t", &record.key, &record.value).await;
        }
        room.parameters("t", "end", json!({ "timestamps": [1], "numericValues": { "end": [1] } })).await;
        let mut got = Vec::new();
        loop {
            let mut data = reader.next_of("ParameterDataReceived").await;
            if data["streamId"] == "end" {
                break;
            }
            assert_eq!(data["epoch"], 0);
            data["streamId"] = Value::Null;
            got.push(data);
        }
        assert!(!got.is_empty(), "{codec}");
        shown.push(got);
    }
    assert_eq!(shown[0], shown[2], "the same program wrote them");
    assert_eq!(shown[0].len(), shown[1].len());
}

//! What goes wrong with the bytes of Quix Streams where a server is careless, one story each; `docs/traps.md` lists all.

use std::io::Write;
use std::time::Duration;

use e2e::client::HubClient;
use e2e::program::{Program, printed};
use e2e::stage::shared_kafka;
use flate2::Compression;
use flate2::write::GzEncoder;
use kafka_bridge::record::NewRecord;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::reader::{Reader, Room};
use crate::support::records as stored;
use crate::vectors::{records, vectors};

#[tokio::test(flavor = "multi_thread")]
async fn trap_1_events_are_written_byte_for_byte_as_quix_streams_writes_them() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let vector = vectors("v05-events-json.json");
    let callbacks = vector["read_by_v05"].as_array().unwrap();
    for event in callbacks.iter().filter(|callback| callback["callback"] == "event") {
        let sent = json!({
            "id": event["id"], "timestamp": event["timestamp"], "value": event["value"], "tags": event["tags"],
        });
        client.invoke("SendEventData", &json!(["t", "stream-1", [sent]])).await.unwrap();
    }
    client.invoke("CloseStream", &("t", "stream-1")).await.unwrap();
    // The library writes properties first, unasked.
    let expected = &records(&vector["messages"])[1..];
    let found = stored(&program, "t", expected.len()).await;
    for (found, expected) in found.iter().zip(expected) {
        let (value, wanted) = (found.value.as_deref().unwrap(), &*expected.value);
        assert_eq!(String::from_utf8_lossy(value), String::from_utf8_lossy(wanted));
        assert_eq!((found.key.as_deref(), found.headers.len()), (Some(&*expected.key), 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_2_a_blank_event_has_all_its_members() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let blank = json!([{ "id": "", "timestamp": 0, "value": "" }]);
    client.invoke("SendEventData", &json!(["t", "s", blank])).await.unwrap();
    let value = stored(&program, "t", 1).await[0].value.clone().unwrap();
    let text = r#"{"C":"JT","K":"EventData[]","V":[{"Timestamp":0,"Tags":{},"Id":"","Value":""}],"S":32,"E":78}"#;
    assert_eq!(String::from_utf8_lossy(&value), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_3_what_newer_python_writes_is_read_also_tags_without_timestamps() {
    let (room, packages) = following_packages().await;
    for (file, type_name) in [("v3-events.json", "EventDataRaw[]"), ("v3-timeseries.json", "TimeseriesDataRaw")] {
        let messages = records(&vectors(file)["messages"]);
        for message in &messages {
            room.record("t", &message.key, &message.value).await;
        }
        for _ in 0..messages.len() {
            let package = packages.next_of("PackageReceived").await;
            assert_eq!(package["type"], format!("QuixStreams.Telemetry.Models.{type_name}"), "{package}");
            let value = value_of(&package);
            if value["Timestamps"] == json!([]) {
                assert_eq!(value["TagValues"], json!({ "a": [] }), "a tag has a value for each timestamp");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_5_wrong_offsets_do_not_matter_where_the_body_is_there() {
    let (room, packages) = following_packages().await;
    let cases = &vectors("handmade-legacy-other.json")["cases"];
    let names = ["first", "wrong", "missing", "in-characters", "text", "beyond"];
    for name in names.map(|name| format!("legacy-offsets-{name}")) {
        let case = cases.get(&name).unwrap_or_else(|| panic!("a case {name}"));
        for message in records(&case["messages"]) {
            room.record("t", name.as_bytes(), &message.value).await;
            let package = packages.next_of("PackageReceived").await;
            assert_eq!(package["type"], "QuixStreams.Telemetry.Models.EventDataRaw[]", "{name}: {package}");
            assert_eq!(value_of(&package)[0]["Timestamp"], 1_700_000_000_000_000_000_i64, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_6_the_pieces_of_a_large_message_come_together_and_nobody_waits_for_the_last() {
    let (room, packages) = following_packages().await;
    let messages = records(&vectors("v05-large-json.json")["messages"]);
    let [properties, first, second, last, small, end] = messages.as_slice() else { panic!("six messages") };
    for message in [properties, first, second] {
        room.record("t", &message.key, &message.value).await;
    }
    room.events("t", "other", json!([{ "id": "at once", "timestamp": 1 }])).await;
    let properties = packages.next_of("PackageReceived").await;
    assert_eq!(properties["type"], "QuixStreams.Telemetry.Models.StreamProperties");
    assert_eq!(packages.next_of("PackageReceived").await["streamId"], "other");
    for message in [last, small, end] {
        room.record("t", &message.key, &message.value).await;
    }
    let large = value_of(&packages.next_of("PackageReceived").await);
    let text = large[0]["Value"].as_str().unwrap();
    assert_eq!(text.len(), 2_500_000);
    assert!(text.bytes().enumerate().all(|(place, byte)| byte == b'0' + (place % 10) as u8));
    assert_eq!(value_of(&packages.next_of("PackageReceived").await)[0]["Value"], "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_8_compressed_bodies_are_read_within_a_bound() {
    let (room, packages) = following_packages().await;
    let event = br#"[{"Timestamp":1,"Tags":{},"Id":"zipped","Value":"v"}]"#;
    let bomb =
        [&b"[{\"Timestamp\":1,\"Tags\":{},\"Id\":\"bomb\",\"Value\":\""[..], &[b'x'; 64 << 20], b"\"}]"].concat();
    for (body, type_name) in [
        (&event[..], "QuixStreams.Telemetry.Models.EventDataRaw[]"),
        // What would be larger than 16 MiB stays as it came.
        (&bomb, "System.Byte[]"),
        (event, "QuixStreams.Telemetry.Models.EventDataRaw[]"),
    ] {
        let headers = [("__Q_ModelKey", "EventData[]"), ("__Q_CodecId", "[GZIP]JT")];
        let record = NewRecord { key: Some(b"s"), value: &zipped(body), headers: &headers };
        room.append("t", record).await;
        assert_eq!(packages.next_of("PackageReceived").await["type"], type_name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_11_a_stream_may_repeat_itself_come_back_and_be_defined_late() {
    let program = Program::serve(&["--memory"]).await;
    let connect = async || HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let (client, reader) = (connect().await, Reader(connect().await));
    reader.calls("SubscribeToPackages", ("t",)).await;
    reader.calls("SubscribeToEventDefinitions", ("t", "s")).await;
    let event = json!([{ "id": "e", "timestamp": 1 }]);
    for (method, argument) in [
        ("UpdateStream", Some(json!({ "name": "n" }))),
        ("UpdateStream", Some(json!({ "name": "n" }))),
        ("SendEventData", Some(event.clone())),
        ("UpdateEventDefinitions", Some(json!([{ "id": "e", "name": "late" }]))),
        ("CloseStream", None),
        ("SendEventData", Some(event)),
    ] {
        let mut arguments = vec![json!("t"), json!("s")];
        arguments.extend(argument);
        client.invoke(method, &arguments).await.unwrap();
    }
    let mut types = Vec::new();
    while types.len() < 7 {
        let (target, argument) = reader.next().await;
        types.push(match target.as_str() {
            "PackageReceived" => argument["type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned(),
            _ => target,
        });
    }
    let late = types.iter().position(|name| name == "EventDefinitionsUpdated").expect("they come");
    types.remove(late);
    let expected =
        ["StreamProperties", "StreamProperties", "EventDataRaw[]", "EventDefinitions", "StreamEnd", "EventDataRaw[]"];
    assert_eq!(types, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_of_transactions_are_no_loss() {
    let bootstrap = shared_kafka().await;
    let program = Program::serve(&["--kafka", &bootstrap, "--create-topics"]).await;
    printed(&["topic", "create", "transactions", "--partitions", "1", "--url", &program.url], "").await;
    let reader = Reader(HubClient::connect(&format!("{}/hub", program.url)).await.unwrap());
    reader.calls("SubscribeToPackages", ("transactions",)).await;
    tokio::task::spawn_blocking(move || write_transactions(&bootstrap)).await.unwrap();
    // The end of each transaction takes an offset too, and what was taken back is nobody's.
    for expected in ["0 stays", "2 stays", "4 stays"] {
        assert_eq!(reader.next_of("PackageReceived").await["value"], json!(expected).to_string());
    }
    reader.calls("SendEventData", json!(["transactions", "ours", [{ "id": "e", "timestamp": 1 }]])).await;
    assert_eq!(reader.next_of("PackageReceived").await["streamId"], "ours", "nothing in between");
}

/// Five transactions of a record each, every second of them taken back.
fn write_transactions(bootstrap: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("transactional.id", "transactions");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(LONG).unwrap();
    for number in 0..5 {
        producer.begin_transaction().unwrap();
        let stays = number % 2 == 0;
        let text = format!("{number} {}", if stays { "stays" } else { "goes" });
        producer.send(BaseRecord::to("transactions").key("s").payload(&text)).unwrap();
        producer.flush(LONG).unwrap();
        let ended = if stays { producer.commit_transaction(LONG) } else { producer.abort_transaction(LONG) };
        ended.unwrap();
    }
}

const LONG: Duration = Duration::from_secs(30);

async fn following_packages() -> (Room, Reader) {
    let room = Room::open().await;
    let packages = room.reader().await;
    packages.calls("SubscribeToPackages", ("t",)).await;
    (room, packages)
}

fn value_of(package: &Value) -> Value {
    serde_json::from_str(package["value"].as_str().unwrap()).unwrap()
}

fn zipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

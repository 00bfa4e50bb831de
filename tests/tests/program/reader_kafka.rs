//! Records that Kafka clients write with headers, without values, or to partitions of their choice, as a Reader sees them.

use e2e::client::HubClient;
use e2e::program::{Program, printed};
use e2e::wait::within;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use serde_json::Value;

use crate::reader::Reader;
use crate::support::metric;

#[tokio::test(flavor = "multi_thread")]
async fn models_beside_headers_come_through_whatever_else_is_there() {
    let stage = Stage::set().await;
    let model = [("__Q_ModelKey", &b"EventData[]"[..]), ("__Q_CodecId", b"JT")];
    stage.produce(0, &model, Some(&event("plain"))).await;
    stage.produce(0, &[model[0], ("trace", &[0xff, 0]), model[1]], Some(&event("beside a binary header"))).await;
    // A delete marker is nobody's, and stops nobody.
    stage.produce(0, &[], None).await;
    // Only one of the two says nothing.
    stage.produce(0, &model[..1], Some(&event("half"))).await;
    stage.produce(0, &model, Some(&event("last"))).await;
    for expected in ["plain", "beside a binary header", "last"] {
        assert_eq!(stage.reader.next_of("EventDataReceived").await["id"], expected);
    }
    let skipped = "streamgate_records_odd_total{reason=\"tombstone\"}";
    assert_eq!(metric(&stage.program.management(), skipped).await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_by_headers_come_together() {
    let stage = Stage::set().await;
    let whole = event("whole");
    let (first, second) = whole.split_at(20);
    let (id, count) = ([7; 16], 2_i32.to_le_bytes());
    for (index, piece) in [(0_i32, first), (1, second)] {
        let index = index.to_le_bytes();
        let headers = [
            ("__Q_ModelKey", &b"EventData[]"[..]),
            ("__Q_CodecId", b"JT"),
            ("__Q_SplitMessageId", &id),
            ("__Q_SplitMessageIndex", &index),
            ("__Q_SplitMessageCount", &count),
        ];
        stage.produce(0, &headers, Some(piece)).await;
    }
    assert_eq!(stage.reader.next_of("EventDataReceived").await["id"], "whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_two_partitions_is_delivered_from_both_each_in_its_order() {
    let stage = Stage::set().await;
    let model = [("__Q_ModelKey", &b"EventData[]"[..]), ("__Q_CodecId", b"JT")];
    for number in 0..20 {
        for partition in [0, 1] {
            stage.produce(partition, &model, Some(&event(&format!("{partition}-{number:02}")))).await;
        }
    }
    let mut got: Vec<String> = Vec::new();
    for _ in 0..40 {
        let event: Value = stage.reader.next_of("EventDataReceived").await;
        assert_eq!(event["streamId"], "s");
        got.push(event["id"].as_str().unwrap().to_owned());
    }
    for partition in ["0-", "1-"] {
        let of_partition: Vec<_> = got.iter().filter(|id| id.starts_with(partition)).collect();
        assert!(of_partition.len() == 20 && of_partition.is_sorted(), "{got:?}");
    }
}

/// A server with a topic of two partitions, a Kafka client that writes to it, and a Reader of all its events.
struct Stage {
    program: Program,
    producer: FutureProducer,
    reader: Reader,
}

impl Stage {
    async fn set() -> Self {
        let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
        printed(&["topic", "create", "k", "--partitions", "2", "--url", &program.url], "").await;
        let producer = ClientConfig::new().set("bootstrap.servers", program.kafka()).create().unwrap();
        let reader = Reader(HubClient::connect(&format!("{}/hub", program.url)).await.unwrap());
        reader.calls("SubscribeToEvent", ("k", "s", "*")).await;
        Self { program, producer, reader }
    }

    async fn produce(&self, partition: i32, headers: &[(&str, &[u8])], value: Option<&[u8]>) {
        let owned = OwnedHeaders::new_with_capacity(headers.len());
        let headers = headers.iter().fold(owned, |all, (key, value)| all.insert(Header { key, value: Some(*value) }));
        let mut record = FutureRecord::to("k").partition(partition).key("s").headers(headers);
        record.payload = value;
        let produced = within("its delivery", self.producer.send(record, Timeout::Never)).await;
        produced.map_err(|(error, _)| error).unwrap();
    }
}

fn event(id: &str) -> Vec<u8> {
    format!(r#"[{{"Timestamp":1,"Tags":{{}},"Id":"{id}","Value":"v"}}]"#).into_bytes()
}

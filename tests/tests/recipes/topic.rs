//! Writing to a program's topics as any Kafka producer does, and what they hold.

use e2e::program::{Program, printed};
use e2e::wait::{until, within};
use kafka_bridge::broker::{Broker, Health};
use kafka_bridge::kafka::{KafkaBroker, KafkaSettings};
use kafka_bridge::metrics::Metrics;
use kafka_bridge::record::NewRecord;
use serde_json::Value;

/// A program with a Kafka listener.
pub async fn program() -> Program {
    Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await
}

/// Appends values, one after the other.
pub async fn append(program: &Program, topic: &str, values: impl IntoIterator<Item = impl AsRef<str>>) {
    let settings = KafkaSettings { brokers: program.kafka(), ..KafkaSettings::default() };
    let kafka = KafkaBroker::connect(settings, Metrics::default()).unwrap();
    until("the listener is reached", async || kafka.health() == Health::Reachable).await;
    for value in values {
        let record = NewRecord { key: Some(b"k"), value: value.as_ref().as_bytes(), headers: &[] };
        within("its delivery", kafka.append(topic, record).unwrap()).await.unwrap();
    }
}

/// Stream id and value of each package that is there.
pub async fn held(program: &Program, topic: &str) -> Vec<(String, String)> {
    let lines =
        printed(&["tail", topic, "--from", "earliest", "--until-end", "--json", "--url", &program.url], "").await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let pair = |package: Value| (text(&package["streamId"]), text(&package["value"]));
    lines.lines().map(|line| pair(serde_json::from_str(line).expect("JSON"))).collect()
}

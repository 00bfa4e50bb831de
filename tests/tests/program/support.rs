//! What several stories need: requests, metrics, and what a topic holds.

use e2e::program::{Program, printed};
use e2e::wait::{until, within};
use kafka_bridge::broker::{Broker, Delivery, Health, Start};
use kafka_bridge::kafka::{KafkaBroker, KafkaSettings};
use kafka_bridge::metrics::Metrics;
use kafka_bridge::record::Record;
use reqwest::Response;
use serde_json::Value;

/// Status of a request that gets an answer; `None` if nobody answers.
pub async fn status(url: &str) -> Option<u16> {
    reqwest::get(url).await.ok().map(|response| response.status().as_u16())
}

/// Checks that an answer is a problem document of this status, and gives it.
pub async fn problem(response: Response, status: u16) -> Value {
    assert_eq!(response.status(), status, "{}", response.url());
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{}", response.url());
    let document: Value = response.json().await.expect("JSON");
    assert_eq!(document["status"], status);
    assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
    document
}

/// One sample of the metrics at a management URL; 0 if there is none, as for a counter that never counted.
pub async fn metric(management: &str, sample: &str) -> f64 {
    let text = reqwest::get(format!("{management}/metrics")).await.unwrap().text().await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_default()
}

/// The packages of a topic, as `tail --json` prints them.
pub async fn packages(url: &str, topic: &str) -> Vec<Value> {
    let lines = printed(&["tail", topic, "--from", "earliest", "--until-end", "--json", "--url", url], "").await;
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The records of a topic as Kafka clients find them, from a program with a Kafka listener; waits for as many.
pub async fn records(program: &Program, topic: &str, count: usize) -> Vec<Record> {
    let settings = KafkaSettings { brokers: program.kafka(), ..KafkaSettings::default() };
    let kafka = KafkaBroker::connect(settings, Metrics::default()).expect("the settings are right");
    until("the listener is reached", async || kafka.health() == Health::Reachable).await;
    let mut reader = kafka.read(topic, Start::Earliest).await.expect("the topic is there");
    let mut records = Vec::new();
    while records.len() < count {
        match within("the records", reader.next()).await {
            Some(Delivery::Batch(batch)) => records.extend(batch.records),
            Some(Delivery::CaughtUp { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(records.len(), count);
    records
}

/// Key and value of a record, which are text.
pub fn texts(record: &Record) -> (&str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).expect("text");
    (text(record.key.as_deref().expect("a key")), text(record.value.as_deref().expect("a value")))
}

/// The value of the one event in a package.
pub fn value(package: &Value) -> String {
    let events: Value = serde_json::from_str(package["value"].as_str().expect("a text")).expect("JSON");
    events[0]["Value"].as_str().expect("a text").to_owned()
}

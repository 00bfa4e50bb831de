//! What only the memory broker does: its bound, deletion, growth.
#![allow(clippy::unwrap_used)]

use kafka_bridge::broker::{Broker, Delivery, NotWritten, Start};
use kafka_bridge::memory::{MemoryBroker, MemorySettings};
use kafka_bridge::metrics::Metrics;
use kafka_bridge::record::NewRecord;

#[tokio::test]
async fn the_oldest_records_go_and_readers_behind_get_a_gap() {
    let settings = MemorySettings { capacity_bytes: 20_000, ..MemorySettings::default() };
    let broker = MemoryBroker::with(settings, Metrics::default());
    broker.create_topic("t", None).await.unwrap();
    let mut reader = broker.read("t", Start::End).await.unwrap(); // its task has not run yet: one thread
    for _ in 0..100 {
        broker.append("t", NewRecord { key: None, value: &[0; 1000], headers: &[] }).unwrap().await.unwrap();
    }
    let positions = broker.positions("t").await.unwrap()[0];
    assert_eq!(positions.end, 100);
    assert!(positions.earliest > 80, "20 kB hold less than 20 of them: {positions:?}");
    let gap = Delivery::Gap { partition: 0, next_offset: positions.earliest, lost: positions.earliest };
    assert_eq!(reader.next().await, Some(gap));
    let Some(Delivery::Batch(batch)) = reader.next().await else { panic!("records follow") };
    assert_eq!(batch.records[0].offset, positions.earliest);
}

#[tokio::test]
async fn a_deleted_topic_is_gone_for_its_readers_also_when_made_anew() {
    let broker = MemoryBroker::new();
    broker.create_topic("t", None).await.unwrap();
    let mut reader = broker.read("t", Start::End).await.unwrap();
    assert!(broker.delete_topic("t"));
    let gone = broker.append("t", NewRecord { key: None, value: b"x", headers: &[] }).map(drop);
    assert_eq!(gone, Err(NotWritten::UnknownTopic("t".into())));
    broker.create_topic("t", None).await.unwrap();
    broker.append("t", NewRecord { key: None, value: b"new", headers: &[] }).unwrap().await.unwrap();
    assert_eq!(reader.next().await, Some(Delivery::TopicGone));
    assert_eq!(reader.next().await, None);
}

#[tokio::test]
async fn new_partitions_are_read_from_their_first_record_on() {
    let broker = MemoryBroker::new();
    broker.create_topic("t", None).await.unwrap();
    let mut reader = broker.read("t", Start::End).await.unwrap();
    assert!(broker.add_partitions("t", 8));
    for n in 0..20_u8 {
        broker.append("t", NewRecord { key: Some(&[n]), value: b"x", headers: &[] }).unwrap().await.unwrap();
    }
    let mut partitions = std::collections::BTreeSet::new();
    let mut records = 0;
    while records < 20 {
        let Some(Delivery::Batch(batch)) = reader.next().await else { panic!("only batches") };
        records += batch.records.len();
        partitions.extend(batch.records.iter().map(|record| record.partition));
    }
    assert!(partitions.len() > 1);
}

//! What is kept, for how long, and what readers hear of what is not.

use embedded_log::batch;
use kafka_bridge::broker::{Broker, CreateTopicError, Delivery, NotWritten, Start, Stored};
use kafka_bridge::record::Header;

use crate::{in_time, open, record, settings, store, take, texts, texts_from};

#[tokio::test(flavor = "multi_thread")]
async fn everything_acknowledged_is_there_after_a_restart_and_offsets_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path(), settings()).await;
    broker.create_topic("t", Some(1)).await.unwrap();
    let acks: Vec<_> = (0..2_000).map(|n| broker.append("t", record("k", &n.to_string())).unwrap()).collect();
    for (offset, ack) in (0..).zip(acks) {
        assert_eq!(ack.await, Ok(Stored { partition: 0, offset }));
    }
    drop(broker);

    let broker = open(folder.path(), settings()).await;
    let expected: Vec<_> = (0..2_000).map(|n| n.to_string()).collect();
    assert_eq!(texts_from(&broker, Start::Earliest, 2_000).await, expected);
    assert_eq!(texts_from(&broker, Start::Offset(1_990), 10).await, expected[1_990..]);
    assert_eq!(store(&broker, "k", "next").await.offset, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_broker_in_the_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path(), settings()).await;
    let second = kafka_bridge::embedded::EmbeddedBroker::open(folder.path(), settings(), Default::default());
    let said = second.unwrap_err().to_string();
    assert!(said.contains("is in use by another process") && said.contains(folder.path().to_str().unwrap()), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_retention_overtakes_is_told_what_it_misses() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.log.retention_bytes = 256 << 10;
    let broker = open(folder.path(), settings).await;
    broker.create_topic("t", Some(1)).await.unwrap();
    let long = "x".repeat(1_000);
    store(&broker, "k", &long).await;
    let mut reader = broker.read("t", Start::Earliest).await.unwrap();
    let read = take(&mut reader, 1).await.len() as i64;
    let mut written = read;
    // It leaves its queue full, and stands still, for as long as it takes.
    while broker.positions("t").await.unwrap()[0].earliest < 3_000 {
        written = store(&broker, "k", &long).await.offset + 1;
    }
    let (mut next, mut lost) = (read, 0);
    while next < written {
        match reader.next().await.unwrap() {
            Delivery::Batch(batch) => {
                for record in batch.records {
                    assert_eq!(record.offset, next, "no gap but those told of");
                    next += 1;
                }
            }
            Delivery::Gap { next_offset, lost: count, .. } => {
                assert_eq!(next_offset, next + count);
                (next, lost) = (next_offset, lost + count);
            }
            Delivery::CaughtUp { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(lost > 0, "it was overtaken");
    let mut from_zero = broker.read("t", Start::Offset(0)).await.unwrap();
    let earliest = broker.positions("t").await.unwrap()[0].earliest;
    let gap = Delivery::Gap { partition: 0, next_offset: earliest, lost: earliest };
    assert_eq!(from_zero.next().await, Some(gap));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_is_gone_for_its_readers_also_when_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path(), settings()).await;
    broker.create_topic("t", None).await.unwrap();
    let mut reader = broker.read("t", Start::End).await.unwrap();
    broker.log().delete_topic("t").await.unwrap();
    let gone = broker.append("t", record("k", "x")).map(drop);
    assert_eq!(gone, Err(NotWritten::UnknownTopic("t".into())));
    broker.create_topic("t", None).await.unwrap();
    assert_eq!(store(&broker, "k", "new").await.offset, 0);
    assert_eq!(in_time(reader.next()).await, Some(Delivery::TopicGone));
    assert_eq!(in_time(reader.next()).await, None);
    assert_eq!(texts_from(&broker, Start::Earliest, 1).await, ["new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_partitions_are_read_from_their_first_record_on() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path(), settings()).await;
    broker.create_topic("t", None).await.unwrap();
    let mut reader = broker.read("t", Start::End).await.unwrap();
    broker.log().add_partitions("t", 8).await.unwrap();
    for n in 0..20 {
        store(&broker, &n.to_string(), "x").await;
    }
    let records = take(&mut reader, 20).await;
    let mut partitions: Vec<_> = records.iter().map(|record| record.partition).collect();
    partitions.sort_unstable();
    partitions.dedup();
    assert!(partitions.len() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_clients_write_is_read_with_headers_and_null_values() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path(), settings()).await;
    broker.create_topic("t", None).await.unwrap();
    let mut reader = broker.read("t", Start::End).await.unwrap();
    let partition = broker.log().topic("t").unwrap().partition(0).unwrap();
    let headers: &[(&[u8], Option<&[u8]>)] = &[(b"a", Some(b"1")), (b"a", None), (b"", Some(b""))];
    let record = batch::NewRecord { timestamp_ms: 7, key: None, value: None, headers };
    broker.log().append(&partition, record).unwrap().await.unwrap();
    let record = take(&mut reader, 1).await.remove(0);
    assert_eq!((record.timestamp_ms, record.key, record.value), (Some(7), None, None));
    let header = |name: &str, value: Option<&'static [u8]>| Header { name: name.into(), value: value.map(Into::into) };
    assert_eq!(record.headers, [header("a", Some(b"1")), header("a", None), header("", Some(b""))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_topics_are_not_for_clients() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path(), settings()).await;
    broker.log().create_topic("__of_a_kafka_client", 1, Vec::new()).await.unwrap();
    let name = "__of_a_kafka_client";
    assert_eq!(broker.topics().await.unwrap(), []);
    assert_eq!(broker.topic(name).await, Ok(None));
    assert_eq!(broker.append(name, record("k", "x")).map(drop), Err(NotWritten::UnknownTopic(name.into())));
    assert!(broker.read(name, Start::Earliest).await.is_err() && broker.positions(name).await.is_err());
    assert!(matches!(broker.create_topic(name, None).await, Err(CreateTopicError::Invalid { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_over_is_written_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let broker = open(folder.path(), settings()).await;
    broker.create_topic("t", None).await.unwrap();
    let ack = broker.append("t", record("k", "x")).unwrap();
    drop(broker);
    assert_eq!(ack.await.unwrap().offset, 0);
    let broker = open(folder.path(), settings()).await;
    let mut reader = broker.read("t", Start::Earliest).await.unwrap();
    assert_eq!(texts(&take(&mut reader, 1).await), ["x"]);
}

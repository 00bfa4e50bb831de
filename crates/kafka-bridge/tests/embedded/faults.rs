//! Disks that are full, slow or broken, and bytes that are not what was written.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_bridge::broker::{AckError, Broker, Delivery, Health, NotWritten, Start};
use kafka_bridge::embedded::{EmbeddedBroker, EmbeddedSettings};
use kafka_bridge::feed::{FeedEvent, Feeds};
use kafka_bridge::metrics::Metrics;
use prometheus_client::registry::Registry;

use crate::disk::Disk;
use crate::{in_time, record, settings, store, take, texts, texts_from};

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_is_answered_for_within_the_delivery_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path());
    let metrics = Metrics::default();
    let settings = EmbeddedSettings { delivery_timeout: Duration::from_millis(1_500), ..settings() };
    let broker = EmbeddedBroker::open_storage(disk.clone(), settings, metrics.clone()).unwrap();
    broker.create_topic("t", Some(1)).await.unwrap();
    store(&broker, "k", "before").await;
    let mut reader = broker.read("t", Start::Earliest).await.unwrap();

    let hanging = disk.hang();
    let begun = Instant::now();
    let first = broker.append("t", record("k", "first")).unwrap();
    in_time(async {
        while !disk.is_waited_for() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let second = broker.append("t", record("k", "second")).unwrap();
    assert_eq!(in_time(first).await, Err(AckError::OutcomeUnknown), "the disk was asked");
    assert_eq!(in_time(second).await, Err(AckError::NotWritten(NotWritten::Unavailable)), "it was not");
    let took = begun.elapsed();
    assert!((Duration::from_millis(1_500)..Duration::from_secs(15)).contains(&took), "{took:?}");
    let (third, flushed) = (broker.append("t", record("k", "third")).unwrap(), broker.log().flush());
    broker.log().give_up_after(Duration::ZERO);
    assert_eq!(in_time(third).await, Err(AckError::NotWritten(NotWritten::Unavailable)));
    assert!(in_time(flushed).await.is_err(), "the first may still be stored");
    assert_eq!(texts(&take(&mut reader, 1).await), ["before"], "nothing is shown that may vanish");
    let shown = shown(&metrics);
    assert!(shown.contains("appends_unknown_total{cause=\"timeout\"} 1"), "{shown}");
    let age = sample(&metrics, "write_backlog_age_seconds");
    assert!(age > 0.0 && sample(&metrics, "write_backlog_messages") == 1.0, "{shown}");

    drop(hanging);
    assert_eq!(texts(&take(&mut reader, 1).await), ["first"], "unknown may be stored");
    assert_eq!(store(&broker, "k", "after").await.offset, 2, "not written is not stored");
    assert_eq!(broker.health(), Health::Reachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_unknown_and_final_and_reads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path());
    let metrics = Metrics::default();
    let broker = EmbeddedBroker::open_storage(disk.clone(), settings(), metrics.clone()).unwrap();
    broker.create_topic("t", Some(1)).await.unwrap();
    store(&broker, "k", "kept").await;
    disk.fail(true);
    assert_eq!(broker.append("t", record("k", "x")).unwrap().await, Err(AckError::OutcomeUnknown));
    disk.fail(false);
    assert_eq!(broker.health(), Health::Failed, "a later sync proves nothing");
    assert_eq!(answer(&broker).await, Err(AckError::NotWritten(NotWritten::LogFailed)));
    assert!(broker.create_topic("u", None).await.is_err());
    assert_eq!(texts_from(&broker, Start::Earliest, 1).await, ["kept"], "what may be stored is not shown");
    let shown = shown(&metrics);
    assert!(shown.contains("appends_refused_total{cause=\"log_failed\"} 1"), "{shown}");
    assert!(shown.contains("appends_unknown_total{cause=\"log_failed\"} 1"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_heals() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path());
    let metrics = Metrics::default();
    let mut settings = settings();
    settings.log.reserve_bytes = Some(1 << 20);
    let broker = EmbeddedBroker::open_storage(disk.clone(), settings, metrics.clone()).unwrap();
    broker.create_topic("t", Some(1)).await.unwrap();
    store(&broker, "k", "before").await;
    disk.fill(true);
    let refused = Err(AckError::NotWritten(NotWritten::DiskFull));
    in_time(async { while answer(&broker).await != refused {} }).await; // room may be asked for now and then only
    assert_eq!(broker.health(), Health::Reachable, "it heals");
    assert!(shown(&metrics).contains("limit_hits_total{limit=\"log_reserve\"}"), "{}", shown(&metrics));
    assert_eq!(texts_from(&broker, Start::Earliest, 1).await[0], "before", "reads go on");
    disk.fill(false);
    in_time(async {
        while answer(&broker).await == refused {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(answer(&broker).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_bytes_are_never_handed_out_and_end_the_reader() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.log.recent_bytes = 0;
    let metrics = Metrics::default();
    let broker = EmbeddedBroker::open(folder.path(), settings, metrics.clone()).unwrap();
    broker.create_topic("t", Some(1)).await.unwrap();
    for n in 0..200 {
        store(&broker, "k", &format!("number {n:04} {}", "x".repeat(1_000))).await;
    }
    flip(folder.path(), b"number 0100");
    let mut reader = broker.read("t", Start::Earliest).await.unwrap();
    assert_eq!(take(&mut reader, 100).await.len(), 100);
    assert_eq!(in_time(reader.next()).await, Some(Delivery::Unreadable { partition: 0, offset: 100 }));
    assert_eq!(in_time(reader.next()).await, None);
    assert!(shown(&metrics).contains("reads_ended_unreadable_total 1"), "{}", shown(&metrics));
    // What stands behind is good.
    let mut behind = broker.read("t", Start::Offset(101)).await.unwrap();
    assert_eq!(take(&mut behind, 99).await[0].offset, 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_are_told_of_damage_and_can_follow_again() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path());
    let mut settings = settings();
    settings.log.recent_bytes = 0;
    let broker = EmbeddedBroker::open_storage(disk.clone(), settings, Metrics::default()).unwrap();
    broker.create_topic("t", Some(1)).await.unwrap();
    let feeds = Feeds::new(broker.clone(), Duration::from_secs(60));
    let mut following = feeds.follow("t").await.unwrap();
    disk.spoil(true);
    assert_eq!(store(&broker, "k", "spoilt").await.offset, 0);
    let told = in_time(following.recv()).await.unwrap();
    assert_eq!(*told, FeedEvent::Unreadable { partition: 0, offset: 0 });
    assert_eq!(in_time(following.recv()).await, None);
    disk.spoil(false);
    let mut again = feeds.follow("t").await.unwrap();
    store(&broker, "k", "after").await;
    let FeedEvent::Batch(batch) = &*again.recv().await.unwrap() else { panic!("not a batch") };
    assert_eq!(texts(&batch.records), ["after"]);
}

async fn answer(broker: &Arc<EmbeddedBroker>) -> Result<(), AckError> {
    broker.append("t", record("k", "x"))?.await.map(drop)
}

/// Changes one bit behind the place where this text stands in the folder's files.
fn flip(folder: &Path, text: &[u8]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        if let Some(at) = bytes.windows(text.len()).position(|window| window == text) {
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
            return;
        }
    }
    panic!("{} is in no file", String::from_utf8_lossy(text));
}

fn shown(metrics: &Metrics) -> String {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

fn sample(metrics: &Metrics, name: &str) -> f64 {
    shown(metrics).lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
}

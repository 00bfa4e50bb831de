//! What a log keeps: written, read, closed, opened again.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use embedded_log::{
    AppendError, Appended, CommittedOffset, Log, OpenError, Options, Partition, Range, ReadError, TopicError,
    WriteError,
    batch::{Batch, BatchBuilder, NewRecord},
};

/// Small segments, so that everything that spans several happens.
fn small() -> Options {
    Options { segment_bytes: 16 << 10, preallocate_bytes: 4 << 10, reserve_bytes: Some(0), ..Options::default() }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), small()).unwrap();
    let topic = log.create_topic("t", 2, vec![("retention.ms".to_owned(), "1".to_owned())]).await.unwrap();
    for n in 0..1000 {
        let partition = topic.partition(n % 2).unwrap();
        assert_eq!(append(&log, &partition, &format!("{n}")).await, i64::from(n / 2));
    }
    drop((topic, log));

    let log = Log::open(folder.path(), small()).unwrap();
    let topic = log.topic("t").unwrap();
    assert_eq!(topic.settings(), [("retention.ms".to_owned(), "1".to_owned())]);
    for number in 0..2 {
        let partition = topic.partition(number).unwrap();
        assert_eq!(partition.range(), Range { start: 0, end: 500 });
        let expected: Vec<_> = (0..500).map(|n| (n, format!("{}", 2 * n + i64::from(number)))).collect();
        assert_eq!(read_all(&log, &partition), expected);
    }
    let partition = topic.partition(0).unwrap();
    assert_eq!(append(&log, &partition, "next").await, 500, "offsets go on");
}

#[tokio::test]
async fn records_that_wait_together_share_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), Options::default()).unwrap();
    let partition = log.create_topic("t", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    let pending: Vec<_> = (0..1000).map(|n| log.append(&partition, record(&format!("{n}"))).unwrap()).collect();
    for (n, pending) in (0..).zip(pending) {
        assert_eq!(pending.await.unwrap(), Appended { offset: n });
    }
    assert!(log.read(&partition, 0, 1 << 20).unwrap().len() < 1000);
    assert_eq!(read_all(&log, &partition).len(), 1000);
}

/// The first uses of a topic often come together.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_told_that_a_topic_exists_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(Log::open(folder.path(), Options::default()).unwrap());
    for round in 0..50 {
        let name = format!("t{round}");
        let tries = (0..8).map(|_| {
            let (log, name) = (log.clone(), name.clone());
            tokio::spawn(async move {
                let made = log.create_topic(&name, 1, Vec::new()).await;
                assert!(log.topic(&name).is_some(), "round {round}: {made:?}");
                made.is_ok()
            })
        });
        let mut made = 0;
        for one in tries.collect::<Vec<_>>() {
            made += usize::from(one.await.unwrap());
        }
        assert_eq!(made, 1, "round {round}");
    }
}

#[tokio::test]
async fn topics_come_grow_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), small()).unwrap();
    let first = log.create_topic("t", 1, Vec::new()).await.unwrap();
    assert_eq!(log.create_topic("t", 1, Vec::new()).await.unwrap_err(), TopicError::Exists("t".to_owned()));
    assert_eq!(log.create_topic("a/b", 1, Vec::new()).await.unwrap_err(), TopicError::InvalidName("a/b".to_owned()));
    assert!(matches!(log.create_topic("u", 0, Vec::new()).await, Err(TopicError::InvalidPartitions { .. })));
    assert!(matches!(log.create_topic("u", 10_001, Vec::new()).await, Err(TopicError::InvalidPartitions { .. })));

    let mut changes = first.changes();
    log.add_partitions("t", 3).await.unwrap();
    changes.changed().await.unwrap();
    assert_eq!(first.partition_count(), 3);
    assert!(matches!(log.add_partitions("t", 2).await, Err(TopicError::InvalidPartitions { .. })));

    let partition = first.partition(2).unwrap();
    append(&log, &partition, "x").await;
    log.delete_topic("t").await.unwrap();
    assert!(first.is_deleted() && log.topic("t").is_none());
    let refused = log.append(&partition, record("y")).unwrap().await;
    assert_eq!(refused, Err(AppendError::Write(WriteError::UnknownTopic("t".to_owned()))));
    let second = log.create_topic("t", 1, Vec::new()).await.unwrap();
    assert_ne!(second.id(), first.id());
    drop((log, second, partition, first));
    let log = Log::open(folder.path(), small()).unwrap();
    let partition = log.topic("t").unwrap().partition(0).unwrap();
    assert_eq!(partition.range(), Range { start: 0, end: 0 });
}

#[tokio::test]
async fn an_idempotent_producers_resend_is_recognised_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), small()).unwrap();
    let partition = log.create_topic("t", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    let id = log.new_producer_id().await.unwrap();
    let send = async |log: &Log, partition: &Arc<Partition>, first: i32| {
        log.append_batch(partition, produced(id, 0, first, 3)).unwrap().await
    };
    for n in 0..7 {
        assert_eq!(send(&log, &partition, n * 3).await, Ok(Appended { offset: i64::from(n) * 3 }));
    }
    assert_eq!(send(&log, &partition, 18).await, Ok(Appended { offset: 18 }), "the last one again");
    assert_eq!(send(&log, &partition, 6).await, Ok(Appended { offset: 6 }), "the fifth last one again");
    assert_eq!(send(&log, &partition, 3).await, Err(AppendError::DuplicateSequence));
    let jump = AppendError::OutOfOrderSequence { expected: 21, found: 24 };
    assert_eq!(send(&log, &partition, 24).await, Err(jump));
    drop((partition, log));

    let log = Log::open(folder.path(), small()).unwrap();
    let partition = log.topic("t").unwrap().partition(0).unwrap();
    assert_eq!(send(&log, &partition, 18).await, Ok(Appended { offset: 18 }));
    assert_eq!(send(&log, &partition, 21).await, Ok(Appended { offset: 21 }));
    assert_eq!(partition.range().end, 24);
    let fenced = log.append_batch(&partition, produced(id, 1, 0, 1)).unwrap().await;
    assert_eq!(fenced, Ok(Appended { offset: 24 }), "a new epoch begins with 0");
    assert_eq!(send(&log, &partition, 24).await, Err(AppendError::FencedProducer { current: 1, found: 0 }));
    assert!(log.new_producer_id().await.unwrap() > id);
}

#[tokio::test]
async fn committed_offsets_outlive_restarts_and_segments() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), small()).unwrap();
    let partition = log.create_topic("t", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    let committed = |offset| CommittedOffset {
        topic: "t".to_owned(),
        partition: 0,
        offset,
        leader_epoch: -1,
        metadata: "m".to_owned(),
    };
    log.commit_offsets("g", vec![committed(1)]).await.unwrap();
    log.commit_offsets("g", vec![committed(7)]).await.unwrap();
    let missing = CommittedOffset { partition: 1, ..committed(1) };
    assert_eq!(log.commit_offsets("g", vec![missing]).await, Err(WriteError::UnknownTopic("t".to_owned())));
    for _ in 0..100 {
        append(&log, &partition, &"x".repeat(1000)).await;
    }
    drop((partition, log));
    let log = Log::open(folder.path(), Options { max_committed_offsets: 1, ..small() }).unwrap();
    assert_eq!(log.committed_offsets("g"), [committed(7)]);
    assert!(matches!(log.commit_offsets("h", vec![committed(1)]).await, Err(WriteError::TooMany(_))));
    log.commit_offsets("g", vec![committed(7)]).await.unwrap(); // no more than there were
    assert_eq!(log.groups(), ["g"]);
    log.forget_group("g").await.unwrap();
    assert_eq!(log.committed_offsets("g"), []);
}

#[tokio::test]
async fn retention_by_bytes_deletes_the_oldest_and_readers_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { retention_bytes: 64 << 10, ..small() };
    let log = Log::open(folder.path(), options.clone()).unwrap();
    let busy = log.create_topic("busy", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    let quiet = log.create_topic("quiet", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    append(&log, &quiet, "only one").await;
    for _ in 0..500 {
        append(&log, &busy, &"x".repeat(1000)).await;
    }
    let Range { start, end } = busy.range();
    assert!(start > 300 && end == 500, "{start} {end}");
    assert!(log.bytes() < 100 << 10);
    assert_eq!(log.read(&busy, 0, 1).unwrap_err(), ReadError::OutOfRange { offset: 0, start, end });
    assert_eq!(quiet.range(), Range { start: 1, end: 1 }, "never used again");
    assert_eq!(append(&log, &quiet, "second").await, 1);
    assert_eq!(read_all(&log, &busy).len() as i64, end - start);
    drop((busy, quiet, log));
    let log = Log::open(folder.path(), options).unwrap();
    assert_eq!(log.topic("busy").unwrap().partition(0).unwrap().range(), Range { start, end });
    assert_eq!(log.topic("quiet").unwrap().partition(0).unwrap().range(), Range { start: 1, end: 2 });
}

#[tokio::test]
async fn offsets_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), small()).unwrap();
    let partition = log.create_topic("t", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    for n in 0..200 {
        let value = "x".repeat(500);
        let record = NewRecord { timestamp_ms: n * 10, ..record(&value) };
        log.append(&partition, record).unwrap().await.unwrap();
    }
    for (time, found) in [
        (-5, Some((0, 0))),
        (0, Some((0, 0))),
        (1, Some((1, 10))),
        (1500, Some((150, 1500))),
        (1990, Some((199, 1990))),
    ] {
        assert_eq!(log.offset_for_time(&partition, time).unwrap(), found, "{time}");
    }
    assert_eq!(log.offset_for_time(&partition, 1991).unwrap(), None);
}

#[tokio::test]
async fn bounds_refuse_and_disturb_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { max_batch_bytes: 1000, backlog_records: 10, ..small() };
    let log = Log::open(folder.path(), options).unwrap();
    let partition = log.create_topic("t", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    let error = log.append(&partition, record(&"x".repeat(1000))).unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { limit: 1000, .. }), "{error:?}");
    let handed: Vec<_> = (0..10_000).map(|_| log.append(&partition, record("x"))).collect();
    let (mut stored, mut refused) = (0, 0);
    for handed in handed {
        match handed {
            Ok(pending) => stored = pending.await.map(|appended| appended.offset + 1).unwrap(),
            Err(error) => {
                assert_eq!(error, AppendError::Write(WriteError::BacklogFull));
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
    assert_eq!((stored, partition.range().end), (10_000 - refused, 10_000 - refused));
    while log.backlog() != (0, 0) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_folder_belongs_to_one_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), Options::default()).unwrap();
    let error = Log::open(folder.path(), Options::default()).unwrap_err();
    let pid = std::process::id().to_string();
    assert!(matches!(&error, OpenError::Locked { holder, .. } if holder.contains(&pid)), "{error}");
    drop(log);
    Log::open(folder.path(), Options::default()).unwrap();
}

#[test]
fn other_folders_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    let error = Log::open(folder.path(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("thesis.txt"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("format"), "embedded-log 2\nmark 0000000000000000\n").unwrap();
    let error = Log::open(folder.path(), Options::default()).unwrap_err();
    assert!(matches!(&error, OpenError::Version { found, .. } if found == "2"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    drop(Log::open(folder.path(), Options::default()).unwrap());
    std::fs::remove_file(folder.path().join("00000000000000000000.log")).unwrap();
    let error = Log::open(folder.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::NotALog { .. }), "never a fresh log where one was: {error}");
}

#[tokio::test]
async fn readers_wait_for_commits() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), Options::default()).unwrap();
    let topic = log.create_topic("t", 1, Vec::new()).await.unwrap();
    let partition = topic.partition(0).unwrap();
    let mut changes = topic.changes();
    for n in 0..100 {
        changes.borrow_and_update();
        assert_eq!(log.read_recent(&partition, n, 1).unwrap(), Some(Vec::new()));
        let pending = log.append(&partition, record("x")).unwrap();
        tokio::time::timeout(Duration::from_secs(10), changes.changed()).await.unwrap().unwrap();
        assert_eq!(log.read_recent(&partition, n, 1).unwrap().unwrap().len(), 1);
        pending.await.unwrap();
    }
}

fn record(value: &str) -> NewRecord<'_> {
    NewRecord { timestamp_ms: 1_700_000_000_000, key: Some(b"k"), value: Some(value.as_bytes()), headers: &[] }
}

async fn append(log: &Log, partition: &Arc<Partition>, value: &str) -> i64 {
    log.append(partition, record(value)).unwrap().await.unwrap().offset
}

fn read_all(log: &Log, partition: &Partition) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    let mut offset = partition.range().start;
    loop {
        let batches = log.read(partition, offset, 4096).unwrap();
        let Some(last) = batches.last() else { return all };
        offset = last.next_offset();
        for record in batches.iter().flat_map(|batch| batch.records(1 << 20).unwrap()) {
            let record = record.unwrap();
            all.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
}

/// A batch as an idempotent producer sends it.
fn produced(producer_id: i64, epoch: i16, first: i32, count: usize) -> Batch {
    let mut bytes = Vec::new();
    let mut builder = BatchBuilder::begin(&mut bytes, 0, 5);
    (0..count).for_each(|_| builder.push(&mut bytes, record("x")));
    builder.finish(&mut bytes);
    bytes[43..51].copy_from_slice(&producer_id.to_be_bytes());
    bytes[51..53].copy_from_slice(&epoch.to_be_bytes());
    bytes[53..57].copy_from_slice(&first.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Batch::parse(Bytes::from(bytes)).unwrap()
}

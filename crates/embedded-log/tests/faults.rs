//! A disk that fails at each call in turn: what was acknowledged stays, what was not is said to be unknown or refused as it is.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc};

use embedded_log::{
    AppendError, Log, OpenError, Options, Partition, ReadError, TopicError, WriteError,
    batch::NewRecord,
    storage::faulty::{Call, Dice, Failure, Fault, FaultyStorage},
};

/// Small segments and little retention: rolls, seals and deletions happen all the time.
fn small() -> Options {
    Options {
        segment_bytes: 2 << 10,
        preallocate_bytes: 600,
        retention_bytes: 6 << 10,
        recent_bytes: 0,
        reserve_bytes: Some(0),
        ..Options::default()
    }
}

#[tokio::test]
async fn no_call_that_fails_loses_what_was_acknowledged() {
    let healthy = Story::play(Arc::new(FaultyStorage::new())).await;
    assert!(healthy.failed.is_empty() && healthy.refused.is_empty() && healthy.acknowledged.len() == APPENDS);
    let calls = healthy.storage.calls();
    for kind in [Call::Rename, Call::Remove, Call::Allocate, Call::SetLength, Call::SyncFolder] {
        assert!(calls.contains(&kind), "{kind:?} is never made");
    }
    for after in 0..calls.len() as u64 {
        for failure in [Failure::Io, Failure::Full, Failure::Interrupted, Failure::Short(1), Failure::Short(100)] {
            let storage = Arc::new(FaultyStorage::new());
            storage.plan(Fault::once(after, failure));
            let told = format!("{failure:?} at call {after}, {:?}", calls[after as usize]);
            let story = Story::play(storage).await;
            match failure {
                Failure::Io | Failure::Full => story.check_failing(failure, &told),
                _ => assert!(story.failed.is_empty() && story.refused.is_empty(), "{told}"),
            }
            story.check_reopened(&told, after).await;
        }
    }
}

#[tokio::test]
async fn a_failed_write_or_sync_is_final_and_reads_go_on() {
    for call in [Call::Write, Call::Sync] {
        let storage = Arc::new(FaultyStorage::new());
        let log = Log::open_storage(storage.clone(), Options { segment_bytes: 1 << 20, ..small() }).unwrap();
        let partition = log.create_topic("t", 1, Vec::new()).await.unwrap().partition(0).unwrap();
        append(&log, &partition, 0).await.unwrap();
        storage.plan(Fault { call: Some(call), after: 0, lasting: false, failure: Failure::Io });
        let error = append(&log, &partition, 1).await.unwrap_err();
        assert!(matches!(&error, AppendError::Write(WriteError::Failed(_))), "{call:?}: {error}");
        for _ in 0..3 {
            let error = append(&log, &partition, 2).await.unwrap_err();
            assert!(matches!(&error, AppendError::Write(WriteError::Stopped(_))), "{call:?}: {error}");
        }
        assert!(matches!(log.create_topic("u", 1, Vec::new()).await, Err(TopicError::Write(WriteError::Stopped(_)))));
        assert!(matches!(log.writable(), Err(WriteError::Stopped(_))));
        assert_eq!(all(&log, &partition), [(0, value(0))], "what was not synced is not shown");
        drop((log, partition));
        let log = Log::open_storage(Arc::new(storage.crash(&mut Dice::new(1))), small()).unwrap();
        let partition = log.topic("t").unwrap().partition(0).unwrap();
        assert_eq!(all(&log, &partition)[0], (0, value(0)));
        append(&log, &partition, 3).await.unwrap();
    }
}

/// The system writes no page again that it has failed to write; a later process sees it in the cache all the same.
#[tokio::test]
async fn what_a_failed_sync_forgot_is_written_by_the_next_start() {
    let storage = Arc::new(FaultyStorage::new());
    let log = Log::open_storage(storage.clone(), small()).unwrap();
    let partition = log.create_topic("t", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    storage.plan(Fault { call: Some(Call::Sync), after: 0, lasting: false, failure: Failure::Io });
    append(&log, &partition, 0).await.unwrap_err();
    drop((log, partition));
    let storage = Arc::new(storage.restart());
    let log = Log::open_storage(storage.clone(), small()).unwrap();
    let partition = log.topic("t").unwrap().partition(0).unwrap();
    assert_eq!(all(&log, &partition), [(0, value(0))]);
    append(&log, &partition, 1).await.unwrap();
    for seed in 0..50 {
        let log = Log::open_storage(Arc::new(storage.crash(&mut Dice::new(seed))), small()).unwrap();
        let partition = log.topic("t").unwrap().partition(0).unwrap();
        assert_eq!(all(&log, &partition), [(0, value(0)), (1, value(1))], "shown is shown");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_heals() {
    let storage = Arc::new(FaultyStorage::new());
    let options = Options { reserve_bytes: Some(4000), retention_bytes: 1 << 20, ..small() };
    let log = Log::open_storage(storage.clone(), options.clone()).unwrap();
    let partition = log.create_topic("t", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    let mut stored = Vec::new();
    for round in 0..4 {
        storage.set_capacity(storage.used() + 4000 + 3000);
        let error = loop {
            match append(&log, &partition, stored.len()).await {
                Ok(offset) => stored.push((offset, value(stored.len()))),
                Err(error) => break error,
            }
        };
        assert_eq!(error, AppendError::Write(WriteError::DiskFull), "round {round}");
        assert_eq!(log.writable(), Err(WriteError::DiskFull));
        assert_eq!(append(&log, &partition, 0).await, Err(AppendError::Write(WriteError::DiskFull)));
        assert!(storage.used() <= storage_capacity(&storage) - 3000, "the reserve is left alone");
        assert_eq!(all(&log, &partition), stored, "reads go on");
    }
    storage.set_capacity(1 << 40);
    stored.push((append(&log, &partition, stored.len()).await.unwrap(), value(stored.len())));
    assert_eq!(log.writable(), Ok(()));
    drop((log, partition));
    let log = Log::open_storage(Arc::new(storage.crash(&mut Dice::new(0))), options).unwrap();
    assert_eq!(all(&log, &log.topic("t").unwrap().partition(0).unwrap()), stored);
}

/// `ENOSPC` from the write itself, as file systems that cannot take room ahead answer: half a group is in the file.
#[tokio::test]
async fn a_write_without_room_leaves_nothing() {
    let storage = Arc::new(FaultyStorage::new());
    let log = Log::open_storage(storage.clone(), small()).unwrap();
    let partition = log.create_topic("t", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    let id = log.new_producer_id().await.unwrap();
    let mut stored = Vec::new();
    for n in 0..10 {
        stored.push((append(&log, &partition, n).await.unwrap(), value(n)));
        storage.plan(Fault { call: Some(Call::Write), after: 0, lasting: false, failure: Failure::Full });
        assert_eq!(append(&log, &partition, 100).await, Err(AppendError::Write(WriteError::DiskFull)));
        storage.plan(Fault { call: Some(Call::Write), after: 0, lasting: false, failure: Failure::Full });
        let made = log.create_topic("u", 1, Vec::new()).await;
        assert!(matches!(made, Err(TopicError::Write(WriteError::DiskFull))), "{made:?}");
    }
    assert!(log.new_producer_id().await.unwrap() > id);
    assert!(log.create_topic("u", 1, Vec::new()).await.is_ok(), "was not made before");
    drop((log, partition));
    let log = Log::open_storage(Arc::new(storage.crash(&mut Dice::new(0))), small()).unwrap();
    assert_eq!(all(&log, &log.topic("t").unwrap().partition(0).unwrap()), stored);
}

/// Neither the index of a sealed segment nor the length of its file is needed.
#[tokio::test]
async fn sealing_may_fail() {
    for call in [Call::Rename, Call::SetLength] {
        let storage = Arc::new(FaultyStorage::new());
        drop(Log::open_storage(storage.clone(), small()).unwrap());
        let storage = Arc::new(storage.restart());
        storage.plan(Fault { call: Some(call), after: 0, lasting: true, failure: Failure::Io });
        let story = Story::play(storage).await;
        assert!(story.opened && story.failed.is_empty() && story.refused.is_empty(), "{call:?}");
        story.check_reopened(&format!("{call:?}"), 0).await;
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_looked_at_is_refused() {
    for call in [Call::Lock, Call::List, Call::Open, Call::Read] {
        let storage = Arc::new(FaultyStorage::new());
        drop(Log::open_storage(storage.clone(), small()).unwrap());
        let storage = Arc::new(storage.restart());
        storage.plan(Fault { call: Some(call), after: 0, lasting: true, failure: Failure::Io });
        let error = Log::open_storage(storage.clone(), small()).unwrap_err();
        assert!(matches!(error, OpenError::Io { .. }), "{call:?}: {error}");
        Log::open_storage(Arc::new(storage.restart()), small()).unwrap();
    }
}

/// Appends one after the other and what came of them.
struct Story {
    storage: Arc<FaultyStorage>,
    opened: bool,
    acknowledged: BTreeMap<i64, String>,
    /// Values whose fate nobody knows.
    failed: Vec<String>,
    /// Values that were not written.
    refused: Vec<String>,
    stopped: bool,
}

impl Story {
    async fn play(storage: Arc<FaultyStorage>) -> Self {
        let mut story = Self {
            storage: storage.clone(),
            opened: false,
            acknowledged: BTreeMap::new(),
            failed: Vec::new(),
            refused: Vec::new(),
            stopped: false,
        };
        let Ok(log) = Log::open_storage(storage, small()) else { return story };
        story.opened = true;
        let mut made = log.create_topic("t", 1, Vec::new()).await;
        if made.is_err() {
            made = log.create_topic("t", 1, Vec::new()).await; // a full disk that heals
        }
        let Ok(topic) = made else {
            story.stopped = true;
            return story;
        };
        let partition = topic.partition(0).unwrap();
        for n in 0..APPENDS {
            match append(&log, &partition, n).await {
                Ok(offset) => {
                    assert!(!story.stopped, "a log that has stopped takes nothing");
                    assert_eq!(story.acknowledged.insert(offset, value(n)), None);
                }
                Err(AppendError::Write(WriteError::Failed(_))) => {
                    story.failed.push(value(n));
                    story.stopped = true;
                }
                Err(AppendError::Write(WriteError::DiskFull | WriteError::Stopped(_))) => story.refused.push(value(n)),
                Err(error) => panic!("{error}"),
            }
            story.stopped |= matches!(log.writable(), Err(WriteError::Stopped(_)));
        }
        // What retention has left is there to be read, whatever has happened.
        story.storage.heal();
        let found = all(&log, &partition);
        assert_eq!(found, story.kept_from(&found));
        story
    }

    /// What retention has left of the acknowledged, from the first one found.
    fn kept_from(&self, found: &[(i64, String)]) -> Vec<(i64, String)> {
        let start = found.first().map_or(i64::MAX, |(offset, _)| *offset);
        self.acknowledged.range(start..).map(|(offset, value)| (*offset, value.clone())).collect()
    }

    fn check_failing(&self, failure: Failure, told: &str) {
        assert!(self.failed.len() <= 1, "{told}: after the first all are refused");
        if failure == Failure::Full && self.opened && !self.stopped {
            assert!(self.refused.len() <= 1, "{told}: heals at once");
        }
        if self.opened && !self.stopped {
            assert_eq!(self.acknowledged.len() + self.refused.len(), APPENDS, "{told}");
        }
    }

    /// After the process has ended, and after the power went.
    async fn check_reopened(&self, told: &str, seed: u64) {
        for storage in [self.storage.crash(&mut Dice::new(seed)), self.storage.restart()] {
            let log = Log::open_storage(Arc::new(storage), small()).unwrap_or_else(|error| panic!("{told}: {error}"));
            let Some(topic) = log.topic("t") else {
                assert!(self.acknowledged.is_empty(), "{told}: the topic is gone");
                continue;
            };
            let partition = topic.partition(0).unwrap();
            let found = all(&log, &partition);
            let mut expected = self.kept_from(&found);
            if found.len() == expected.len() + 1 && !self.failed.is_empty() {
                expected.push((partition.range().end - 1, self.failed[0].clone()));
            }
            assert_eq!(found, expected, "{told}");
            let end = partition.range().end;
            assert!(end >= self.acknowledged.len() as i64, "{told}: {end}");
            assert_eq!(append(&log, &partition, 0).await, Ok(end), "{told}");
        }
    }
}

fn value(n: usize) -> String {
    format!("{n:0200}")
}

async fn append(log: &Log, partition: &Arc<Partition>, n: usize) -> Result<i64, AppendError> {
    let value = value(n);
    let record = NewRecord { timestamp_ms: 1, key: None, value: Some(value.as_bytes()), headers: &[] };
    Ok(log.append(partition, record)?.await?.offset)
}

fn all(log: &Log, partition: &Partition) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    let mut offset = partition.range().start;
    loop {
        let batches = match log.read(partition, offset, 1000) {
            Err(ReadError::OutOfRange { start, .. }) if offset < start => {
                all.clear(); // retention came between
                offset = start;
                continue;
            }
            read => read.unwrap(),
        };
        let Some(last) = batches.last() else { return all };
        offset = last.next_offset();
        for record in batches.iter().flat_map(|batch| batch.records(1 << 20).unwrap()) {
            let record = record.unwrap();
            all.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
}

fn storage_capacity(storage: &FaultyStorage) -> u64 {
    use embedded_log::storage::Storage;
    storage.room().unwrap().total
}

const APPENDS: usize = 50;

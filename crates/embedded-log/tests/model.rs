//! A log under random operations answers like plain vectors would, also after each reopening.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, sync::Arc};

use embedded_log::{
    CommittedOffset, Log, Options, Partition, Range, ReadError, TopicError, WriteError,
    batch::{Batch, NewRecord},
    storage::faulty::FaultyStorage,
};
use proptest::{collection::vec, prelude::*};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_vectors_of_records(options in options(), operations in vec(operation(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut pair = Pair::new(options);
            for operation in operations {
                pair.apply(operation).await?;
            }
            pair.compare_all()
        })?;
    }
}

#[derive(Debug, Clone)]
enum Operation {
    /// Records handed over together, each with its time and length.
    Append {
        topic: usize,
        partition: i32,
        records: Vec<(i64, usize)>,
    },
    Read {
        topic: usize,
        partition: i32,
        offset: i64,
        max_bytes: usize,
    },
    FindTime {
        topic: usize,
        partition: i32,
        time: i64,
    },
    Create {
        topic: usize,
        partitions: i32,
    },
    Grow {
        topic: usize,
        total: i32,
    },
    Delete {
        topic: usize,
    },
    Commit {
        group: usize,
        topic: usize,
        partition: i32,
        offset: i64,
    },
    Forget {
        group: usize,
    },
    Reopen,
}

fn options() -> impl Strategy<Value = Options> {
    (512..4000_u64, 1..2000_u64, prop_oneof![Just(0), Just(1000), Just(1 << 20)]).prop_map(
        |(segment_bytes, preallocate_bytes, recent_bytes)| Options {
            segment_bytes,
            preallocate_bytes,
            recent_bytes,
            reserve_bytes: Some(0),
            max_partitions: 6,
            ..Options::default()
        },
    )
}

fn operation() -> impl Strategy<Value = Operation> {
    let (topic, partition) = (|| 0..2_usize, || 0..3_i32);
    prop_oneof![
        12 => (topic(), partition(), vec((0..100_i64, prop_oneof![0..40_usize, 0..900_usize]), 1..9))
            .prop_map(|(topic, partition, records)| Operation::Append { topic, partition, records }),
        6 => (topic(), partition(), -1..120_i64, prop_oneof![Just(0), 0..3000_usize])
            .prop_map(|(topic, partition, offset, max_bytes)| Operation::Read { topic, partition, offset, max_bytes }),
        4 => (topic(), partition(), -1..101_i64)
            .prop_map(|(topic, partition, time)| Operation::FindTime { topic, partition, time }),
        4 => (topic(), 0..4_i32).prop_map(|(topic, partitions)| Operation::Create { topic, partitions }),
        1 => (topic(), 0..5_i32).prop_map(|(topic, total)| Operation::Grow { topic, total }),
        1 => topic().prop_map(|topic| Operation::Delete { topic }),
        3 => (0..2_usize, topic(), partition(), 0..100_i64)
            .prop_map(|(group, topic, partition, offset)| Operation::Commit { group, topic, partition, offset }),
        1 => (0..2_usize).prop_map(|group| Operation::Forget { group }),
        2 => Just(Operation::Reopen),
    ]
}

/// A log and what it should be.
struct Pair {
    storage: Arc<FaultyStorage>,
    options: Options,
    log: Log,
    /// Time and value of each record, by topic and partition.
    topics: BTreeMap<String, Vec<Vec<(i64, String)>>>,
    groups: BTreeMap<String, BTreeMap<(String, i32), i64>>,
    values: usize,
}

impl Pair {
    fn new(options: Options) -> Self {
        let storage = Arc::new(FaultyStorage::new());
        let log = Log::open_storage(storage.clone(), options.clone()).unwrap();
        Self { storage, options, log, topics: BTreeMap::new(), groups: BTreeMap::new(), values: 0 }
    }

    async fn apply(&mut self, operation: Operation) -> Result<(), TestCaseError> {
        match operation {
            Operation::Append { topic, partition, records } => self.append(topic, partition, records).await?,
            Operation::Read { topic, partition, offset, max_bytes } => {
                self.read(topic, partition, offset, max_bytes)?
            }
            Operation::FindTime { topic, partition, time } => {
                let Some((handle, records)) = self.partition(topic, partition) else { return Ok(()) };
                let found = (0..).zip(records).find(|(_, (at, _))| *at >= time).map(|(offset, (at, _))| (offset, *at));
                prop_assert_eq!(self.log.offset_for_time(&handle, time), Ok(found));
            }
            Operation::Create { topic, partitions } => {
                let result = self.log.create_topic(name(topic), partitions, Vec::new()).await;
                let all: usize = self.topics.values().map(Vec::len).sum();
                match result {
                    Ok(made) => {
                        prop_assert!(
                            (1..=6 - all as i32).contains(&partitions) && made.partition_count() == partitions
                        );
                        let before = self.topics.insert(name(topic).to_owned(), vec![Vec::new(); partitions as usize]);
                        prop_assert!(before.is_none());
                    }
                    Err(TopicError::Exists(_)) => prop_assert!(self.topics.contains_key(name(topic))),
                    Err(TopicError::InvalidPartitions { .. }) => {
                        prop_assert!(!(1..=6 - all as i32).contains(&partitions))
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            Operation::Grow { topic, total } => {
                let result = self.log.add_partitions(name(topic), total).await;
                let all: usize = self.topics.values().map(Vec::len).sum();
                let partitions = self.topics.get_mut(name(topic));
                let allowed = partitions.as_ref().is_some_and(|partitions| {
                    total as usize > partitions.len() && all - partitions.len() + total as usize <= 6
                });
                prop_assert_eq!(result.is_ok(), allowed, "{:?}", result);
                if let (true, Some(partitions)) = (allowed, partitions) {
                    partitions.resize(total as usize, Vec::new());
                }
            }
            Operation::Delete { topic } => {
                let known = self.topics.remove(name(topic)).is_some();
                prop_assert_eq!(self.log.delete_topic(name(topic)).await.is_ok(), known);
                self.groups.values_mut().for_each(|group| group.retain(|(of, _), _| of != name(topic)));
                self.groups.retain(|_, group| !group.is_empty());
            }
            Operation::Commit { group, topic, partition, offset } => {
                let known = self.partition(topic, partition).is_some();
                let committed = committed(name(topic), partition, offset);
                match self.log.commit_offsets(GROUPS[group], vec![committed]).await {
                    Ok(()) => {
                        prop_assert!(known);
                        let group = self.groups.entry(GROUPS[group].to_owned()).or_default();
                        group.insert((name(topic).to_owned(), partition), offset);
                    }
                    Err(error) => prop_assert!(!known && matches!(error, WriteError::UnknownTopic(_))),
                }
            }
            Operation::Forget { group } => {
                prop_assert_eq!(self.log.forget_group(GROUPS[group]).await, Ok(()));
                self.groups.remove(GROUPS[group]);
            }
            Operation::Reopen => self.reopen()?,
        }
        Ok(())
    }

    async fn append(&mut self, topic: usize, partition: i32, records: Vec<(i64, usize)>) -> Result<(), TestCaseError> {
        let Some((handle, _)) = self.partition(topic, partition) else { return Ok(()) };
        let mut pending = Vec::new();
        for (timestamp_ms, length) in records {
            self.values += 1;
            let value = format!("{:0length$}", self.values);
            let record = NewRecord { timestamp_ms, key: None, value: Some(value.as_bytes()), headers: &[] };
            pending.push(self.log.append(&handle, record).unwrap());
            let stored = self.topics.get_mut(name(topic)).unwrap();
            stored[partition as usize].push((timestamp_ms, value));
        }
        let end = self.topics[name(topic)][partition as usize].len();
        let first = end - pending.len();
        for (offset, pending) in (first as i64..).zip(pending) {
            prop_assert_eq!(pending.await.map(|appended| appended.offset), Ok(offset));
        }
        Ok(())
    }

    fn read(&self, topic: usize, partition: i32, offset: i64, max_bytes: usize) -> Result<(), TestCaseError> {
        let Some((handle, records)) = self.partition(topic, partition) else { return Ok(()) };
        let end = records.len() as i64;
        let read = self.log.read(&handle, offset, max_bytes);
        if !(0..=end).contains(&offset) {
            prop_assert_eq!(read, Err(ReadError::OutOfRange { offset, start: 0, end }));
            return Ok(());
        }
        let batches = read.unwrap();
        if let Some(recent) = self.log.read_recent(&handle, offset, max_bytes).unwrap() {
            prop_assert_eq!(&recent[..], &batches[..recent.len()]);
        }
        prop_assert_eq!(batches.is_empty(), offset == end);
        let bytes: usize = batches.iter().map(Batch::len).sum();
        prop_assert!(bytes <= max_bytes || batches.len() <= 1, "{} bytes of {}", bytes, max_bytes);
        if let Some(first) = batches.first() {
            prop_assert!((first.base_offset()..first.next_offset()).contains(&offset));
            let next = batches.iter().try_fold(first.base_offset(), |next, batch| {
                (batch.base_offset() == next).then_some(batch.next_offset())
            });
            prop_assert!(next.is_some(), "a gap between batches");
        }
        for (at, time, value) in unpack(&batches) {
            prop_assert_eq!(&records[at as usize], &(time, value));
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), TestCaseError> {
        self.storage = Arc::new(self.storage.restart());
        self.log = Log::open_storage(self.storage.clone(), self.options.clone()).unwrap();
        self.compare_all()
    }

    fn compare_all(&self) -> Result<(), TestCaseError> {
        let names: Vec<_> = self.log.topics().iter().map(|topic| topic.name().to_string()).collect();
        prop_assert_eq!(names, self.topics.keys().cloned().collect::<Vec<_>>());
        for (topic, expected) in self.log.topics().iter().zip(self.topics.values()) {
            prop_assert_eq!(topic.partitions().len(), expected.len());
            for (partition, expected) in topic.partitions().iter().zip(expected) {
                prop_assert_eq!(partition.range(), Range { start: 0, end: expected.len() as i64 });
                let all = unpack(&self.log.read(partition, 0, usize::MAX).unwrap());
                let expected = (0..).zip(expected).map(|(offset, (time, value))| (offset, *time, value.clone()));
                prop_assert_eq!(all, expected.collect::<Vec<_>>());
            }
        }
        for (name, expected) in &self.groups {
            let mut found = self.log.committed_offsets(name);
            found.sort_by_key(|committed| (committed.topic.clone(), committed.partition));
            let expected = expected.iter().map(|((topic, partition), offset)| committed(topic, *partition, *offset));
            prop_assert_eq!(found, expected.collect::<Vec<_>>());
        }
        prop_assert_eq!(self.log.groups().len(), self.groups.len());
        Ok(())
    }

    fn partition(&self, topic: usize, partition: i32) -> Option<(Arc<Partition>, &[Kept])> {
        let handle = self.log.topic(name(topic)).and_then(|topic| topic.partition(partition));
        let records = self.topics.get(name(topic)).and_then(|partitions| partitions.get(partition as usize));
        assert_eq!(handle.is_some(), records.is_some());
        Some((handle?, records?))
    }
}

fn unpack(batches: &[Batch]) -> Vec<(i64, i64, String)> {
    let records = batches.iter().flat_map(|batch| batch.records(1 << 20).unwrap());
    let unpacked = records.map(|record| {
        let record = record.unwrap();
        (record.offset, record.timestamp_ms, String::from_utf8(record.value.unwrap().to_vec()).unwrap())
    });
    unpacked.collect()
}

fn committed(topic: &str, partition: i32, offset: i64) -> CommittedOffset {
    CommittedOffset { topic: topic.to_owned(), partition, offset, leader_epoch: -1, metadata: "m".to_owned() }
}

fn name(topic: usize) -> &'static str {
    ["a", "b"][topic]
}

const GROUPS: [&str; 2] = ["g", "h"];

/// Timestamp and value of a record.
type Kept = (i64, String);

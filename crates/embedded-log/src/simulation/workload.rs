//! Operations as programs and Kafka producers ask for them.

use std::sync::Arc;

use bytes::Bytes;

use super::model::{Given, State};
use crate::{
    batch::{Batch, BatchBuilder, NewRecord, Record},
    storage::faulty::Dice,
};

/// One thing asked of the log.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    CreateTopic {
        name: String,
        partitions: i32,
        settings: Vec<(String, String)>,
    },
    DeleteTopic {
        name: String,
    },
    AddPartitions {
        name: String,
        total: i32,
    },
    CommitOffset {
        group: String,
        topic: String,
        partition: i32,
        offset: i64,
    },
    ForgetGroup {
        group: String,
    },
    ProducerId,
    Flush,
    Record {
        topic: String,
        id: u32,
        partition: i32,
        content: Arc<Content>,
    },
    Batch {
        topic: String,
        id: u32,
        partition: i32,
        contents: Vec<Arc<Content>>,
        produced: Option<Produced>,
        bytes: Bytes,
    },
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// An idempotent producer's batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Produced {
    pub(super) id: i64,
    pub(super) epoch: i16,
    pub(super) first: i32,
    pub(super) count: i32,
}

impl Operation {
    /// The log takes requests first, then records by partition, then batches.
    pub(super) fn rank(&self) -> (u8, u32, i32) {
        match self {
            Self::Record { id, partition, .. } => (1, *id, *partition),
            Self::Batch { .. } => (2, 0, 0),
            _ => (0, 0, 0),
        }
    }

    /// Something that suits what there is.
    pub(super) fn random(dice: &mut Dice, state: &State, given: &Given, hostile: &[u8]) -> Self {
        let name = ["a", "b.c", "__internal"][dice.below(3)].to_owned();
        let group = ["g", "h"][dice.below(2)].to_owned();
        let known = state.topics.get(&name);
        let partitions = known.map_or(0, |topic| topic.partitions.len());
        let partition = dice.below(partitions.max(1)) as i32;
        match (dice.below(40), known) {
            (0, _) => Self::DeleteTopic { name },
            (1, _) => Self::AddPartitions { name, total: 1 + dice.below(4) as i32 },
            (2..5, _) => Self::CommitOffset {
                group,
                topic: name,
                partition: dice.below(3) as i32,
                offset: dice.below(1000) as i64,
            },
            (5, _) => Self::ForgetGroup { group },
            (6, _) => Self::ProducerId,
            (7, _) => Self::Flush,
            (8, _) | (_, None) => {
                let settings = vec![("retention.ms".to_owned(), dice.any().to_string())];
                Self::CreateTopic { name, partitions: 1 + dice.below(3) as i32, settings }
            }
            (9..28, Some(topic)) => {
                let content = Arc::new(Content::random(dice, hostile));
                Self::Record { topic: name, id: topic.id, partition, content }
            }
            (_, Some(topic)) => {
                let produced = Produced::random(dice, state, given, &name, partition);
                let count = produced.map_or(1 + dice.below(4) as i32, |produced| produced.count);
                let contents: Vec<_> = (0..count).map(|_| Arc::new(Content::random(dice, hostile))).collect();
                let bytes = batch(&contents, produced);
                Self::Batch { topic: name, id: topic.id, partition, contents, produced, bytes }
            }
        }
    }
}

impl Produced {
    /// The next batch mostly; sometimes one again, one too late, one too early, or one of a new epoch.
    fn random(dice: &mut Dice, state: &State, given: &Given, topic: &str, partition: i32) -> Option<Self> {
        let id = given.nth(dice.below(3))?;
        let count = 1 + dice.below(4) as i32;
        let known = state.known(topic, partition, id);
        let Some(last) = known.last().map(|known| known.produced) else {
            return Some(Self { id, epoch: 0, first: 0, count });
        };
        let next = last.first + last.count;
        Some(match dice.below(10) {
            0..3 => known[known.len() - 1 - dice.below(known.len().min(8))].produced,
            3 => Self { id, epoch: last.epoch, first: next + 1, count },
            4 => Self { id, epoch: last.epoch + 1, first: 0, count },
            5 if last.epoch > 0 => Self { id, epoch: last.epoch - 1, first: next, count },
            _ => Self { id, epoch: last.epoch, first: next, count },
        })
    }
}

impl Content {
    /// Never the same twice.
    fn random(dice: &mut Dice, hostile: &[u8]) -> Self {
        let mut bytes = |most: usize| {
            let length = if dice.one_in(12) { dice.below(most * 20) } else { dice.below(most) };
            let byte = dice.any() as u8;
            let mut bytes = vec![byte; length];
            bytes.extend_from_slice(&dice.any().to_le_bytes());
            if dice.one_in(8) {
                bytes.extend_from_slice(hostile);
            }
            bytes
        };
        let (value, key, header) = (bytes(60), bytes(5), bytes(5));
        Self {
            timestamp_ms: 1_700_000_000_000 + dice.below(5000) as i64,
            key: (!dice.one_in(4)).then_some(key),
            value: (!dice.one_in(20)).then_some(value),
            headers: if dice.one_in(4) {
                vec![(b"h".to_vec(), Some(header)), (b"n".to_vec(), None)]
            } else {
                Vec::new()
            },
        }
    }

    pub(super) fn of(record: &Record) -> Self {
        let owned = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| bytes.to_vec());
        Self {
            timestamp_ms: record.timestamp_ms,
            key: owned(&record.key),
            value: owned(&record.value),
            headers: record.headers.iter().map(|header| (header.name.to_vec(), owned(&header.value))).collect(),
        }
    }

    pub(super) fn lend<T>(&self, to: impl FnOnce(NewRecord<'_>) -> T) -> T {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref())).collect();
        let (key, value) = (self.key.as_deref(), self.value.as_deref());
        to(NewRecord { timestamp_ms: self.timestamp_ms, key, value, headers: &headers })
    }
}

/// As a Kafka producer sends it.
fn batch(contents: &[Arc<Content>], produced: Option<Produced>) -> Bytes {
    let mut bytes = Vec::new();
    let mut builder = BatchBuilder::begin(&mut bytes, 0, contents[0].timestamp_ms);
    contents.iter().for_each(|content| content.lend(|record| builder.push(&mut bytes, record)));
    builder.finish(&mut bytes);
    if let Some(produced) = produced {
        bytes[43..51].copy_from_slice(&produced.id.to_be_bytes());
        bytes[51..53].copy_from_slice(&produced.epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&produced.first.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    debug_assert!(Batch::parse(Bytes::from(bytes.clone())).is_ok());
    Bytes::from(bytes)
}

//! What a log should hold: plain vectors, and what each operation does to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;

use super::workload::{Content, Operation, Produced};
use crate::error::{AppendError, TopicError, WriteError};

/// All of a log's content at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) topics: BTreeMap<String, TopicState>,
    pub(super) groups: BTreeMap<String, GroupState>,
    pub(super) next_topic: u32,
}

#[derive(Debug, Clone, Default)]
pub(super) struct TopicState {
    pub(super) id: u32,
    pub(super) settings: Vec<(String, String)>,
    pub(super) partitions: Vec<PartitionState>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct PartitionState {
    /// First offset that retention left.
    pub(super) start: i64,
    /// From offset 0.
    pub(super) records: Vec<Arc<Content>>,
    /// Batches of Kafka producers as they came, by base offset.
    pub(super) foreign: BTreeMap<i64, Bytes>,
    producers: BTreeMap<i64, Vec<Known>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct GroupState {
    at_ms: i64,
    pub(super) offsets: BTreeMap<(String, i32), i64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) produced: Produced,
    base_offset: i64,
}

/// The answer to an operation: what it gives, or the text of its refusal.
pub(super) type Expected = Result<i64, String>;

/// Stands for a producer id, which the log chooses.
pub(super) const ANY: i64 = i64::MIN;

impl State {
    /// What one commit group of all these makes of it, with the answers in the order of `operations`.
    pub(super) fn after(&self, operations: &[Operation], now_ms: i64) -> (Self, Vec<Expected>) {
        let mut state = self.clone();
        let mut order: Vec<_> = (0..operations.len()).collect();
        order.sort_by_key(|at| operations[*at].rank()); // stable
        let mut answers = vec![Ok(0); operations.len()];
        for at in order {
            answers[at] = state.apply(&operations[at], now_ms);
        }
        (state, answers)
    }

    /// Without the groups that committed nothing since then.
    pub(super) fn without_groups_silent_since(&self, ms: i64) -> Self {
        let mut state = self.clone();
        state.groups.retain(|_, group| group.at_ms >= ms);
        state
    }

    pub(super) fn known(&self, name: &str, partition: i32, producer: i64) -> &[Known] {
        let state = self.topics.get(name).and_then(|topic| topic.partitions.get(partition as usize));
        state.and_then(|state| state.producers.get(&producer)).map_or(&[], Vec::as_slice)
    }

    fn apply(&mut self, operation: &Operation, now_ms: i64) -> Expected {
        match operation {
            Operation::CreateTopic { name, partitions, settings } => {
                if self.topics.contains_key(name) {
                    return Err(TopicError::Exists(name.clone()).to_string());
                }
                let partitions = vec![PartitionState::default(); *partitions as usize];
                let topic = TopicState { id: self.next_topic, settings: settings.clone(), partitions };
                self.next_topic += 1;
                self.topics.insert(name.clone(), topic);
                Ok(0)
            }
            Operation::DeleteTopic { name } => {
                self.topics.remove(name).ok_or_else(|| unknown(name))?;
                self.groups.values_mut().for_each(|group| group.offsets.retain(|(topic, _), _| topic != name));
                self.groups.retain(|_, group| !group.offsets.is_empty());
                Ok(0)
            }
            Operation::AddPartitions { name, total } => {
                let topic = self.topics.get_mut(name).ok_or_else(|| unknown(name))?;
                let now = topic.partitions.len();
                if *total as usize <= now {
                    let reason = format!("it has {now} already");
                    return Err(TopicError::InvalidPartitions { found: *total, reason }.to_string());
                }
                topic.partitions.resize_with(*total as usize, PartitionState::default);
                Ok(0)
            }
            Operation::CommitOffset { group, topic, partition, offset } => {
                let known = self.topics.get(topic).is_some_and(|state| state.partitions.len() > *partition as usize);
                if !known {
                    return Err(unknown(topic));
                }
                let group = self.groups.entry(group.clone()).or_default();
                group.at_ms = now_ms;
                group.offsets.insert((topic.clone(), *partition), *offset);
                Ok(0)
            }
            Operation::ForgetGroup { group } => {
                self.groups.remove(group);
                Ok(0)
            }
            Operation::ProducerId => Ok(ANY),
            Operation::Flush => Ok(0),
            Operation::Record { topic, id, partition, content } => {
                let state = self.partition(topic, *id, *partition)?;
                state.records.push(content.clone());
                Ok(state.records.len() as i64 - 1)
            }
            Operation::Batch { topic, id, partition, contents, produced, bytes } => {
                let state = self.partition(topic, *id, *partition)?;
                state.produce(contents, *produced, bytes)
            }
        }
    }

    fn partition(&mut self, name: &str, id: u32, partition: i32) -> Result<&mut PartitionState, String> {
        let topic = self.topics.get_mut(name).filter(|topic| topic.id == id).ok_or_else(|| unknown(name))?;
        Ok(&mut topic.partitions[partition as usize])
    }
}

impl PartitionState {
    fn produce(&mut self, contents: &[Arc<Content>], produced: Option<Produced>, bytes: &Bytes) -> Expected {
        if let Some(produced) = produced {
            match self.judge(produced).map_err(|error| error.to_string())? {
                Some(stored) => return Ok(stored),
                None => {
                    let known = self.producers.entry(produced.id).or_default();
                    known.retain(|earlier| earlier.produced.epoch == produced.epoch);
                    known.push(Known { produced, base_offset: self.records.len() as i64 });
                }
            }
        }
        let base_offset = self.records.len() as i64;
        self.records.extend_from_slice(contents);
        self.foreign.insert(base_offset, bytes.clone());
        Ok(base_offset)
    }

    /// `None` if it is new, else where it is.
    fn judge(&self, new: Produced) -> Result<Option<i64>, AppendError> {
        let known = self.producers.get(&new.id).map_or(&[][..], Vec::as_slice);
        let Some(last) = known.last().map(|last| last.produced) else { return Ok(None) };
        let out_of_order = |expected| Err(AppendError::OutOfOrderSequence { expected, found: new.first });
        if new.epoch != last.epoch {
            return match new.epoch > last.epoch {
                true if new.first == 0 => Ok(None),
                true => out_of_order(0),
                false => Err(AppendError::FencedProducer { current: last.epoch, found: new.epoch }),
            };
        }
        let recent = &known[known.len().saturating_sub(5)..];
        let same =
            recent.iter().find(|stored| (stored.produced.first, stored.produced.count) == (new.first, new.count));
        let next = last.first + last.count;
        match same {
            Some(stored) => Ok(Some(stored.base_offset)),
            None if new.first == next => Ok(None),
            None if new.first + new.count <= next => Err(AppendError::DuplicateSequence),
            None => out_of_order(next),
        }
    }
}

/// Producer ids that were ever given.
#[derive(Debug, Default)]
pub(super) struct Given(BTreeSet<i64>);

impl Given {
    pub(super) fn insert(&mut self, id: i64) -> bool {
        self.0.insert(id)
    }

    pub(super) fn nth(&self, n: usize) -> Option<i64> {
        self.0.iter().rev().nth(n).copied()
    }
}

fn unknown(topic: &str) -> String {
    WriteError::UnknownTopic(topic.to_owned()).to_string()
}

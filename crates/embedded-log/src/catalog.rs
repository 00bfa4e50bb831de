//! `Catalog`: what must outlive deleted segments (topics, next offsets, producers, committed offsets), and its `Change`s.
//!
//! Each segment begins with the whole of it ([`Change::Checkpoint`]); replaying what follows gives the present.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::batch::{Batch, ProducerSequence};

/// One change of what is not records, as stored in a commit group. New kinds go to the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Change {
    /// All of it; the first thing in every segment.
    Checkpoint(Catalog, Groups),
    TopicCreated(NewTopic),
    TopicDeleted {
        id: u32,
    },
    PartitionsAdded {
        id: u32,
        total: u32,
    },
    OffsetsCommitted {
        group: String,
        at_ms: i64,
        offsets: Vec<StoredOffset>,
    },
    GroupForgotten {
        group: String,
    },
    /// Producer ids below this may have been given.
    ProducerIds {
        next: i64,
    },
    /// Segments before this one are deleted, or about to be.
    SegmentsDropped {
        first: u64,
    },
    /// Written by a repair in place of damaged groups; the next group is `next_sequence`. Changes that make topics
    /// which later groups write to may follow in the same group.
    Lost {
        next_sequence: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewTopic {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) partitions: u32,
    pub(crate) settings: Vec<(String, String)>,
}

/// The writer's own state: runs ahead of what is durable by at most one group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Catalog {
    next_topic: u32,
    next_producer: i64,
    pub(crate) first_segment: u64,
    pub(crate) topics: BTreeMap<u32, TopicState>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TopicState {
    pub(crate) name: String,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) partitions: Vec<PartitionState>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartitionState {
    pub(crate) next_offset: i64,
    producers: BTreeMap<i64, Producer>,
}

/// An idempotent producer's last batches in one partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Producer {
    epoch: i16,
    /// Timestamp of its last batch, by our clock or its own: only to forget the longest silent one.
    last_ms: i64,
    /// At most [`REMEMBERED_BATCHES`], oldest first.
    batches: Vec<ProducedBatch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct ProducedBatch {
    first: i32,
    last: i32,
    base_offset: i64,
}

/// What an idempotent producer's batch is to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    /// Stored before, there.
    Duplicate {
        base_offset: i64,
    },
    /// Stored before, too long ago to know where.
    OldDuplicate,
    OutOfOrder {
        expected: i32,
    },
    Fenced {
        current: i16,
    },
}

impl Catalog {
    /// Number for a topic to be made.
    pub(crate) fn next_topic(&self) -> u32 {
        self.next_topic
    }

    pub(crate) fn next_producer(&self) -> i64 {
        self.next_producer
    }

    pub(crate) fn partition(&self, topic: u32, partition: u32) -> Option<&PartitionState> {
        self.topics.get(&topic)?.partitions.get(partition as usize)
    }

    pub(crate) fn partition_count(&self) -> usize {
        self.topics.values().map(|topic| topic.partitions.len()).sum()
    }

    /// Applies a change; those of groups are [`Groups::apply`]'s.
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Checkpoint(catalog, _) => *self = catalog.clone(),
            Change::TopicCreated(topic) => self.create(topic),
            Change::TopicDeleted { id } => _ = self.topics.remove(id),
            Change::PartitionsAdded { id, total } => {
                if let Some(topic) = self.topics.get_mut(id) {
                    topic.partitions.resize_with(*total as usize, PartitionState::default);
                }
            }
            Change::ProducerIds { next } => self.next_producer = *next,
            Change::SegmentsDropped { first } => self.first_segment = *first,
            Change::OffsetsCommitted { .. } | Change::GroupForgotten { .. } | Change::Lost { .. } => {}
        }
    }

    fn create(&mut self, topic: &NewTopic) {
        let state = TopicState {
            name: topic.name.clone(),
            settings: topic.settings.clone(),
            partitions: vec![PartitionState::default(); topic.partitions as usize],
        };
        self.topics.insert(topic.id, state);
        self.next_topic = self.next_topic.max(topic.id + 1);
    }

    /// Takes a batch in that is stored at `base_offset`.
    pub(crate) fn advance(&mut self, topic: u32, partition: u32, base_offset: i64, batch: &Batch) {
        let state = self.topics.get_mut(&topic).and_then(|topic| topic.partitions.get_mut(partition as usize));
        let Some(state) = state else { return };
        state.next_offset = base_offset + i64::from(batch.record_count());
        if let Some(sequence) = batch.producer() {
            state.remember(sequence, base_offset, batch.max_timestamp());
        }
    }

    /// Takes records of this process in: they have no producer.
    pub(crate) fn advance_by(&mut self, topic: u32, partition: u32, count: usize) {
        let state = self.topics.get_mut(&topic).and_then(|topic| topic.partitions.get_mut(partition as usize));
        if let Some(state) = state {
            state.next_offset += count as i64;
        }
    }

    /// Forgets the longest silent producers down to `most`.
    pub(crate) fn forget_producers(&mut self, most: usize) {
        let partitions = self.topics.values().flat_map(|topic| &topic.partitions);
        let count: usize = partitions.map(|partition| partition.producers.len()).sum();
        if count <= most {
            return;
        }
        // Of those of one moment, too, only so many stay.
        let age = |topic: u32, partition: usize, id: i64, producer: &Producer| (producer.last_ms, topic, partition, id);
        let mut ages = Vec::with_capacity(count);
        for (topic, state) in &self.topics {
            for (partition, state) in state.partitions.iter().enumerate() {
                ages.extend(state.producers.iter().map(|(id, producer)| age(*topic, partition, *id, producer)));
            }
        }
        let (_, limit, _) = ages.select_nth_unstable(count - most.max(1));
        let limit = *limit;
        for (topic, state) in &mut self.topics {
            for (partition, state) in state.partitions.iter_mut().enumerate() {
                state.producers.retain(|id, producer| age(*topic, partition, *id, producer) >= limit);
            }
        }
    }
}

impl PartitionState {
    /// Source: Apache Kafka, `ProducerStateManager`: the last five batches are known; of an unknown producer anything is
    /// taken, since it may have been forgotten here.
    pub(crate) fn judge(&self, sequence: ProducerSequence) -> Verdict {
        let Some(producer) = self.producers.get(&sequence.producer_id) else {
            return Verdict::New;
        };
        if sequence.epoch < producer.epoch {
            return Verdict::Fenced { current: producer.epoch };
        }
        if sequence.epoch > producer.epoch {
            return if sequence.first == 0 { Verdict::New } else { Verdict::OutOfOrder { expected: 0 } };
        }
        let same = |batch: &&ProducedBatch| (batch.first, batch.last) == (sequence.first, sequence.last);
        if let Some(batch) = producer.batches.iter().find(same) {
            return Verdict::Duplicate { base_offset: batch.base_offset };
        }
        let expected = producer.batches.last().map_or(0, |last| last.last.checked_add(1).unwrap_or(0));
        if sequence.first == expected {
            Verdict::New
        } else if sequence.first.wrapping_sub(expected) < 0 && sequence.last.wrapping_sub(expected) < 0 {
            Verdict::OldDuplicate
        } else {
            Verdict::OutOfOrder { expected }
        }
    }

    fn remember(&mut self, sequence: ProducerSequence, base_offset: i64, now_ms: i64) {
        let fresh = || Producer { epoch: sequence.epoch, last_ms: now_ms, batches: Vec::new() };
        let producer = self.producers.entry(sequence.producer_id).or_insert_with(fresh);
        if producer.epoch != sequence.epoch {
            *producer = fresh();
        }
        producer.last_ms = now_ms;
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.remove(0);
        }
        producer.batches.push(ProducedBatch { first: sequence.first, last: sequence.last, base_offset });
    }
}

/// How far consumer groups have read, as far as durable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Groups(HashMap<String, GroupOffsets>);

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct GroupOffsets {
    at_ms: i64,
    offsets: BTreeMap<(u32, u32), (i64, i32, String)>,
}

/// One committed offset, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredOffset {
    pub(crate) topic: u32,
    pub(crate) partition: u32,
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
}

/// How far a consumer group has read one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Name of the topic.
    pub topic: String,
    /// Partition, from 0.
    pub partition: i32,
    /// Offset of the next record the group wants.
    pub offset: i64,
    /// As the client sent it; -1 is none.
    pub leader_epoch: i32,
    /// As the client sent it.
    pub metadata: String,
}

impl Groups {
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Checkpoint(_, groups) => *self = groups.clone(),
            // Of no offsets: the group lives, if there is one.
            Change::OffsetsCommitted { group, offsets, .. } if offsets.is_empty() && !self.0.contains_key(group) => {}
            Change::OffsetsCommitted { group, at_ms, offsets } => {
                let state = self.0.entry(group.clone()).or_default();
                state.at_ms = *at_ms;
                state.offsets.extend(offsets.iter().map(|stored| {
                    ((stored.topic, stored.partition), (stored.offset, stored.leader_epoch, stored.metadata.clone()))
                }));
            }
            Change::GroupForgotten { group } => _ = self.0.remove(group),
            Change::TopicDeleted { id } => {
                self.0.values_mut().for_each(|group| group.offsets.retain(|(topic, _), _| topic != id));
                self.0.retain(|_, group| !group.offsets.is_empty());
            }
            _ => {}
        }
    }

    /// Committed offsets over all groups.
    pub(crate) fn len(&self) -> usize {
        self.0.values().map(|group| group.offsets.len()).sum()
    }

    /// Whether a group has committed something for that partition.
    pub(crate) fn has(&self, group: &str, topic: u32, partition: u32) -> bool {
        self.0.get(group).is_some_and(|group| group.offsets.contains_key(&(topic, partition)))
    }

    /// What a group has committed.
    pub(crate) fn of(&self, group: &str) -> impl Iterator<Item = StoredOffset> {
        let offsets = self.0.get(group).map(|group| &group.offsets).into_iter().flatten();
        offsets.map(|(&(topic, partition), (offset, leader_epoch, metadata))| StoredOffset {
            topic,
            partition,
            offset: *offset,
            leader_epoch: *leader_epoch,
            metadata: metadata.clone(),
        })
    }

    /// Groups that have committed something.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Groups that committed nothing since then.
    pub(crate) fn silent_since(&self, ms: i64) -> Vec<String> {
        self.0.iter().filter(|(_, group)| group.at_ms < ms).map(|(name, _)| name.clone()).collect()
    }
}

/// Source: Apache Kafka, `ProducerStateEntry.NUM_BATCHES_TO_RETAIN`, which bounds a producer's requests in flight.
const REMEMBERED_BATCHES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_silent_producers_are_forgotten_and_of_equals_as_many_as_there_are_too_many() {
        for (last_ms, most, kept) in [
            ([5, 5, 5, 5], 1, &[4][..]),
            ([5, 1, 5, 7], 3, &[1, 3, 4]),
            ([5, 5, 5, 5], 4, &[1, 2, 3, 4]),
            ([9, 8, 7, 6], 2, &[1, 2]),
        ] {
            let mut catalog = Catalog::default();
            let topic = NewTopic { id: 1, name: "t".to_owned(), partitions: 1, settings: Vec::new() };
            catalog.create(&topic);
            let partition = &mut catalog.topics.get_mut(&1).unwrap().partitions[0];
            for (producer_id, last_ms) in (1..).zip(last_ms) {
                partition.remember(ProducerSequence { producer_id, epoch: 0, first: 0, last: 0 }, 0, last_ms);
            }
            catalog.forget_producers(most);
            let left: Vec<_> = catalog.partition(1, 0).unwrap().producers.keys().copied().collect();
            assert_eq!(left, kept, "{last_ms:?}");
        }
    }

    #[test]
    fn what_says_that_a_group_lives_makes_none() {
        let mut groups = Groups::default();
        let lives = |at_ms| Change::OffsetsCommitted { group: "g".to_owned(), at_ms, offsets: Vec::new() };
        groups.apply(&lives(1));
        assert_eq!(groups.names().count(), 0);
        let offsets =
            vec![StoredOffset { topic: 1, partition: 0, offset: 7, leader_epoch: -1, metadata: String::new() }];
        groups.apply(&Change::OffsetsCommitted { group: "g".to_owned(), at_ms: 1, offsets });
        groups.apply(&lives(5));
        assert_eq!((groups.silent_since(5), groups.len()), (Vec::new(), 1));
    }
}

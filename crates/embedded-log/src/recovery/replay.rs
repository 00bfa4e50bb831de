//! Reading one segment from its checkpoint to its end.

use std::{collections::BTreeMap, path::PathBuf};

use bytes::Bytes;

use crate::{
    batch::Batch,
    catalog::{Catalog, Change, Groups},
    error::OpenError,
    format::Format,
    group::Entry,
    index::{Batches, Place},
    segment::{self, End, Name},
};

/// What a segment says, from its first group to its last.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) catalog: Catalog,
    pub(crate) groups: Groups,
    /// Where its batches stand, by topic and partition, those of topics deleted later too.
    pub(crate) partitions: BTreeMap<(u32, u32), Batches>,
    /// Where the checkpoint ends.
    pub(crate) checkpoint_end: u64,
    /// Where the last whole group begins.
    pub(crate) last_group: u64,
    /// Where the last whole group ends.
    pub(crate) end: u64,
    /// Sequence number of the group that comes next.
    pub(crate) sequence: u64,
    /// What stands behind the last whole group.
    pub(crate) tail: End,
}

/// Why a segment cannot be replayed.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Its first group is not whole.
    NoCheckpoint(End),
    /// A whole group holds what it cannot.
    Damaged { position: u64, problem: String },
}

impl Stop {
    pub(crate) fn explain(self, file: PathBuf) -> OpenError {
        let (position, problem) = match self {
            Self::NoCheckpoint(End::Clean) => (0, "it is empty".to_owned()),
            Self::NoCheckpoint(End::Torn(problem)) => (0, problem.to_string()),
            Self::NoCheckpoint(End::Damaged(problem, later)) => (0, super::damage(&problem, later)),
            Self::Damaged { position, problem } => (position, problem),
        };
        OpenError::Damaged { file, position, problem }
    }
}

/// Replays a segment's bytes.
pub(crate) fn replay(bytes: Bytes, format: Format, name: Name) -> Result<Replay, Stop> {
    let mut groups = segment::Groups::new(&bytes, format.mark, name);
    let mut state: Option<Replay> = None;
    loop {
        let (position, group) = match groups.next() {
            Ok(next) => next,
            Err(tail) => {
                let mut replay = state.ok_or(Stop::NoCheckpoint(tail))?;
                (replay.tail, replay.end, replay.sequence) = (tail, groups.position as u64, groups.sequence);
                return Ok(replay);
            }
        };
        let damaged = |at: usize, problem: String| Stop::Damaged { position: (position + at) as u64, problem };
        for entry in group.entries() {
            let entry = entry.map_err(|at| damaged(at, "an entry of a commit group cannot be read".to_owned()))?;
            match (entry, &mut state) {
                (Entry::Change(change), state @ None) => {
                    *state = Some(Replay::begin(*change).ok_or_else(|| damaged(0, NO_CHECKPOINT.to_owned()))?);
                }
                (Entry::Batch { .. }, None) => return Err(damaged(0, NO_CHECKPOINT.to_owned())),
                (Entry::Change(change), Some(state)) => state.change(&change),
                (Entry::Batch { start, batch, .. }, _) if batch.len() < Batch::HEADER_BYTES => {
                    return Err(damaged(start, "a batch is too short".to_owned()));
                }
                (Entry::Batch { topic, partition, start, batch }, Some(state)) => {
                    let from = position + start;
                    let place = (name, from, Batch::trusted(bytes.slice(from..from + batch.len())));
                    state.batch(topic, partition, place).map_err(|problem| damaged(start, problem))?;
                }
            }
        }
        if let Some(state) = &mut state {
            state.last_group = position as u64;
            if position == 0 {
                state.checkpoint_end = groups.position as u64;
            }
        }
    }
}

impl Replay {
    fn begin(change: Change) -> Option<Self> {
        let Change::Checkpoint(catalog, groups) = change else {
            return None;
        };
        Some(Self {
            catalog,
            groups,
            partitions: BTreeMap::new(),
            checkpoint_end: 0,
            last_group: 0,
            end: 0,
            sequence: 0,
            tail: End::Clean,
        })
    }

    fn change(&mut self, change: &Change) {
        self.catalog.apply(change);
        self.groups.apply(change);
    }

    fn batch(
        &mut self,
        topic: u32,
        partition: u32,
        (segment, position, batch): (Name, usize, Batch),
    ) -> Result<(), String> {
        let state = self.catalog.partition(topic, partition);
        let next = state.ok_or_else(|| format!("a batch of topic {topic}, which does not exist"))?.next_offset;
        let base_offset = batch.base_offset();
        // Offsets are dense; a jump ahead is what a repair leaves.
        if base_offset < next {
            return Err(format!("a batch has offset {base_offset}, where {next} comes next"));
        }
        let count = i64::from(batch.record_count());
        let next_offset = base_offset.checked_add(count).filter(|_| count > 0);
        let next_offset = next_offset.ok_or_else(|| format!("a batch of {count} records at offset {base_offset}"))?;
        let place = Place { segment, position: position as u32, length: batch.len() as u32, base_offset };
        let batches = self.partitions.entry((topic, partition)).or_default();
        batches.push(place, next_offset, batch.max_timestamp());
        self.catalog.advance(topic, partition, base_offset, &batch);
        Ok(())
    }
}

const NO_CHECKPOINT: &str = "the segment does not begin with a checkpoint";

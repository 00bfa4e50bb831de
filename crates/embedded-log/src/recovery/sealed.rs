//! Sealed segments at the start: all there, in sequence, their indexes read or made anew.

use super::{Newest, Opening, Replay, Stop, replay};
use crate::{
    commit::now_ms,
    error::OpenError,
    index::SealedIndex,
    segment::{Name, Segment},
    storage::{TEMPORARY, read_whole, write_file},
};

impl Opening {
    /// The sealed segments that are kept; finishes what retention had begun.
    pub(super) fn sealed(&self, names: Vec<Name>, newest: &Newest) -> Result<Vec<(Segment, SealedIndex)>, OpenError> {
        let first = Name(newest.replay.catalog.first_segment);
        // A segment gets its index once the one behind it is durable.
        if self.read_index(newest.name).is_some_and(|index| index.last_sequence + 1 == newest.replay.sequence) {
            let next = Name(newest.replay.sequence);
            return Err(self.not_a_log(format!("the segment {next} is missing, and any behind it")));
        }
        self.tidy(first, newest.name);
        let kept: Vec<_> = names.into_iter().filter(|name| *name >= first).collect();
        let oldest = kept.first().copied().unwrap_or(newest.name);
        if oldest != first {
            return Err(self.missing(first, oldest));
        }
        let next = kept.iter().skip(1).copied().chain([newest.name]);
        kept.iter().zip(next).map(|(name, next)| self.sealed_segment(*name, next)).collect()
    }

    fn sealed_segment(&self, name: Name, next: Name) -> Result<(Segment, SealedIndex), OpenError> {
        let file = self.storage.open(&name.to_string()).map_err(|error| self.io(name, error))?;
        let length = file.length().map_err(|error| self.io(name, error))?;
        let fits = |index: &SealedIndex| index.last_sequence + 1 == next.0 && index.end <= length;
        let index = match self.read_index(name).filter(fits) {
            Some(index) => index,
            None => self.make_index(name, next)?,
        };
        let segment = Segment { name, file, end: index.end, written_ms: index.written_ms };
        Ok((segment, index))
    }

    pub(super) fn read_index(&self, name: Name) -> Option<SealedIndex> {
        let file = self.storage.open(&name.index_file()).ok()?;
        SealedIndex::decode(&read_whole(&*file).ok()?)
    }

    /// From the segment itself, which must be whole.
    fn make_index(&self, name: Name, next: Name) -> Result<SealedIndex, OpenError> {
        tracing::info!(file = %name, "making the index of a sealed segment anew");
        let file = self.storage.open(&name.to_string()).map_err(|error| self.io(name, error))?;
        let bytes = read_whole(&*file).map_err(|error| self.io(name, error))?;
        let replay = replay(bytes.into(), self.format, name).map_err(|stop| stop.explain(self.path(name)))?;
        if replay.sequence != next.0 {
            return Err(self.groups_missing(name, &replay, next));
        }
        let partitions = replay.partitions;
        let written_ms = now_ms(); // not known: rather kept too long
        let index = SealedIndex { last_sequence: next.0 - 1, end: replay.end, written_ms, partitions };
        if let Err(error) = write_file(&*self.storage, &name.index_file(), &index.encode()) {
            tracing::warn!(file = name.index_file(), %error, "cannot write the index of a sealed segment");
        }
        Ok(index)
    }

    pub(super) fn groups_missing(&self, name: Name, replay: &Replay, next: Name) -> OpenError {
        let (from, to) = (replay.sequence, next.0.wrapping_sub(1));
        let problem =
            format!("the commit groups {from} to {to} are missing or damaged: acknowledged records are affected");
        Stop::Damaged { position: replay.end, problem }.explain(self.path(name))
    }

    /// Removes what is left of unfinished work: dropped segments, temporary files, an index of the newest segment.
    fn tidy(&self, first: Name, newest: Name) {
        for file in self.storage.list().unwrap_or_default() {
            let segment = Name::of_file(&file).or_else(|| Name::of_file(&file.replace(".index", ".log")));
            if file.ends_with(TEMPORARY) || segment.is_some_and(|name| name < first) || file == newest.index_file() {
                let removed = self.storage.remove(&file);
                tracing::debug!(file, ?removed, "removing what an interrupted run left");
            }
        }
    }

    fn missing(&self, first: Name, oldest: Name) -> OpenError {
        let problem = format!("the segment {first} is missing, the oldest one there is {oldest}");
        self.not_a_log(problem)
    }
}

//! Sealing segments, deleting the oldest ones, and forgetting what nobody asked for in a long time.

use std::collections::BTreeMap;

use crate::{
    catalog::Change,
    commit::{Active, Writer, now_ms},
    error::WriteError,
    index::SealedIndex,
    segment::{Name, Segment},
    storage::write_file,
};

impl Writer {
    /// What is looked after now and then. Nothing here is lost when it fails: the next time does it.
    pub(crate) fn housekeeping(&mut self) {
        if matches!(self.shared.status(), Err(WriteError::Stopped(_))) {
            return;
        }
        self.forget_groups();
        self.retire(); // on a full disk, too: that is what makes room
        if self.shared.status() == Err(WriteError::DiskFull) {
            self.look_for_room();
        }
    }

    /// Whether a full disk has room for more than a last few bytes again.
    fn look_for_room(&self) {
        let wanted = self.reserve().saturating_add(self.shared.options.preallocate_bytes);
        if self.shared.storage.room().is_ok_and(|room| room.free >= wanted) {
            self.has_room();
        }
    }

    /// The segment is written no more: its length is what is in it, and its index becomes a file.
    pub(crate) fn seal(&self, sealed: &Active) {
        let name = sealed.name;
        if let Some(segment) = self.shared.segments_mut().get_mut(&name) {
            segment.end = sealed.position;
            segment.written_ms = sealed.written_ms;
        }
        // Neither is needed: zeros behind the last group are known, and an index that is missing is made anew.
        if let Err(error) = sealed.file.set_length(sealed.position) {
            tracing::warn!(file = %name, %error, "cannot give back the room behind a sealed segment");
        }
        let index = self.index_of(sealed);
        if let Err(error) = write_file(&*self.shared.storage, &name.index_file(), &index.encode()) {
            tracing::warn!(file = name.index_file(), %error, "cannot write the index of a sealed segment");
        }
    }

    fn index_of(&self, sealed: &Active) -> SealedIndex {
        let topics = self.shared.topics();
        let partitions = topics.values().flat_map(|topic| topic.partitions()).filter_map(|partition| {
            let batches = partition.index().batches_in(sealed.name)?.clone();
            Some(((partition.topic_id(), partition.number() as u32), batches))
        });
        SealedIndex {
            last_sequence: self.sequence - 1,
            end: sealed.position,
            written_ms: sealed.written_ms,
            partitions: partitions.collect(),
        }
    }

    fn forget_groups(&mut self) {
        let silent = self.shared.groups().silent_since(now_ms() - ms(self.shared.options.offsets_retention));
        if silent.is_empty() {
            return;
        }
        tracing::info!(groups = silent.len(), "forgetting consumer groups that have been silent too long");
        self.log_changes(silent.into_iter().map(|group| Change::GroupForgotten { group }).collect());
    }

    /// Deletes whole segments from the oldest, by age and by bytes.
    fn retire(&mut self) {
        let oldest_allowed = now_ms() - ms(self.shared.options.retention_age);
        let quiet = self.active.written_ms < oldest_allowed && self.active.position > self.active.begin;
        if quiet {
            let _ = self.roll(0); // said so; older segments may go all the same
        }
        let (first, by_bytes) = self.first_kept(oldest_allowed);
        if first == self.catalog.first_segment {
            return;
        }
        if self.log_changes(vec![Change::SegmentsDropped { first }]) {
            self.drop_segments(Name(first), by_bytes);
        }
    }

    /// The oldest segment that stays, and whether one goes although it is not too old.
    fn first_kept(&self, oldest_allowed: i64) -> (u64, bool) {
        let segments = self.shared.segments();
        let mut bytes: u64 = segments.values().map(|segment| segment.end).sum();
        let mut by_bytes = false;
        for segment in segments.values() {
            let (too_old, too_much) =
                (segment.written_ms < oldest_allowed, bytes > self.shared.options.retention_bytes);
            if segment.name == self.active.name || !(too_old || too_much) {
                return (segment.name.0, by_bytes);
            }
            by_bytes |= !too_old;
            bytes -= segment.end;
        }
        (self.active.name.0, by_bytes)
    }

    /// Durable as dropped; readers lose them first, then the disk.
    fn drop_segments(&self, first: Name, by_bytes: bool) {
        let mut emptied = BTreeMap::new();
        for partition in self.shared.topics().values().flat_map(|topic| topic.partitions()) {
            let mut index = partition.index_mut();
            let lost = index.drop_before(first);
            if lost > 0 && index.range().start == index.range().end {
                *emptied.entry(partition.topic_name().clone()).or_insert(0) += lost;
            }
        }
        if by_bytes {
            for (topic, records) in emptied {
                tracing::warn!(%topic, records, "retention by bytes deleted all records of a quiet topic before their \
                    age; more room for the log keeps them longer");
            }
        }
        let dropped: Vec<Segment> = {
            let mut segments = self.shared.segments_mut();
            let kept = segments.split_off(&first);
            std::mem::replace(&mut *segments, kept).into_values().collect()
        };
        tracing::info!(segments = dropped.len(), "retention deletes the oldest segments");
        for segment in dropped {
            let storage = &self.shared.storage;
            let _ = storage.remove(&segment.name.index_file()); // may be missing
            if let Err(error) = storage.remove(&segment.name.to_string()) {
                tracing::warn!(file = %segment.name, %error, "cannot delete a segment; the next start does");
            }
        }
    }

    /// Changes of the log's own making, which may use the reserve. Whether they are durable.
    fn log_changes(&mut self, changes: Vec<Change>) -> bool {
        if self.make_room(changes.len() * CHANGE_BYTES, 0).is_err() {
            return false;
        }
        self.commit_changes(changes)
    }
}

fn ms(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Of a change of our own: a group's name at most.
const CHANGE_BYTES: usize = 320;

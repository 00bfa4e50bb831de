//! Counting what whole groups hold, and which offsets are missing between them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Lost;
use crate::{
    batch::Batch,
    catalog::{Catalog, Change, Groups},
    group::{Entry, Group},
};

/// What was seen so far, in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) catalog: Catalog,
    groups: Groups,
    pub(super) batches: u64,
    pub(super) records: u64,
    /// Next offset that has to come, by topic and partition; absent before the first batch seen.
    next: BTreeMap<(u32, u32), i64>,
    lost: Vec<((u32, u32), i64, i64)>,
    names: BTreeMap<u32, String>,
}

/// The state that a segment begins with.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    pub(super) catalog: Catalog,
    pub(super) groups: Groups,
}

impl Tally {
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { catalog: self.catalog.clone(), groups: self.groups.clone() }
    }

    /// Takes in a whole group; what is wrong in it all the same goes to `problems`.
    pub(super) fn group(&mut self, bytes: &[u8], mark: [u8; 8], problems: &mut Vec<String>) {
        let Ok(group) = Group::first_of(bytes, mark) else { return };
        for entry in group.entries() {
            match entry {
                Ok(Entry::Change(change)) => self.change(&change),
                Ok(Entry::Batch { topic, partition, batch, .. }) => match Batch::parse(Bytes::copy_from_slice(batch)) {
                    Ok(batch) => self.batch((topic, partition), &batch),
                    Err(problem) => problems.push(format!("a batch in commit group {}: {problem}", group.sequence)),
                },
                Err(_) => problems.push(format!("an entry of commit group {} cannot be read", group.sequence)),
            }
        }
    }

    fn change(&mut self, change: &Change) {
        if let Change::Checkpoint(catalog, _) = change {
            self.compare(catalog);
        }
        self.catalog.apply(change);
        self.groups.apply(change);
        self.names.extend(self.catalog.topics.iter().map(|(id, topic)| (*id, topic.name.clone())));
    }

    /// A checkpoint knows how far each partition was: what was not seen up to there is lost.
    fn compare(&mut self, checkpoint: &Catalog) {
        for (&id, topic) in &checkpoint.topics {
            for (number, partition) in (0..).zip(&topic.partitions) {
                if let Some(next) = self.next.get_mut(&(id, number)) {
                    if *next < partition.next_offset {
                        self.lost.push(((id, number), *next, partition.next_offset - 1));
                    }
                    *next = partition.next_offset;
                }
            }
        }
    }

    fn batch(&mut self, place: (u32, u32), batch: &Batch) {
        self.batches += 1;
        self.records += u64::from(batch.record_count().unsigned_abs());
        let begin =
            self.catalog.partition(place.0, place.1).map_or(batch.base_offset(), |partition| partition.next_offset);
        let next = self.next.entry(place).or_insert(begin);
        if *next < batch.base_offset() {
            self.lost.push((place, *next, batch.base_offset() - 1));
        }
        *next = batch.next_offset();
        self.catalog.advance(place.0, place.1, batch.base_offset(), batch);
    }

    pub(super) fn lost(&self) -> Vec<Lost> {
        let named = self.lost.iter().map(|&((topic, partition), first, last)| Lost {
            topic: self.names.get(&topic).cloned().unwrap_or_else(|| format!("#{topic}")),
            partition: partition as i32,
            first,
            last,
        });
        named.collect()
    }
}

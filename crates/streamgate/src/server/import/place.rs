//! `Place`: from where on a topic holds what an import may have written since.

use std::collections::BTreeMap;

use kafka_bridge::broker::{PartitionPositions, Start, Stored};
use serde::{Deserialize, Serialize};

/// What came before it does not matter to the import. The client keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The partition in which the stream lives; `None`: not known yet.
    partition: Option<i32>,
    /// An offset of each partition, in their order: where it ended when the import began, or the import's last record known.
    offsets: Vec<i64>,
}

impl Place {
    /// Of an import that begins now.
    pub(super) fn end(positions: &[PartitionPositions]) -> Self {
        let ends: BTreeMap<_, _> = positions.iter().map(|position| (position.partition, position.end)).collect();
        Self { partition: None, offsets: ends.into_values().collect() }
    }

    /// The same, of a topic that has as many partitions: more of them move streams, to where nobody knows.
    pub(super) fn grown(mut self, partitions: usize) -> Self {
        if self.offsets.len() != partitions {
            self.offsets.resize(partitions, 0);
            self.partition = None;
        }
        self
    }

    /// The same, after a record of the import.
    pub(super) fn after(&self, last: Stored) -> Self {
        let mut place = self.clone();
        place.partition = Some(last.partition);
        if let Some(offset) = place.offsets.get_mut(last.partition as usize) {
            *offset = last.offset;
        }
        place
    }

    /// Where to read from to see all that came since.
    pub(super) fn start(&self) -> Start {
        match self.partition {
            Some(partition) => Start::Offset(self.of(partition)),
            None => Start::Offset(self.offsets.iter().copied().min().unwrap_or_default().max(0)),
        }
    }

    /// Whether records of a partition may be the import's which a read is without that goes on at this offset.
    pub(super) fn is_before(&self, partition: i32, next_offset: i64) -> bool {
        self.partition.is_none_or(|own| own == partition) && self.of(partition) < next_offset
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        self.offsets.len() * size_of::<i64>()
    }

    fn of(&self, partition: i32) -> i64 {
        let offset = usize::try_from(partition).ok().and_then(|partition| self.offsets.get(partition));
        offset.copied().unwrap_or_default().max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Place {
        let position = |(partition, earliest, end)| PartitionPositions { partition, earliest, end };
        Place::end(&[(1, 0, 0), (0, 50, 90), (2, 7, 7)].map(position))
    }

    #[test]
    fn what_was_deleted_before_the_import_began_is_nothing_lost() {
        let place = begun();
        assert_eq!(place.start(), Start::Offset(0));
        for (partition, next_offset, is_lost) in
            [(0, 90, false), (0, 91, true), (1, 0, false), (1, 1, true), (2, 7, false)]
        {
            assert_eq!(place.is_before(partition, next_offset), is_lost, "{partition} at {next_offset}");
        }
    }

    #[test]
    fn a_stream_that_is_known_matters_in_its_partition() {
        let place = begun().after(Stored { partition: 0, offset: 95 });
        assert_eq!(place.start(), Start::Offset(95));
        assert!(place.is_before(0, 96) && !place.is_before(0, 95) && !place.is_before(1, 1000));
        assert_eq!(place.clone().grown(3), place);
    }

    #[test]
    fn after_growth_each_partition_matters_from_its_own_offset_on() {
        let place = begun().after(Stored { partition: 0, offset: 95 }).grown(4);
        assert_eq!(place.start(), Start::Offset(0));
        for (partition, next_offset, is_lost) in
            [(0, 95, false), (0, 96, true), (2, 7, false), (2, 8, true), (3, 1, true)]
        {
            assert_eq!(place.is_before(partition, next_offset), is_lost, "{partition} at {next_offset}");
        }
        let moved = place.after(Stored { partition: 3, offset: 2 });
        assert_eq!((moved.start(), moved.is_before(0, 1000)), (Start::Offset(2), false));
    }
}

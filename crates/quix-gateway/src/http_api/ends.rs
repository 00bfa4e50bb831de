//! `Ends`: what was the end of a topic when a read of it began, however much is written meanwhile.

use std::collections::HashMap;

use kafka_bridge::broker::{Delivery, PartitionPositions};

/// The ends that are not reached yet, by partition.
#[derive(Debug)]
pub(super) struct Ends(HashMap<i32, i64>);

impl Ends {
    /// For a read that begins at offset `next` of each partition.
    pub(super) fn new(positions: &[PartitionPositions], next: impl Fn(i32) -> i64) -> Self {
        let held = positions.iter().filter(|positions| positions.end != next(positions.partition));
        Self(held.map(|positions| (positions.partition, positions.end)).collect())
    }

    pub(super) fn are_reached(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes note of a delivery, and takes out of it what came after the end.
    pub(super) fn cut(&mut self, mut delivery: Delivery) -> Delivery {
        match &mut delivery {
            Delivery::Batch(batch) => {
                let passed: Vec<_> = batch.records.iter().map(|record| (record.partition, record.offset + 1)).collect();
                batch.records.retain(|record| self.0.get(&record.partition).is_some_and(|end| record.offset < *end));
                passed.into_iter().for_each(|(partition, next_offset)| self.reached(partition, next_offset));
            }
            // The last offsets of a partition may hold no record (compaction, transactions).
            Delivery::CaughtUp { partition } => self.reached(*partition, i64::MAX),
            Delivery::Gap { partition, next_offset, .. } => self.reached(*partition, *next_offset),
            Delivery::Unreadable { .. } | Delivery::TopicGone => {}
        }
        delivery
    }

    fn reached(&mut self, partition: i32, next_offset: i64) {
        if self.0.get(&partition).is_some_and(|end| next_offset >= *end) {
            self.0.remove(&partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use kafka_bridge::record::{Batch, Record};

    use super::*;

    #[test]
    fn what_is_written_meanwhile_is_left_out_and_keeps_nothing_from_ending() {
        let positions = [(0, 0, 3), (1, 5, 5), (2, 0, 2), (3, 0, 9)];
        let positions = positions.map(|(partition, earliest, end)| PartitionPositions { partition, earliest, end });
        let mut ends = Ends::new(&positions, |partition| if partition == 1 { 5 } else { 0 });
        assert_eq!(places(ends.cut(batch(&[(0, 1), (2, 0), (1, 5)]))), [(0, 1), (2, 0)]);
        assert!(!ends.are_reached());
        assert_eq!(places(ends.cut(batch(&[(0, 2), (0, 3), (2, 1), (2, 2)]))), [(0, 2), (2, 1)]);
        assert!(!ends.are_reached());
        ends.cut(Delivery::Gap { partition: 3, next_offset: 8, lost: 8 });
        assert!(!ends.are_reached());
        ends.cut(Delivery::CaughtUp { partition: 3 });
        assert!(ends.are_reached());
    }

    fn batch(places: &[(i32, i64)]) -> Delivery {
        let record = |(partition, offset): &(i32, i64)| Record {
            partition: *partition,
            offset: *offset,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        Delivery::Batch(Batch { records: places.iter().map(record).collect() })
    }

    fn places(delivery: Delivery) -> Vec<(i32, i64)> {
        let Delivery::Batch(batch) = delivery else { panic!("a batch") };
        batch.records.iter().map(|record| (record.partition, record.offset)).collect()
    }
}

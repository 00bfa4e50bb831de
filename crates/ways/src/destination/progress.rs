//! `Progress`: up to where all that was read of a topic is done with. A value.

use std::collections::BTreeMap;

use kafka_bridge::broker::NextOffset;

/// By partition.
#[derive(Debug, Default)]
pub(super) struct Progress {
    partitions: BTreeMap<i32, Partition>,
}

#[derive(Debug, Default)]
struct Partition {
    /// What is to be done yet of records, by offset.
    open: BTreeMap<i64, usize>,
    /// Behind the last record that was read.
    next: i64,
    committed: Option<i64>,
}

impl Progress {
    /// Where a group stands.
    pub(super) fn at(committed: &[NextOffset]) -> Self {
        let mut progress = Self::default();
        progress.committed(committed);
        for NextOffset { partition, offset } in committed {
            progress.of(*partition).next = *offset;
        }
        progress
    }

    /// A record was read.
    pub(super) fn read(&mut self, partition: i32, offset: i64) {
        let partition = self.of(partition);
        partition.next = partition.next.max(offset + 1);
    }

    /// So much is to be done for a record that was read.
    pub(super) fn open(&mut self, partition: i32, offset: i64, count: usize) {
        if count > 0 {
            *self.of(partition).open.entry(offset).or_default() += count;
        }
    }

    /// One of that is done.
    pub(super) fn done(&mut self, partition: i32, offset: i64) {
        let open = &mut self.of(partition).open;
        if let Some(count) = open.get_mut(&offset) {
            *count -= 1;
            if *count == 0 {
                open.remove(&offset);
            }
        }
    }

    /// Reading goes on elsewhere: before that nothing is to come.
    pub(super) fn jump(&mut self, partition: i32, next: i64) {
        self.of(partition).next = next;
    }

    /// Whether so much was read beyond a record that is not done with that a restart would repeat too much.
    pub(super) fn is_far_ahead(&self) -> bool {
        let is_far = |at: &Partition| at.open.keys().next().is_some_and(|oldest| at.next - oldest > MAX_AHEAD);
        self.partitions.values().any(is_far)
    }

    /// All is to be committed once more, moved or not: brokers forget positions that are not.
    pub(super) fn renew(&mut self) {
        self.partitions.values_mut().for_each(|at| at.committed = None);
    }

    /// What may be committed and is not yet.
    pub(super) fn to_commit(&self) -> Vec<NextOffset> {
        let moved = self.partitions.iter().filter_map(|(partition, at)| {
            let offset = at.open.keys().next().copied().unwrap_or(at.next).min(at.next);
            (at.committed != Some(offset)).then_some(NextOffset { partition: *partition, offset })
        });
        moved.collect()
    }

    pub(super) fn committed(&mut self, committed: &[NextOffset]) {
        committed.iter().for_each(|next| self.of(next.partition).committed = Some(next.offset));
    }

    fn of(&mut self, partition: i32) -> &mut Partition {
        self.partitions.entry(partition).or_default()
    }
}

/// Records of a partition.
const MAX_AHEAD: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> NextOffset {
        NextOffset { partition, offset }
    }

    #[test]
    fn it_stands_before_the_first_record_that_is_not_done_with() {
        let mut progress = Progress::at(&[at(0, 5)]);
        assert_eq!(progress.to_commit(), []);
        for (offset, messages) in [(5, 0), (6, 2), (7, 1), (9, 0)] {
            progress.read(0, offset);
            progress.open(0, offset, messages);
        }
        assert_eq!(progress.to_commit(), [at(0, 6)], "what nobody wants is done with");
        progress.committed(&[at(0, 6)]);
        progress.done(0, 7);
        progress.done(0, 6);
        assert_eq!(progress.to_commit(), [], "half of a record is nothing");
        progress.done(0, 6);
        assert_eq!(progress.to_commit(), [at(0, 10)]);
        progress.read(1, 0);
        assert_eq!(progress.to_commit(), [at(0, 10), at(1, 1)], "a partition that came");
    }

    #[test]
    fn reading_runs_ahead_of_what_is_done_by_a_bound() {
        let mut progress = Progress::at(&[at(0, 5), at(1, 0)]);
        progress.read(0, 5);
        progress.open(0, 5, 1);
        progress.read(0, 5 + MAX_AHEAD - 1);
        progress.read(1, 7 * MAX_AHEAD);
        assert!(!progress.is_far_ahead(), "nothing is open of the other partition");
        progress.read(0, 5 + MAX_AHEAD);
        assert!(progress.is_far_ahead());
        progress.done(0, 5);
        assert!(!progress.is_far_ahead());
    }

    #[test]
    fn what_is_renewed_is_committed_again_where_it_stands() {
        let mut progress = Progress::at(&[at(0, 5), at(1, 7)]);
        progress.renew();
        assert_eq!(progress.to_commit(), [at(0, 5), at(1, 7)]);
        progress.committed(&[at(0, 5), at(1, 7)]);
        assert_eq!(progress.to_commit(), []);
    }

    #[test]
    fn a_topic_that_was_cut_back_is_gone_on_with_from_its_end() {
        let mut progress = Progress::at(&[at(0, 100)]);
        progress.jump(0, 7);
        assert_eq!(progress.to_commit(), [at(0, 7)]);
    }
}

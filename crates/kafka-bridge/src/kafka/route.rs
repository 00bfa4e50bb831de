//! `Route`: where a followed topic's records go, and the offset each partition is read up to.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::lookup::TopicId;
use crate::broker::Delivery;
use crate::metrics::{Metrics, PartitionLabels};
use crate::record::Batch;

/// One followed topic.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) id: TopicId,
    /// By partition: offset behind the last record handed out. Ours to keep: after an outage reading goes on here.
    pub(super) next: Vec<i64>,
    pub(super) readers: Vec<Reader>,
    pub(super) paused: bool,
    /// Looks in a row that did not find the topic.
    pub(super) missing: u32,
}

/// One read of the topic.
#[derive(Debug)]
pub(super) struct Reader {
    sender: mpsc::Sender<Delivery>,
    /// By partition: the end when it joined; what lies before is not for it.
    from: Vec<i64>,
    /// What did not fit into its queue. Grows no further than what was polled before the topic was paused.
    pending: VecDeque<Delivery>,
}

impl Route {
    pub(super) fn new(id: TopicId, ends: Vec<i64>, reader: Reader) -> Self {
        Self { id, next: ends, readers: vec![reader], paused: false, missing: 0 }
    }

    /// Gives a batch to all readers; the number of records in it that were new.
    pub(super) fn hand_over(&mut self, mut batch: Batch) -> usize {
        batch.records.retain(|record| {
            let Some(next) = self.next.get_mut(record.partition as usize) else {
                return false;
            };
            let new = record.offset >= *next;
            if new {
                *next = record.offset + 1;
            }
            new
        });
        let count = batch.records.len();
        if count > 0 {
            let Some((last, others)) = self.readers.split_last_mut() else {
                return count;
            };
            others.iter_mut().for_each(|reader| reader.offer_batch(batch.clone()));
            last.offer_batch(batch);
        }
        count
    }

    /// Gives any other delivery to all readers.
    pub(super) fn tell(&mut self, delivery: &Delivery) {
        self.readers.iter_mut().for_each(|reader| reader.offer(delivery.clone()));
    }

    /// Moves a partition to where it can go on.
    pub(super) fn jump(&mut self, partition: usize, next_offset: i64, lost: i64) {
        self.next[partition] = next_offset;
        for reader in &mut self.readers {
            reader.from[partition] = reader.from[partition].min(next_offset);
        }
        self.tell(&Delivery::Gap { partition: partition as i32, next_offset, lost });
    }

    /// Takes in partitions that were made since, empty: read from their first record on.
    pub(super) fn grow(&mut self, partitions: usize) {
        self.next.resize(partitions, 0);
        self.readers.iter_mut().for_each(|reader| reader.from.resize(partitions, 0));
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.readers.iter().any(Reader::is_pending)
    }

    pub(super) fn show_lag(&self, topic: &str, ends: &[i64], metrics: &Metrics) {
        for (partition, (next, end)) in (0..).zip(self.next.iter().zip(ends)) {
            let labels = PartitionLabels { topic: topic.to_owned(), partition };
            metrics.consumer_lag.get_or_create(&labels).set((end - next).max(0));
        }
    }

    pub(super) fn forget_lag(&self, topic: &str, metrics: &Metrics) {
        for partition in 0..self.next.len() as i32 {
            metrics.consumer_lag.remove(&PartitionLabels { topic: topic.to_owned(), partition });
        }
    }
}

impl Reader {
    pub(super) fn new(sender: mpsc::Sender<Delivery>, from: Vec<i64>) -> Self {
        Self { sender, from, pending: VecDeque::new() }
    }

    /// With the last word in its queue.
    pub(super) fn gone(mut self) -> Self {
        self.offer(Delivery::TopicGone);
        self
    }

    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Offers what did not fit; false if the reader has left.
    pub(super) fn offer_pending(&mut self) -> bool {
        while let Some(delivery) = self.pending.pop_front() {
            match self.sender.try_send(delivery) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(delivery)) => {
                    self.pending.push_front(delivery);
                    return true;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
            }
        }
        !self.sender.is_closed()
    }

    fn offer_batch(&mut self, mut batch: Batch) {
        batch
            .records
            .retain(|record| self.from.get(record.partition as usize).is_none_or(|from| record.offset >= *from));
        if !batch.records.is_empty() {
            self.offer(Delivery::Batch(batch));
        }
    }

    fn offer(&mut self, delivery: Delivery) {
        self.pending.push_back(delivery);
        self.offer_pending(); // one that has left is let go of at the next tending
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::Record;

    #[test]
    fn a_second_reader_gets_only_what_came_after_it_joined() {
        let (mut route, mut first) = route(vec![5, 0]);
        let (sender, mut second) = mpsc::channel(8);
        route.readers.push(Reader::new(sender, vec![7, 0]));
        assert_eq!(route.hand_over(batch(&[(0, 5), (0, 6), (0, 7), (1, 0)])), 4);
        assert_eq!(first.try_recv().unwrap(), Delivery::Batch(batch(&[(0, 5), (0, 6), (0, 7), (1, 0)])));
        assert_eq!(second.try_recv().unwrap(), Delivery::Batch(batch(&[(0, 7), (1, 0)])));
    }

    #[test]
    fn nothing_is_handed_out_twice() {
        let (mut route, mut reader) = route(vec![0]);
        assert_eq!(route.hand_over(batch(&[(0, 0), (0, 3)])), 2, "holes are normal");
        assert_eq!(route.hand_over(batch(&[(0, 0), (0, 3), (0, 4), (9, 0)])), 1);
        reader.try_recv().unwrap();
        assert_eq!(reader.try_recv().unwrap(), Delivery::Batch(batch(&[(0, 4)])));
        assert_eq!(route.next, [5]);
    }

    #[test]
    fn a_full_reader_keeps_order_until_it_has_room() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut route = Route::new(TopicId::for_test(), vec![0], Reader::new(sender, vec![0]));
        for offset in 0..3 {
            route.hand_over(batch(&[(0, offset)]));
        }
        route.jump(0, 10, 7);
        assert!(route.is_stalled());
        for offset in 0..3 {
            assert_eq!(receiver.try_recv().unwrap(), Delivery::Batch(batch(&[(0, offset)])));
            assert!(route.readers[0].offer_pending());
        }
        assert_eq!(receiver.try_recv().unwrap(), Delivery::Gap { partition: 0, next_offset: 10, lost: 7 });
        assert!(!route.is_stalled());
        drop(receiver);
        assert!(!route.readers[0].offer_pending());
    }

    fn route(ends: Vec<i64>) -> (Route, mpsc::Receiver<Delivery>) {
        let (sender, receiver) = mpsc::channel(8);
        (Route::new(TopicId::for_test(), ends.clone(), Reader::new(sender, ends)), receiver)
    }

    fn batch(records: &[(i32, i64)]) -> Batch {
        let record = |(partition, offset): &(i32, i64)| Record {
            partition: *partition,
            offset: *offset,
            timestamp_ms: None,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        Batch { records: records.iter().map(record).collect() }
    }
}

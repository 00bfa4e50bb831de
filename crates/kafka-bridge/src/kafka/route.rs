//! `Route`: where a followed topic's records go, and the offset each partition is read up to.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::lookup::TopicId;
use super::replay::Replays;
use super::watch::Missing;
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
    pub(super) missing: Missing,
}

/// One read of the topic.
#[derive(Debug)]
pub(super) struct Reader {
    sender: mpsc::Sender<Delivery>,
    /// By partition: the end when it joined; what lies before is not for it.
    from: Vec<i64>,
    /// What did not fit into its queue. Grows no further than what was polled before the topic was paused.
    pending: VecDeque<Delivery>,
    /// By partition, for one that may go back: offset behind what went into its queue.
    sent: Vec<i64>,
    manners: Manners,
    /// Tells it from others of the topic, where that matters.
    pub(super) number: u64,
}

/// What becomes of a read whose reader is slow.
#[derive(Debug)]
pub(super) enum Manners {
    /// The topic is paused for all.
    Waits,
    /// It is to take over from a replay, which goes on if it cannot.
    GivesUp,
    /// It came from a replay, and goes back to one.
    GoesBack(Arc<Replays>),
}

impl Route {
    pub(super) fn new(id: TopicId, ends: Vec<i64>, reader: Reader) -> Self {
        Self { id, next: ends, readers: vec![reader], paused: false, missing: Missing::default() }
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
            if let Some(from) = reader.from.get_mut(partition) {
                *from = (*from).min(next_offset);
            }
        }
        self.tell(&Delivery::Gap { partition: partition as i32, next_offset, lost });
    }

    /// Takes in partitions that were made since, empty: read from their first record on.
    pub(super) fn grow(&mut self, partitions: usize) {
        self.next.resize(partitions, 0);
        for reader in &mut self.readers {
            reader.from.resize(partitions, 0);
            reader.sent.resize(partitions, 0);
        }
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.readers.iter().any(|reader| matches!(reader.manners, Manners::Waits) && reader.is_pending())
    }

    /// Whether a reader has room soon, as it seems.
    pub(super) fn has_pending(&self) -> bool {
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
    pub(super) fn new(sender: mpsc::Sender<Delivery>, from: Vec<i64>, manners: Manners) -> Self {
        Self { sender, sent: from.clone(), from, pending: VecDeque::new(), manners, number: 0 }
    }

    /// Goes on in the queue of a replay, with all that it has put into its own, `queued`.
    pub(super) fn take_over(
        &mut self,
        mut queued: mpsc::Receiver<Delivery>,
        sender: mpsc::Sender<Delivery>,
        back: Arc<Replays>,
    ) {
        let mut waiting = VecDeque::new();
        while let Ok(delivery) = queued.try_recv() {
            waiting.push_back(delivery);
        }
        waiting.append(&mut self.pending);
        (self.sender, self.pending, self.manners) = (sender, waiting, Manners::GoesBack(back));
        self.offer_pending();
    }

    /// Whether it is so slow that it must go, as it holds up nobody.
    pub(super) fn is_behind(&self) -> bool {
        !matches!(self.manners, Manners::Waits) && self.pending.len() > MAX_BEHIND
    }

    /// One that goes: what waits for it is read again from where it goes on.
    pub(super) fn leaving(mut self) -> Self {
        self.pending = VecDeque::new();
        self
    }

    /// Where one goes back to that is there still.
    pub(super) fn back(&self) -> Option<&Arc<Replays>> {
        match &self.manners {
            Manners::GoesBack(replays) if !self.sender.is_closed() => Some(replays),
            _ => None,
        }
    }

    /// What one that goes back is to be given where: by partition, from the first offset that it was not.
    pub(super) fn rest(self) -> Option<(Arc<Replays>, mpsc::Sender<Delivery>, Vec<i64>)> {
        match self.manners {
            Manners::GoesBack(replays) => Some((replays, self.sender, self.sent)),
            Manners::Waits | Manners::GivesUp => None,
        }
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
            let ends = if matches!(self.manners, Manners::GoesBack(_)) { ends_of(&delivery) } else { Vec::new() };
            match self.sender.try_send(delivery) {
                Ok(()) => self.note_sent(ends),
                Err(mpsc::error::TrySendError::Full(delivery)) => {
                    self.pending.push_front(delivery);
                    return true;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return false,
            }
        }
        !self.sender.is_closed()
    }

    /// A partition that it does not know ends no thread: the one that is here reads for all.
    fn note_sent(&mut self, ends: Vec<(usize, i64)>) {
        for (partition, next) in ends {
            if let Some(sent) = self.sent.get_mut(partition) {
                *sent = next;
            }
        }
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

/// Partitions of a delivery, and the offsets behind what it brings of them.
fn ends_of(delivery: &Delivery) -> Vec<(usize, i64)> {
    match delivery {
        Delivery::Batch(batch) => {
            batch.records.iter().map(|record| (record.partition as usize, record.offset + 1)).collect()
        }
        Delivery::Gap { partition, next_offset, .. } => vec![(*partition as usize, *next_offset)],
        Delivery::CaughtUp { .. } | Delivery::Unreadable { .. } | Delivery::TopicGone => Vec::new(),
    }
}

/// Deliveries that may wait for a read that holds up nobody.
const MAX_BEHIND: usize = 64;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::Record;

    #[test]
    fn a_second_reader_gets_only_what_came_after_it_joined() {
        let (mut route, mut first) = route(vec![5, 0]);
        let (sender, mut second) = mpsc::channel(8);
        route.readers.push(Reader::new(sender, vec![7, 0], Manners::Waits));
        assert_eq!(route.hand_over(batch(&[(0, 5), (0, 6), (0, 7), (1, 0)])), 4);
        assert_eq!(first.try_recv().unwrap(), Delivery::Batch(batch(&[(0, 5), (0, 6), (0, 7), (1, 0)])));
        assert_eq!(second.try_recv().unwrap(), Delivery::Batch(batch(&[(0, 7), (1, 0)])));
    }

    #[test]
    fn a_partition_that_a_reader_does_not_know_ends_no_thread() {
        let (mut route, _first) = route(vec![0, 0]);
        let (sender, queued) = mpsc::channel(1);
        let mut reader = Reader::new(sender, vec![0], Manners::GivesUp);
        let (sender, mut receiver) = mpsc::channel(2);
        let mut config = rdkafka::ClientConfig::new();
        config.set("group.id", "test");
        reader.take_over(queued, sender, Replays::for_test(config, Metrics::default()));
        route.readers.push(reader);
        route.hand_over(batch(&[(1, 0)]));
        route.jump(1, 5, 4);
        assert_eq!(receiver.try_recv().unwrap(), Delivery::Batch(batch(&[(1, 0)])));
        assert_eq!(receiver.try_recv().unwrap(), Delivery::Gap { partition: 1, next_offset: 5, lost: 4 });
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
        let mut route = Route::new(TopicId::for_test(), vec![0], Reader::new(sender, vec![0], Manners::Waits));
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

    #[test]
    fn one_that_takes_over_holds_up_nobody_and_goes_when_it_is_behind() {
        let (mut route, mut first) = route(vec![0]);
        let (sender, queued) = mpsc::channel(2);
        route.readers.push(Reader::new(sender, vec![0], Manners::GivesUp));
        for offset in 0..4 {
            route.hand_over(batch(&[(0, offset)]));
            first.try_recv().unwrap();
        }
        assert!(!route.is_stalled() && !route.readers[1].is_behind(), "two in its queue, two behind");
        let (sender, mut receiver) = mpsc::channel(1);
        let mut config = rdkafka::ClientConfig::new();
        config.set("group.id", "test");
        route.readers[1].take_over(queued, sender, Replays::for_test(config, Metrics::default()));
        for offset in 0..2 {
            assert_eq!(receiver.try_recv().unwrap(), Delivery::Batch(batch(&[(0, offset)])));
            assert!(route.readers[1].offer_pending());
        }
        for offset in 4..100 {
            route.hand_over(batch(&[(0, offset)]));
            first.try_recv().unwrap();
        }
        assert!(!route.is_stalled() && route.readers[1].is_behind());
        let (_, _, rest) = route.readers.pop().unwrap().rest().unwrap();
        assert_eq!(rest, [3], "0 and 1 were taken, 2 is in its queue");
    }

    fn route(ends: Vec<i64>) -> (Route, mpsc::Receiver<Delivery>) {
        let (sender, receiver) = mpsc::channel(8);
        (Route::new(TopicId::for_test(), ends.clone(), Reader::new(sender, ends, Manners::Waits)), receiver)
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

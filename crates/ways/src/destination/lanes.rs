//! `Lanes`: messages that wait to be sent, so that of each stream one is under way at most, in order. A value.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// A message and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) stream_id: Arc<str>,
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Of those of one record, from 0.
    pub(super) number: usize,
    /// JSON, as the hub's callback has it.
    pub(super) message: Arc<str>,
    /// When it was first refused.
    pub(super) refused: Option<Instant>,
}

/// Streams take turns.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<Arc<str>, VecDeque<Job>>,
    /// Streams that have a message waiting and none under way.
    ready: VecDeque<Arc<str>>,
    waiting: usize,
    bytes: usize,
}

impl Job {
    /// What receivers know it by: the same whenever it is sent, and no other's.
    pub(super) fn id(&self, topic: &str) -> String {
        let Self { partition, offset, number, .. } = self;
        match number {
            0 => format!("{topic}-{partition}-{offset}"),
            number => format!("{topic}-{partition}-{offset}-{number}"),
        }
    }
}

impl Lanes {
    /// Whether more may be read.
    pub(super) fn have_room(&self) -> bool {
        self.waiting < MAX_WAITING && self.bytes < MAX_BYTES
    }

    /// Messages that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Behind the others of its stream.
    pub(super) fn push(&mut self, job: Job) {
        self.count(&job);
        match self.lanes.get_mut(&job.stream_id) {
            Some(lane) => lane.push_back(job),
            None => {
                self.ready.push_back(job.stream_id.clone());
                self.lanes.insert(job.stream_id.clone(), VecDeque::from([job]));
            }
        }
    }

    /// The next to send; its stream stands still until it is [done](Self::done) or [again](Self::again).
    pub(super) fn take(&mut self) -> Option<Job> {
        let stream_id = self.ready.pop_front()?;
        let job = self.lanes.get_mut(&stream_id)?.pop_front()?;
        self.waiting -= 1;
        self.bytes -= job.message.len();
        Some(job)
    }

    /// What was taken of this stream needs nothing more.
    pub(super) fn done(&mut self, stream_id: &Arc<str>) {
        match self.lanes.get(stream_id).map(VecDeque::is_empty) {
            Some(false) => self.ready.push_back(stream_id.clone()),
            Some(true) => _ = self.lanes.remove(stream_id),
            None => {}
        }
    }

    /// What was taken is the next of its stream again, after other streams have had their turn.
    pub(super) fn again(&mut self, job: Job) {
        self.count(&job);
        self.ready.push_back(job.stream_id.clone());
        self.lanes.entry(job.stream_id.clone()).or_default().push_front(job);
    }

    fn count(&mut self, job: &Job) {
        self.waiting += 1;
        self.bytes += job.message.len();
    }
}

const MAX_WAITING: usize = 1_000;
const MAX_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn job(stream_id: &str, offset: i64) -> Job {
        let message = "x".repeat(10).into();
        Job { stream_id: stream_id.into(), partition: 0, offset, number: 0, message, refused: None }
    }

    #[test]
    fn of_each_stream_one_is_under_way_in_order_and_streams_take_turns() {
        let mut lanes = Lanes::default();
        for (stream, offset) in [("a", 0), ("a", 1), ("b", 2), ("a", 3)] {
            lanes.push(job(stream, offset));
        }
        let (first, second) = (lanes.take().unwrap(), lanes.take().unwrap());
        assert_eq!((first.offset, second.offset), (0, 2));
        assert_eq!(lanes.take(), None, "both streams have one under way");
        lanes.again(first);
        let first = lanes.take().unwrap();
        assert_eq!(first.offset, 0, "tried again before what comes after it");
        lanes.done(&second.stream_id);
        lanes.push(job("b", 4));
        lanes.done(&first.stream_id);
        let rest = std::iter::from_fn(|| {
            let job = lanes.take()?;
            lanes.done(&job.stream_id);
            Some(job.offset)
        });
        let rest: Vec<_> = rest.collect();
        assert_eq!(rest, [4, 1, 3]);
        assert_eq!((lanes.waiting, lanes.bytes, lanes.lanes.len()), (0, 0, 0), "nothing is left of streams");
    }

    #[test]
    fn a_stream_whose_message_is_refused_lets_the_others_go_first() {
        let mut lanes = Lanes::default();
        for (stream, offset) in [("bad", 0), ("bad", 1), ("b", 2), ("c", 3)] {
            lanes.push(job(stream, offset));
        }
        let mut sent = Vec::new();
        for _ in 0..5 {
            let job = lanes.take().unwrap();
            sent.push(job.offset);
            if &*job.stream_id == "bad" {
                lanes.again(job)
            } else {
                lanes.push(Job { offset: 7, ..job.clone() });
                lanes.done(&job.stream_id)
            }
        }
        assert_eq!(sent, [0, 2, 3, 0, 7], "again and again the same of its stream, and never twice in a row");
    }

    #[test]
    fn what_waits_is_bounded_by_number_and_bytes() {
        let mut lanes = Lanes::default();
        for offset in 0..MAX_WAITING as i64 {
            assert!(lanes.have_room());
            lanes.push(job("a", offset));
        }
        assert!(!lanes.have_room());
        lanes.take().unwrap();
        assert!(lanes.have_room());
        let mut lanes = Lanes::default();
        lanes.push(Job { message: "x".repeat(MAX_BYTES).into(), ..job("a", 0) });
        assert!(!lanes.have_room());
    }

    #[test]
    fn every_message_has_a_name_of_its_own() {
        let second = Job { number: 1, ..job("a", 7) };
        assert_eq!([job("a", 7).id("t"), second.id("t")], ["t-0-7", "t-0-7-1"]);
    }
}

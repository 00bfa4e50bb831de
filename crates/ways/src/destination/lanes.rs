//! `Lanes`: messages that wait to be sent, so that of each stream one is under way at most, in order. A value.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::job::{Job, Unwelcome};

/// Streams take turns.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<Arc<str>, VecDeque<Job>>,
    /// Streams that have a message waiting and none under way.
    ready: VecDeque<Arc<str>>,
    /// Others, and until when their messages are not tried.
    resting: BinaryHeap<Reverse<(Instant, Arc<str>)>>,
    waiting: usize,
    bytes: usize,
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

    /// The next to send; its stream stands still until it is [done](Self::done), [again](Self::again) or [rests](Self::rest).
    pub(super) fn take(&mut self, now: Instant) -> Option<Job> {
        while self.resting.peek().is_some_and(|Reverse((until, _))| *until <= now) {
            self.ready.extend(self.resting.pop().map(|Reverse((_, stream_id))| stream_id));
        }
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

    /// What was taken is the next of its stream again, but not before a time; other streams go on.
    pub(super) fn rest(&mut self, job: Job, until: Instant) {
        self.count(&job);
        self.resting.push(Reverse((until, job.stream_id.clone())));
        self.lanes.entry(job.stream_id.clone()).or_default().push_front(job);
    }

    /// Whether messages wait, and none of them may be taken, all streams that have one resting.
    pub(super) fn all_rest(&self) -> bool {
        self.ready.is_empty() && !self.resting.is_empty()
    }

    /// Whatever rests may be taken now.
    pub(super) fn wake(&mut self) {
        self.ready.extend(self.resting.drain().map(|Reverse((_, stream_id))| stream_id));
    }

    /// Of the message behind the one that was taken of this stream, if there is one, as much is known.
    pub(super) fn pass_on(&mut self, stream_id: &Arc<str>, unwelcome: Unwelcome) {
        if let Some(next) = self.lanes.get_mut(stream_id).and_then(VecDeque::front_mut) {
            next.unwelcome = Some(unwelcome);
        }
    }

    /// When the next of those that rest may be taken, if that is to come yet.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.resting.peek().map(|Reverse((until, _))| *until).filter(|until| *until > now)
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
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn job(stream_id: &str, offset: i64) -> Job {
        Job::new(stream_id.into(), (0, offset, 0), "x".repeat(10).into(), None)
    }

    #[test]
    fn of_each_stream_one_is_under_way_in_order_and_streams_take_turns() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        for (stream, offset) in [("a", 0), ("a", 1), ("b", 2), ("a", 3)] {
            lanes.push(job(stream, offset));
        }
        let (first, second) = (lanes.take(now).unwrap(), lanes.take(now).unwrap());
        assert_eq!((first.offset, second.offset), (0, 2));
        assert_eq!(lanes.take(now), None, "both streams have one under way");
        lanes.again(first);
        let first = lanes.take(now).unwrap();
        assert_eq!(first.offset, 0, "tried again before what comes after it");
        lanes.done(&second.stream_id);
        lanes.push(job("b", 4));
        lanes.done(&first.stream_id);
        let rest = std::iter::from_fn(|| {
            let job = lanes.take(now)?;
            lanes.done(&job.stream_id);
            Some(job.offset)
        });
        let rest: Vec<_> = rest.collect();
        assert_eq!(rest, [4, 1, 3]);
        assert_eq!((lanes.waiting, lanes.bytes, lanes.lanes.len()), (0, 0, 0), "nothing is left of streams");
    }

    #[test]
    fn a_stream_whose_message_is_refused_lets_the_others_go_first() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        for (stream, offset) in [("bad", 0), ("bad", 1), ("b", 2), ("c", 3)] {
            lanes.push(job(stream, offset));
        }
        let mut sent = Vec::new();
        for _ in 0..5 {
            let job = lanes.take(now).unwrap();
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
    fn a_stream_rests_alone_and_in_order_until_its_time() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        for (stream, offset) in [("bad", 0), ("bad", 1), ("b", 2)] {
            lanes.push(job(stream, offset));
        }
        let bad = lanes.take(now).unwrap();
        let until = now + SECOND;
        lanes.rest(bad, until);
        assert_eq!(lanes.take(now).map(|job| job.offset), Some(2), "others go on");
        lanes.push(job("bad", 3));
        assert_eq!((lanes.take(now), lanes.next(now)), (None, Some(until)));
        assert_eq!(lanes.take(until - Duration::from_millis(1)), None);
        let mut rest = Vec::new();
        while let Some(job) = lanes.take(until) {
            rest.push(job.offset);
            lanes.done(&job.stream_id);
        }
        assert_eq!((rest, lanes.next(until)), (vec![0, 1, 3], None), "a stream is never ready twice");
    }

    /// Whoever sleeps until `next` after nothing could be taken finds something then, and no sooner.
    #[test]
    fn what_rests_wakes_whoever_waits_for_it() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        for (stream, rest) in [("a", 3), ("b", 1), ("c", 2)] {
            lanes.push(job(stream, rest));
            let job = lanes.take(now).unwrap();
            lanes.rest(job, now + rest as u32 * SECOND);
        }
        let (mut at, mut came) = (now, Vec::new());
        while let Some(next) = lanes.next(at) {
            assert!(next > at);
            at = next;
            came.extend(lanes.take(at).map(|job| job.offset));
        }
        assert_eq!(came, [1, 2, 3]);
    }

    #[test]
    fn what_rests_can_be_woken_and_what_is_behind_a_message_can_be_told_of_it() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        for (stream, offset) in [("a", 0), ("a", 1), ("b", 2)] {
            lanes.push(job(stream, offset));
        }
        let (first, other) = (lanes.take(now).unwrap(), lanes.take(now).unwrap());
        lanes.rest(first, now + SECOND);
        lanes.again(other);
        assert!(!lanes.all_rest());
        let other = lanes.take(now).unwrap();
        lanes.rest(other, now + 2 * SECOND);
        assert!(lanes.all_rest());
        lanes.wake();
        assert!(!lanes.all_rest());
        let unwelcome = Unwelcome { since: now, tries: 3 };
        let mut taken = Vec::new();
        while let Some(job) = lanes.take(now) {
            lanes.pass_on(&job.stream_id, unwelcome);
            lanes.done(&job.stream_id);
            taken.push((job.offset, job.unwelcome));
        }
        taken.sort_by_key(|(offset, _)| *offset);
        assert_eq!((taken, lanes.next(now)), (vec![(0, None), (1, Some(unwelcome)), (2, None)], None));
    }

    #[test]
    fn what_waits_is_bounded_by_number_and_bytes() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        for offset in 0..MAX_WAITING as i64 {
            assert!(lanes.have_room());
            lanes.push(job("a", offset));
        }
        assert!(!lanes.have_room());
        lanes.take(now).unwrap();
        assert!(lanes.have_room());
        let mut lanes = Lanes::default();
        lanes.push(Job { message: "x".repeat(MAX_BYTES).into(), ..job("a", 0) });
        assert!(!lanes.have_room());
    }
}

//! `Lanes`: messages that wait to be sent, so that of each stream one is under way at most, in order. A value.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    /// When its record was written, in milliseconds since 1970, as far as that is known.
    pub(super) written_ms: Option<i64>,
    /// When it was first refused, since it was read.
    pub(super) refused: Option<Instant>,
    /// How often.
    pub(super) refusals: u32,
}

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

impl Job {
    /// It was refused at a time. Whether it was tried long enough: `retry_for` since it was written, though the server was
    /// started anew meanwhile; and since it was read for so long too, or for [`AT_LEAST`], for the receiver may have been as
    /// long away as the server.
    pub(super) fn refuse(&mut self, retry_for: Duration, now: Instant, now_ms: i64) -> bool {
        self.refusals = self.refusals.saturating_add(1);
        let tried = now.saturating_duration_since(*self.refused.get_or_insert(now));
        let age = self.written_ms.map_or(0, |written| now_ms.saturating_sub(written).max(0).unsigned_abs());
        tried.max(Duration::from_millis(age)) >= retry_for && tried >= retry_for.min(AT_LEAST)
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

    /// When the next of those that rest may be taken, if that is to come yet.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.resting.peek().map(|Reverse((until, _))| *until).filter(|until| *until > now)
    }

    fn count(&mut self, job: &Job) {
        self.waiting += 1;
        self.bytes += job.message.len();
    }
}

/// Unless `retry_for` is shorter.
const AT_LEAST: Duration = Duration::from_secs(600);
const MAX_WAITING: usize = 1_000;
const MAX_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOW_MS: i64 = 1_800_000_000_000;

    fn job(stream_id: &str, offset: i64) -> Job {
        let message = "x".repeat(10).into();
        Job {
            stream_id: stream_id.into(),
            partition: 0,
            offset,
            number: 0,
            message,
            written_ms: None,
            refused: None,
            refusals: 0,
        }
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
    fn a_message_is_tried_for_so_long_since_it_was_written_whenever_the_server_was_started() {
        let (start, hour) = (Instant::now(), 3600 * SECOND);
        let is_given_up = |age: Duration, tried: Duration, retry_for: Duration| {
            let written_ms = Some(NOW_MS - age.as_millis() as i64);
            let mut job = Job { written_ms, refused: Some(start), ..job("a", 0) };
            job.refuse(retry_for, start + tried, NOW_MS)
        };
        for (age, tried, retry_for, expected) in [
            (23 * hour, 23 * hour, 24 * hour, false),
            (24 * hour, 24 * hour, 24 * hour, true),
            (24 * hour, AT_LEAST, 24 * hour, true),
            (24 * hour, AT_LEAST - SECOND, 24 * hour, false),
            (Duration::ZERO, AT_LEAST, 24 * hour, false),
            (5 * SECOND, 5 * SECOND, 5 * SECOND, true),
            (hour, 4 * SECOND, 5 * SECOND, false),
            (Duration::ZERO, Duration::ZERO, Duration::ZERO, true),
        ] {
            assert_eq!(is_given_up(age, tried, retry_for), expected, "{age:?} old, tried for {tried:?}");
        }
        let mut unknown = job("a", 0);
        assert!(!unknown.refuse(hour, start, NOW_MS) && unknown.refuse(hour, start + hour, NOW_MS));
        assert_eq!(unknown.refusals, 2);
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

    #[test]
    fn every_message_has_a_name_of_its_own() {
        let second = Job { number: 1, ..job("a", 7) };
        assert_eq!([job("a", 7).id("t"), second.id("t")], ["t-0-7", "t-0-7-1"]);
    }
}

//! `Receiver`: what is known of the other end, whatever becomes of a reading. A value.

use std::collections::BTreeSet;
use std::time::Instant;

use super::circuit::Circuit;
use super::job::Job;
use super::pace::Pace;
use crate::units::Rate;

/// Whether, and when, a message may be sent.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) circuit: Circuit,
    pub(super) pace: Pace,
    /// It wants nothing more.
    pub(super) paused: bool,
    /// When the last request was begun that was taken.
    took: Option<Instant>,
    /// Partition, offset and number of messages that were not welcome, since one was taken: up to [`MANY`].
    unwelcome: BTreeSet<(i32, i64, usize)>,
}

impl Receiver {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self {
            circuit: Circuit::default(),
            pace: Pace::new(rate),
            paused: false,
            took: None,
            unwelcome: BTreeSet::new(),
        }
    }

    /// Whether a message may be sent now, while so many are under way.
    pub(super) fn lets_through(&self, now: Instant, under_way: usize) -> bool {
        !self.paused && self.circuit.lets_through(now, under_way) && self.pace.next().is_none_or(|next| next <= now)
    }

    /// When one may that may not now, if it is for time alone to pass.
    pub(super) fn next(&self, now: Instant, under_way: usize) -> Option<Instant> {
        let next = self.circuit.next(now, under_way).max(self.pace.next());
        next.filter(|next| !self.paused && *next > now)
    }

    /// A message was taken whose request was begun then.
    pub(super) fn took(&mut self, begun: Instant) {
        self.circuit.succeeded(begun);
        self.took = self.took.max(Some(begun));
        self.unwelcome.clear();
    }

    /// Whether a message was taken whose request was begun after that.
    pub(super) fn has_taken_since(&self, at: Instant) -> bool {
        self.took.is_some_and(|took| took > at)
    }

    /// A message was not, and may speak for others.
    pub(super) fn was_unwelcome(&mut self, job: &Job) {
        if self.unwelcome.len() < MANY {
            self.unwelcome.insert((job.partition, job.offset, job.number));
        }
    }

    /// Whether so many messages in a row were not that it is not for what they are.
    pub(super) fn welcomes_nothing(&self) -> bool {
        self.unwelcome.len() >= MANY
    }
}

const MANY: usize = 3;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whoever finds nothing to send at one moment and sleeps until `next` by the same moment may send then: no wake-up is
    /// lost, and none comes at once.
    #[test]
    fn what_may_not_be_sent_now_may_be_at_the_time_that_it_names() {
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        let rate = Rate { times: 1, per: 2 * second };
        for (rate, has_failed, asks, has_sent) in [
            (None, false, None, false),
            (None, true, None, false),
            (None, true, Some(7 * second), false),
            (Some(rate), false, None, true),
            (Some(rate), true, None, true),
            (Some(rate), true, Some(second), true),
        ] {
            let mut receiver = Receiver::new(rate);
            if has_sent {
                receiver.pace.count(begun);
            }
            if has_failed {
                receiver.circuit.failed(begun, asks, begun, 0.0);
            }
            for half_seconds in 0..20 {
                let now = begun + half_seconds * second / 2;
                match receiver.next(now, 0) {
                    Some(next) => {
                        assert!(next > now && !receiver.lets_through(now, 0));
                        assert!(receiver.lets_through(next, 0), "{rate:?} {has_failed} {asks:?} at {half_seconds}");
                    }
                    None => assert!(receiver.lets_through(now, 0), "{rate:?} {has_failed} {asks:?} at {half_seconds}"),
                }
            }
        }
        let paused = Receiver { paused: true, ..Receiver::new(None) };
        assert!(!paused.lets_through(begun, 0) && paused.next(begun, 0).is_none());
    }
}

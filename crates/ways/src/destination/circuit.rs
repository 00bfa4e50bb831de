//! `Circuit`: whether a receiver is to be tried. A value: the time and chance come in as arguments.

use std::time::{Duration, Instant};

/// Closed while the receiver takes what it is sent. After a failure it is left alone for a second, twice as long after each
/// further one up to five minutes, then one message is tried, and if that is taken all go on. For as long as it asks to be left alone it is, whatever else it takes.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    open: Option<Open>,
    /// It has asked to be left alone until then.
    asked: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    since: Instant,
    until: Instant,
}

impl Circuit {
    /// Whether a message may be sent now, while so many are under way.
    pub(super) fn lets_through(&self, now: Instant, under_way: usize) -> bool {
        let is_its_turn = self.open.is_none_or(|open| now >= open.until && under_way == 0);
        is_its_turn && self.asked.is_none_or(|until| now >= until)
    }

    /// When a message may be sent that may not be now; `None` if one may, or it takes an answer to what is under way.
    pub(super) fn next(&self, now: Instant, under_way: usize) -> Option<Instant> {
        if self.open.is_some() && under_way > 0 {
            return None;
        }
        let until = self.open.map(|open| open.until).max(self.asked);
        until.filter(|until| *until > now)
    }

    /// A request that was begun at `begun` was answered well; if a failure has come since, that is the later word.
    pub(super) fn succeeded(&mut self, begun: Instant) {
        if self.open.is_none_or(|open| begun >= open.since) {
            (self.failures, self.open) = (0, None);
        }
    }

    /// A request that was begun at `begun` has failed. Of several that were under way together one counts.
    pub(super) fn failed(&mut self, begun: Instant, retry_after: Option<Duration>, now: Instant, chance: f64) {
        if self.open.is_none_or(|open| begun >= open.since) {
            self.failures = self.failures.saturating_add(1);
        }
        let until = now + pause(self.failures, chance);
        let until = self.open.map_or(until, |open| open.until.max(until));
        self.open = Some(Open { since: now, until });
        self.asked = self.asked.max(retry_after.and_then(|wait| now.checked_add(wait)));
    }
}

/// After so many failures, the first included.
pub(super) fn pause(failures: u32, chance: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(LONGEST);
    doubled.mul_f64(1.0 + JITTER * chance)
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(5 * 60);
const JITTER: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_is_left_alone_longer_each_time_until_it_takes_something() {
        let (mut circuit, mut now) = (Circuit::default(), Instant::now());
        assert!(circuit.lets_through(now, 7));
        let mut waits = Vec::new();
        for _ in 0..11 {
            circuit.failed(now, None, now, 0.0);
            let next = circuit.next(now, 0).unwrap();
            waits.push((next - now).as_secs());
            assert!(!circuit.lets_through(now, 0));
            assert_eq!(circuit.next(now, 1), None, "an answer comes first");
            now = next;
            assert!(circuit.lets_through(now, 0) && !circuit.lets_through(now, 1), "one is tried");
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        circuit.succeeded(now);
        assert!(circuit.lets_through(now, 7) && circuit.next(now, 0).is_none());
        circuit.failed(now, None, now, 1.0);
        assert_eq!(circuit.next(now, 0).unwrap() - now, SECOND.mul_f64(1.5), "from the beginning, later by chance");
    }

    #[test]
    fn failures_of_one_moment_count_once_and_the_longest_wish_holds() {
        let (mut circuit, begun) = (Circuit::default(), Instant::now());
        let now = begun + SECOND;
        circuit.failed(begun, Some(60 * SECOND), now, 0.0);
        for _ in 0..7 {
            circuit.failed(begun, None, now + SECOND, 0.0);
        }
        assert_eq!(circuit.next(now, 0), Some(now + 60 * SECOND));
        let later = now + 60 * SECOND;
        circuit.failed(later, None, later, 0.0);
        assert_eq!(circuit.next(later, 0), Some(later + 2 * SECOND), "the second failure, not the ninth");
    }

    #[test]
    fn what_was_begun_before_a_failure_says_nothing_after_it() {
        let (mut circuit, begun) = (Circuit::default(), Instant::now());
        let now = begun + SECOND;
        circuit.failed(begun, None, now, 0.0);
        circuit.succeeded(begun);
        assert_eq!(circuit.next(now, 0), Some(now + SECOND));
        circuit.succeeded(now);
        assert!(circuit.lets_through(now, 7));
    }

    #[test]
    fn a_wish_to_be_left_alone_outlasts_successes() {
        let (mut circuit, now) = (Circuit::default(), Instant::now());
        circuit.failed(now, Some(60 * SECOND), now, 0.0);
        circuit.succeeded(now + SECOND);
        assert!(!circuit.lets_through(now + 59 * SECOND, 0) && circuit.lets_through(now + 60 * SECOND, 7));
        assert_eq!(circuit.next(now + SECOND, 7), Some(now + 60 * SECOND));
    }
}

//! `Circuit`: whether a receiver is to be tried. A value: the time and chance come in as arguments.

use std::time::{Duration, Instant};

/// Closed while the receiver takes what it is sent. After a failure it is left alone for a second, twice as long after each
/// further one up to five minutes, or as long as it asks for; then one message is tried, and if that is taken all go on.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    since: Instant,
    until: Instant,
}

impl Circuit {
    /// Whether a message may be sent now, while so many are under way.
    pub(super) fn lets_through(&self, now: Instant, under_way: usize) -> bool {
        self.open.is_none_or(|open| now >= open.until && under_way == 0)
    }

    /// When it is tried again, if it is left alone.
    pub(super) fn next(&self) -> Option<Instant> {
        self.open.map(|open| open.until)
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// A request that was begun at `begun` has failed. Of several that were under way together one counts.
    pub(super) fn failed(&mut self, begun: Instant, retry_after: Option<Duration>, now: Instant, chance: f64) {
        if self.open.is_none_or(|open| begun >= open.since) {
            self.failures = self.failures.saturating_add(1);
        }
        let doubled = FIRST.saturating_mul(1 << (self.failures - 1).min(20)).min(LONGEST);
        let wait = doubled.mul_f64(1.0 + JITTER * chance).max(retry_after.unwrap_or_default());
        let until = self.open.map_or(now + wait, |open| open.until.max(now + wait));
        self.open = Some(Open { since: now, until });
    }
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
            waits.push((circuit.next().unwrap() - now).as_secs());
            assert!(!circuit.lets_through(now, 0));
            now = circuit.next().unwrap();
            assert!(circuit.lets_through(now, 0) && !circuit.lets_through(now, 1), "one is tried");
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        circuit.succeeded();
        assert!(circuit.lets_through(now, 7) && circuit.next().is_none());
        circuit.failed(now, None, now, 1.0);
        assert_eq!(circuit.next().unwrap() - now, SECOND.mul_f64(1.5), "from the beginning, later by chance");
    }

    #[test]
    fn failures_of_one_moment_count_once_and_the_longest_wish_holds() {
        let (mut circuit, begun) = (Circuit::default(), Instant::now());
        let now = begun + SECOND;
        circuit.failed(begun, Some(60 * SECOND), now, 0.0);
        for _ in 0..7 {
            circuit.failed(begun, None, now + SECOND, 0.0);
        }
        assert_eq!(circuit.next(), Some(now + 60 * SECOND));
        let later = now + 60 * SECOND;
        circuit.failed(later, None, later, 0.0);
        assert_eq!(circuit.next(), Some(later + 2 * SECOND), "the second failure, not the ninth");
    }
}

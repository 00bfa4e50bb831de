//! `Timetable`: when a source is asked next. A value: the time and chance come in as arguments.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::cron::Cron;
use crate::units::Span;

/// When a source is to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// Again and again, from one beginning to the next.
    Every(Span),
    /// At the times of a pattern, in UTC.
    Cron(Cron),
}

/// Says how long to wait. After failures it waits longer each time, twice as long up to a quarter of an hour, unless the
/// source itself says how long.
#[derive(Debug)]
pub struct Timetable {
    interval: Interval,
    failures: u32,
}

/// How a poll went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    Well,
    Wrong { retry_after: Option<Duration> },
}

impl Timetable {
    /// Of a source that has not been asked.
    pub fn new(interval: Interval) -> Self {
        Self { interval, failures: 0 }
    }

    /// How long to wait before the first poll: sources with an interval begin somewhere within a second, so that many do not
    /// begin at once. `chance` is from 0 up to 1.
    pub(super) fn first(&self, now: SystemTime, chance: f64) -> Duration {
        match &self.interval {
            Interval::Every(_) => SHORTEST.mul_f64(chance),
            Interval::Cron(_) => self.regular(Duration::ZERO, now, chance),
        }
    }

    /// How long to wait after a poll that took `took` and ended `now`.
    pub(super) fn next(&mut self, went: Went, took: Duration, now: SystemTime, chance: f64) -> Duration {
        let Went::Wrong { retry_after } = went else {
            self.failures = 0;
            return self.regular(took, now, chance);
        };
        let doubled = SHORTEST.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        let patience = doubled.min(LONGEST_PATIENCE).mul_f64(1.0 + JITTER * chance);
        // A source that is asked seldom is not asked more often because it fails.
        let every = if let Interval::Every(Span(every)) = self.interval { every } else { Duration::ZERO };
        patience.max(retry_after.unwrap_or_default()).max(every.min(LONGEST_PATIENCE)).max(SHORTEST)
    }

    fn regular(&self, took: Duration, now: SystemTime, chance: f64) -> Duration {
        match &self.interval {
            Interval::Every(Span(every)) => {
                every.mul_f64(1.0 + JITTER * (2.0 * chance - 1.0)).saturating_sub(took).max(SHORTEST)
            }
            // A time that never comes is asked for again tomorrow.
            Interval::Cron(cron) => {
                let next = cron.until_next(now).unwrap_or(Duration::from_secs(24 * 3600));
                let after = cron.until_next(now + next).unwrap_or(next);
                next.max(SHORTEST) + after.min(LONGEST_LATENESS).mul_f64(JITTER * chance)
            }
        }
    }
}

/// One way or the other.
const JITTER: f64 = 0.1;
/// Between two polls of a source. Source: the server's limits for outgoing requests.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST_PATIENCE: Duration = Duration::from_secs(15 * 60);
/// A pattern's times are kept to a tenth of it.
const LONGEST_LATENESS: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn every(text: &str) -> Timetable {
        Timetable::new(Interval::Every(toml::Value::from(text).try_into().unwrap()))
    }

    #[test]
    fn an_interval_is_kept_from_beginning_to_beginning_a_tenth_more_or_less() {
        let (mut table, now) = (every("10s"), SystemTime::UNIX_EPOCH);
        for (took, chance, wait) in
            [(0.0, 0.5, 10.0), (0.0, 0.0, 9.0), (0.0, 1.0, 11.0), (3.0, 0.5, 7.0), (9.9, 0.5, 1.0), (60.0, 0.5, 1.0)]
        {
            assert_eq!(table.next(Went::Well, seconds(took), now, chance), seconds(wait), "{took} {chance}");
        }
        assert_eq!((table.first(now, 0.0), table.first(now, 0.5)), (Duration::ZERO, seconds(0.5)));
    }

    #[test]
    fn failures_make_it_wait_longer_until_one_poll_goes_well() {
        let (mut table, now, wrong) = (every("2s"), SystemTime::UNIX_EPOCH, Went::Wrong { retry_after: None });
        let waits: Vec<_> = (0..12).map(|_| table.next(wrong, seconds(0.1), now, 0.0).as_secs()).collect();
        assert_eq!(waits, [2, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(table.next(Went::Well, Duration::ZERO, now, 0.5), seconds(2.0));
        assert_eq!(table.next(wrong, Duration::ZERO, now, 0.0), seconds(2.0), "from the beginning");
        assert_eq!(table.next(wrong, Duration::ZERO, now, 0.0), seconds(2.0));
        assert_eq!(table.next(wrong, Duration::ZERO, now, 1.0), seconds(4.4), "later by chance, never sooner");
    }

    #[test]
    fn a_source_says_how_long_it_wants_to_be_left_alone() {
        let (mut table, now) = (every("2s"), SystemTime::UNIX_EPOCH);
        let wrong = |seconds| Went::Wrong { retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(table.next(wrong(120), Duration::ZERO, now, 0.0), seconds(120.0));
        assert_eq!(table.next(wrong(0), Duration::ZERO, now, 0.0), seconds(2.0), "no sooner than we would");
    }

    #[test]
    fn a_pattern_is_kept_to_a_tenth_of_its_interval() {
        let cron = toml::Value::from("0 * * * * *").try_into().unwrap();
        let mut table = Timetable::new(Interval::Cron(cron));
        let now = SystemTime::UNIX_EPOCH + seconds(50.0);
        assert_eq!(table.first(now, 0.0), seconds(10.0));
        assert_eq!(table.next(Went::Well, seconds(5.0), now, 0.0), seconds(10.0));
        assert_eq!(table.next(Went::Well, seconds(5.0), now, 1.0), seconds(16.0));
    }
}

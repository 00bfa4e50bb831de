//! `Job`: a message on its way, and what is known of its tries. A value.

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
    /// It was not welcome.
    pub(super) unwelcome: Option<Unwelcome>,
    /// It is not sent any more.
    pub(super) given_up: Option<GivenUp>,
}

/// That a message, or one before it in its stream, was not welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unwelcome {
    /// Since when.
    pub(super) since: Instant,
    /// How often it was sent and was not.
    pub(super) tries: u32,
}

/// That a message is to be written to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GivenUp {
    /// What the receiver has against it.
    pub(super) why: String,
    /// How often it could not be written.
    pub(super) failures: u32,
}

impl Job {
    /// Never tried. `place`: partition, offset, number.
    pub(super) fn new(
        stream_id: Arc<str>,
        place: (i32, i64, usize),
        message: Arc<str>,
        written_ms: Option<i64>,
    ) -> Self {
        let (partition, offset, number) = place;
        let (refused, unwelcome, given_up) = (None, None, None);
        Self { stream_id, partition, offset, number, message, written_ms, refused, unwelcome, given_up }
    }

    /// What receivers know it by: the same whenever it is sent, and no other's.
    pub(super) fn id(&self, topic: &str) -> String {
        let Self { partition, offset, number, .. } = self;
        match number {
            0 => format!("{topic}-{partition}-{offset}"),
            number => format!("{topic}-{partition}-{offset}-{number}"),
        }
    }

    /// It was refused at a time. Whether it was tried long enough: `retry_for` since it was written, though the server was
    /// started anew meanwhile; and since it was read for so long too, or for [`AT_LEAST`], for the receiver may have been as
    /// long away as the server.
    pub(super) fn refuse(&mut self, retry_for: Duration, now: Instant, now_ms: i64) -> bool {
        let tried = now.saturating_duration_since(*self.refused.get_or_insert(now));
        let age = self.written_ms.map_or(0, |written| now_ms.saturating_sub(written).max(0).unsigned_abs());
        tried.max(Duration::from_millis(age)) >= retry_for && tried >= retry_for.min(AT_LEAST)
    }
}

/// Unless `retry_for` is shorter.
const AT_LEAST: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const NOW_MS: i64 = 1_800_000_000_000;

    fn job(number: usize) -> Job {
        Job::new("a".into(), (0, 7, number), "x".into(), None)
    }

    #[test]
    fn a_message_is_tried_for_so_long_since_it_was_written_whenever_the_server_was_started() {
        let (start, hour) = (Instant::now(), 3600 * SECOND);
        let is_given_up = |age: Duration, tried: Duration, retry_for: Duration| {
            let written_ms = Some(NOW_MS - age.as_millis() as i64);
            let mut job = Job { written_ms, refused: Some(start), ..job(0) };
            job.refuse(retry_for, start + tried, NOW_MS)
        };
        for (age, tried, retry_for, expected) in [
            (23 * hour, 23 * hour, 24 * hour, false),
            (24 * hour, 24 * hour, 24 * hour, true),
            (24 * hour, hour, 24 * hour, true),
            (7 * 24 * hour, hour - SECOND, 24 * hour, false),
            (Duration::ZERO, hour, 24 * hour, false),
            (5 * SECOND, 5 * SECOND, 5 * SECOND, true),
            (hour, 4 * SECOND, 5 * SECOND, false),
            (Duration::ZERO, Duration::ZERO, Duration::ZERO, true),
        ] {
            assert_eq!(is_given_up(age, tried, retry_for), expected, "{age:?} old, tried for {tried:?}");
        }
        let mut unknown = job(0);
        assert!(!unknown.refuse(hour, start, NOW_MS) && unknown.refuse(hour, start + hour, NOW_MS));
    }

    #[test]
    fn every_message_has_a_name_of_its_own() {
        assert_eq!([job(0).id("t"), job(1).id("t")], ["t-0-7", "t-0-7-1"]);
    }
}

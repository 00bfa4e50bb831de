//! `Clock`: time that never jumps, and how it is told to people whose clock may.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Counts milliseconds from where the wall clock stood when it began, at an even pace: streams must not leave, nor
/// rates be wrong, because somebody set the wall clock. Times that are told, or come from brokers, are of the wall clock.
#[derive(Debug)]
pub(crate) struct Clock {
    began: Instant,
    began_at: i64,
    /// From time of its own to that of the wall clock, as far as known.
    shift: i64,
}

impl Clock {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), began_at: wall_clock(), shift: 0 }
    }

    /// Time of its own.
    pub(crate) fn now(&self) -> i64 {
        self.began_at.saturating_add(i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// Takes note of the wall clock. Less than [`STEP`] is no step, so that what is told twice is the same.
    pub(crate) fn look(&mut self, wall_clock: i64) {
        let shift = wall_clock.saturating_sub(self.now());
        if shift.abs_diff(self.shift) >= STEP {
            tracing::info!(milliseconds = shift - self.shift, "the wall clock was set");
            self.shift = shift;
        }
    }

    /// Time of its own at a time of the wall clock.
    pub(crate) fn at(&self, wall_clock: i64) -> i64 {
        wall_clock.saturating_sub(self.shift)
    }

    /// What to add to a time of its own to tell it.
    pub(crate) fn shift(&self) -> i64 {
        self.shift
    }
}

/// Milliseconds since 1970 UTC.
pub(crate) fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Milliseconds.
const STEP: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_changes_what_is_told_and_nothing_else() {
        let mut clock = Clock::begin();
        let begin = clock.now();
        clock.look(begin + 900);
        assert_eq!(clock.shift(), 0, "no step");
        for hours in [1, -2] {
            let step = hours * 3_600_000;
            clock.look(clock.now() + step);
            assert!((step - clock.shift()).abs() < 1_000 && (0..60_000).contains(&(clock.now() - begin)));
            assert_eq!(clock.at(begin + clock.shift()), begin);
        }
    }
}

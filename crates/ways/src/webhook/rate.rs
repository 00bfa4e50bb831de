//! `Bucket`: at most so many in a span of time, a whole span's worth at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::units::Rate;

/// Of one webhook (GCRA). Times are nanoseconds since 1970 UTC.
#[derive(Debug)]
pub(super) struct Bucket {
    each: i64,
    span: i64,
    /// When all that were let through will be paid for.
    paid_at: Mutex<i64>,
}

impl Bucket {
    pub(super) fn new(rate: Rate) -> Self {
        let span = i64::try_from(rate.per.as_nanos()).unwrap_or(i64::MAX);
        Self { each: (span / i64::from(rate.times)).max(1), span, paid_at: Mutex::new(0) }
    }

    /// Lets one through, or says how long until one would be.
    pub(super) fn take(&self, now: i64) -> Result<(), Duration> {
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        let was_set_back = *paid_at > now + self.span;
        let then = if was_set_back { now } else { now.max(*paid_at) } + self.each;
        let too_early = then - now - self.span;
        if too_early > 0 {
            return Err(Duration::from_nanos(too_early.unsigned_abs()));
        }
        *paid_at = then;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_so_many_and_no_more() {
        const MINUTE: i64 = 60_000_000_000;
        let bucket = Bucket::new("6/min".parse().unwrap());
        for number in 0..6 {
            assert_eq!(bucket.take(MINUTE), Ok(()), "{number}");
        }
        assert_eq!(bucket.take(MINUTE), Err(Duration::from_secs(10)));
        assert_eq!(bucket.take(MINUTE + MINUTE / 6), Ok(()));
        assert!(bucket.take(MINUTE + MINUTE / 6).is_err());
        assert_eq!(bucket.take(10 * MINUTE), Ok(()));
        assert_eq!(bucket.take(MINUTE), Ok(()), "the clock was set back: what was let through is forgotten");
    }
}

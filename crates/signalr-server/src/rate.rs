//! `Bucket`: whether something comes too often. It fills by one each time and leaks at the rate that is allowed.

use std::time::Instant;

#[derive(Debug)]
pub(crate) struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) fn new(now: Instant) -> Self {
        Self { level: 0.0, at: now }
    }

    /// Takes one more, at `per_second` on average and up to `burst` at once; `false`: it is one too many, and not counted.
    pub(crate) fn take(&mut self, now: Instant, per_second: u32, burst: u32) -> bool {
        let leaked = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(per_second);
        self.level = (self.level - leaked).max(0.0);
        self.at = now;
        let fits = self.level + 1.0 <= f64::from(burst);
        self.level += if fits { 1.0 } else { 0.0 };
        fits
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_then_one_for_each_part_of_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let mut take = |millis| bucket.take(start + Duration::from_millis(millis), 4, 3);
        assert_eq!([0, 0, 0, 0, 249, 250, 250].map(&mut take), [true, true, true, false, false, true, false]);
        assert_eq!([60_000; 4].map(take), [true, true, true, false], "a pause gives no more than a burst");
    }
}

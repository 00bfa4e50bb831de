//! `Sampler`: so many packages a second and no more, for whoever follows all of a topic's.

use std::time::{Duration, Instant};

/// The first of each second are taken.
#[derive(Debug)]
pub(crate) struct Sampler {
    per_second: u32,
    /// When the second began, and how many were taken in it.
    second: Option<Instant>,
    taken: u32,
}

impl Sampler {
    pub(crate) fn of(per_second: u32) -> Self {
        Self { per_second, second: None, taken: 0 }
    }

    /// Whether this one is taken.
    pub(crate) fn takes(&mut self, now: Instant) -> bool {
        if self.second.is_none_or(|began| now.duration_since(began) >= SECOND) {
            (self.second, self.taken) = (Some(now), 0);
        }
        self.taken += 1;
        self.taken <= self.per_second
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_second_are_taken() {
        let (mut sampler, begin) = (Sampler::of(2), Instant::now());
        let mut taken = |ms| sampler.takes(begin + Duration::from_millis(ms));
        assert_eq!([0, 10, 20, 999].map(&mut taken), [true, true, false, false]);
        assert_eq!([1000, 1500, 1999, 2000].map(&mut taken), [true, true, false, true]);
        assert_eq!([9000, 9001, 9002].map(&mut taken), [true, true, false]);
    }
}

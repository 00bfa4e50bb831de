//! `Pace`: keeps to a rate. A value: the time comes in as an argument.

use std::collections::VecDeque;
use std::time::Instant;

use crate::units::Rate;

/// When the latest requests were sent. Any span as long as the rate's holds no more of them than it says.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<Rate>,
    sent: VecDeque<Instant>,
}

impl Pace {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, sent: VecDeque::new() }
    }

    /// When the next request may be sent; a time that has passed, or none, is now.
    pub(super) fn next(&self) -> Option<Instant> {
        let rate = self.rate.filter(|rate| self.sent.len() >= rate.times as usize)?;
        self.sent.front().map(|oldest| *oldest + rate.per)
    }

    /// One is sent now.
    pub(super) fn count(&mut self, now: Instant) {
        let Some(rate) = self.rate else { return };
        if self.sent.len() >= rate.times as usize {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_time_holds_more_than_the_rate() {
        let (mut pace, begin) = (Pace::new(Some("3/min".parse().unwrap())), Instant::now());
        let (mut now, mut sent) = (begin, Vec::new());
        for _ in 0..10 {
            now = pace.next().map_or(now, |next| next.max(now));
            pace.count(now);
            sent.push((now - begin).as_secs());
            now += Duration::from_secs(1);
        }
        assert_eq!(sent, [0, 1, 2, 60, 61, 62, 120, 121, 122, 180]);
        assert_eq!(Pace::new(None).next(), None);
    }
}

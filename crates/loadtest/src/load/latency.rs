//! Latencies in a histogram, and its summary.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Latencies of one run, to three digits.
#[derive(Debug)]
pub struct Latencies(Histogram<u64>);

/// Quantiles in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Summary {
    pub p50_us: f64,
    pub p90_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

impl Latencies {
    /// None yet.
    pub fn new() -> Self {
        let longest = Duration::from_secs(600).as_nanos() as u64;
        Self(
            Histogram::new_with_bounds(1, longest, 3)
                .unwrap_or_else(|_| unreachable!("the bounds are constants that the histogram takes")),
        )
    }

    /// Adds one, from the intended send time to `received`, both in nanoseconds of the same clock.
    pub fn record(&mut self, intended: u64, received: u64) {
        self.0.saturating_record(received.saturating_sub(intended).max(1));
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The quantiles so far.
    pub fn summary(&self) -> Summary {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        Summary {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.0.max() as f64 / 1e3,
        }
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::pacing::{Limit, Pacer, Pacing};

    /// A server that answers in 1 ms but stops for one second in ten, at 100 messages per second: one message in ten
    /// waits for 0.5 s on average, although only one is sent into the stop.
    #[test]
    fn a_stop_is_seen_by_all_messages_that_were_meant_to_be_sent_in_it() {
        const MS: u64 = 1_000_000;
        let mut pacer = Pacer::new(Pacing::Rate(100.0), Limit::Messages(1000), 0);
        let mut latencies = Latencies::new();
        let mut now = 0;
        while !pacer.is_over(now) {
            let stopped = (5000 * MS..6000 * MS).contains(&now);
            let received = if stopped { 6001 * MS } else { now + MS };
            while let Some(intended) = pacer.due(now, 0) {
                latencies.record(intended, received);
            }
            // The sender is blocked until the server answers.
            now = if stopped { received } else { now + 10 * MS };
        }
        let summary = latencies.summary();
        assert!((950.0..1050.0).contains(&summary.p50_us), "{summary:?}");
        assert!((880_000.0..920_000.0).contains(&summary.p99_us), "{summary:?}");
        assert!(summary.max_us > 990_000.0, "{summary:?}");
    }
}

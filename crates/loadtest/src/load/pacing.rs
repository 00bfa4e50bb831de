//! When the next message is due, and the time it counts as sent.
//!
//! With a fixed rate every message has its place in a schedule that never shifts. If the server, or this program, holds
//! up the sending, the late messages keep their places, and their latency includes the wait: without that, a server that
//! stops for a second would be measured by the one message that met the stop (coordinated omission).

use std::time::Duration;

/// What makes the next message due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pacing {
    /// The last one has reached everyone.
    OneAtATime,
    /// Fewer than so many are on their way; a message is on its way until it has reached everyone.
    InFlight(usize),
    /// So many per second, whatever comes back.
    Rate(f64),
}

/// When to stop publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// After so many messages.
    Messages(u64),
    /// After this time.
    Time(Duration),
}

/// Walks through a schedule. Times are nanoseconds since any fixed moment.
#[derive(Debug)]
pub struct Pacer {
    pacing: Pacing,
    limit: Limit,
    start: u64,
    planned: u64,
}

impl Pacer {
    /// A schedule that begins at `start`.
    pub fn new(pacing: Pacing, limit: Limit, start: u64) -> Self {
        Self { pacing, limit, start, planned: 0 }
    }

    /// If a message is due at `now`: the time at which it was meant to be sent. Call again until `None`.
    pub fn due(&mut self, now: u64, in_flight: u64) -> Option<u64> {
        if self.is_over(now) {
            return None;
        }
        let intended = match self.pacing {
            Pacing::OneAtATime => (in_flight == 0).then_some(now),
            Pacing::InFlight(most) => (in_flight < most as u64).then_some(now),
            Pacing::Rate(_) => self.next_at().filter(|at| *at <= now),
        }?;
        self.planned += 1;
        Some(intended)
    }

    /// When a message will be due by the clock alone.
    pub fn next_at(&self) -> Option<u64> {
        match self.pacing {
            Pacing::Rate(per_second) => {
                let offset = self.planned as f64 * 1e9 / per_second;
                Some(self.start + offset as u64)
            }
            _ => None,
        }
    }

    /// Whether all that was to be published has been. With a limit by time and a rate, messages whose time came before
    /// the end are published even if late.
    pub fn is_over(&self, now: u64) -> bool {
        match self.limit {
            Limit::Messages(count) => self.planned >= count,
            Limit::Time(time) => {
                let end = self.start + time.as_nanos() as u64;
                self.next_at().unwrap_or(now) >= end
            }
        }
    }

    /// How much of the limit is used up at `now`, from 0 to 1.
    pub fn progress(&self, now: u64) -> f64 {
        match self.limit {
            Limit::Messages(count) => self.planned as f64 / count.max(1) as f64,
            Limit::Time(time) => (now - self.start) as f64 / (time.as_nanos() as f64).max(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn due(pacer: &mut Pacer, now: u64, in_flight: u64) -> Vec<u64> {
        std::iter::from_fn(|| pacer.due(now, in_flight)).collect()
    }

    #[test]
    fn a_late_sender_keeps_the_intended_times() {
        let mut pacer = Pacer::new(Pacing::Rate(10.0), Limit::Messages(6), 5 * SECOND);
        assert_eq!(due(&mut pacer, 5 * SECOND, 99), [5 * SECOND]);
        assert_eq!(pacer.next_at(), Some(5_100_000_000));
        // Held up for 350 ms: three have become due meanwhile, and count from when they should have left.
        assert_eq!(due(&mut pacer, 5_350_000_000, 99), [5_100_000_000, 5_200_000_000, 5_300_000_000]);
        assert_eq!(due(&mut pacer, 9 * SECOND, 99), [5_400_000_000, 5_500_000_000]);
        assert!(pacer.is_over(9 * SECOND));
    }

    #[test]
    fn a_rate_does_not_drift_by_rounding() {
        let mut pacer = Pacer::new(Pacing::Rate(3.0), Limit::Time(Duration::from_secs(1000)), 0);
        assert_eq!(due(&mut pacer, 2000 * SECOND, 0).len(), 3000);
    }

    #[test]
    fn closed_loops_wait_for_deliveries() {
        let mut one = Pacer::new(Pacing::OneAtATime, Limit::Messages(9), 0);
        assert_eq!((one.due(5, 1), one.due(7, 0)), (None, Some(7)));
        let mut window = Pacer::new(Pacing::InFlight(3), Limit::Messages(9), 0);
        assert_eq!((window.due(5, 3), window.due(7, 2)), (None, Some(7)));
        let mut timed = Pacer::new(Pacing::OneAtATime, Limit::Time(Duration::from_nanos(10)), 0);
        assert_eq!((timed.due(9, 0), timed.due(10, 0)), (Some(9), None));
    }
}

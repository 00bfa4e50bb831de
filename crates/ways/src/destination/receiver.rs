//! `Receiver`: what is known of the other end, whatever becomes of a reading. A value.

use std::time::Instant;

use super::circuit::Circuit;
use super::pace::Pace;
use crate::units::Rate;

/// Whether, and when, a message may be sent.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) circuit: Circuit,
    pub(super) pace: Pace,
    /// It wants nothing more.
    pub(super) paused: bool,
}

impl Receiver {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { circuit: Circuit::default(), pace: Pace::new(rate), paused: false }
    }

    /// Whether a message may be sent now, while so many are under way.
    pub(super) fn lets_through(&self, now: Instant, under_way: usize) -> bool {
        !self.paused && self.circuit.lets_through(now, under_way) && self.pace.next().is_none_or(|next| next <= now)
    }

    /// When one may that may not now, if it is for time alone to pass.
    pub(super) fn next(&self, now: Instant, under_way: usize) -> Option<Instant> {
        let next = self.circuit.next(now, under_way).max(self.pace.next());
        next.filter(|next| !self.paused && *next > now)
    }
}

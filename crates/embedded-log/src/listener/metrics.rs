//! `ListenerMetrics`: counters of a listener.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::versions::OFFERS;

/// Counters of a listener, all from its start on. Read them at any time.
#[derive(Debug, Default)]
pub struct ListenerMetrics {
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
    pub(super) open: Counter,
    pub(super) request_bytes: Counter,
    pub(super) response_bytes: Counter,
    pub(super) malformed: Counter,
    pub(super) unsupported: Counter,
    pub(super) too_large: Counter,
    pub(super) idle: Counter,
    pub(super) slow: Counter,
    pub(super) panicked: Counter,
    pub(super) requests: [Counter; OFFERS.len()],
}

impl ListenerMetrics {
    /// Connections taken.
    pub fn connections_accepted(&self) -> u64 {
        self.accepted.get()
    }

    /// Connections closed at once because there were [`max_connections`](super::ListenerOptions::max_connections).
    pub fn connections_refused(&self) -> u64 {
        self.refused.get()
    }

    /// Connections that are open now.
    pub fn connections_open(&self) -> u64 {
        self.open.get()
    }

    /// Bytes of requests.
    pub fn request_bytes(&self) -> u64 {
        self.request_bytes.get()
    }

    /// Bytes of answers.
    pub fn response_bytes(&self) -> u64 {
        self.response_bytes.get()
    }

    /// Requests by kind: Kafka's name of the kind and how many.
    pub fn requests(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        OFFERS.iter().zip(&self.requests).map(|(offer, count)| (offer.name, count.get()))
    }

    /// Connections that the listener ended, by cause.
    pub fn connections_ended(&self) -> [(&'static str, u64); 6] {
        [
            ("malformed", self.malformed.get()),
            ("unsupported", self.unsupported.get()),
            ("too_large", self.too_large.get()),
            ("idle", self.idle.get()),
            ("slow", self.slow.get()),
            ("panic", self.panicked.get()),
        ]
    }
}

/// A number that several tasks count.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Relaxed);
    }

    pub(super) fn subtract(&self, count: usize) {
        self.0.fetch_sub(count as u64, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

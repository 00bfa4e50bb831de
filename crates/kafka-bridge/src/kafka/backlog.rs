//! `Backlog`: counts what was handed over and not answered, and refuses past its bound, before librdkafka's queue would.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;

use crate::metrics::Metrics;

/// Bounds and counts.
#[derive(Debug)]
pub(super) struct Backlog {
    max_messages: usize,
    max_bytes: usize,
    messages: AtomicUsize,
    bytes: AtomicUsize,
    emptied: Notify,
    messages_gauge: Gauge,
    bytes_gauge: Gauge,
}

/// Room taken; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    backlog: Arc<Backlog>,
    bytes: usize,
}

impl Backlog {
    pub(super) fn new(max_messages: usize, max_bytes: usize, metrics: &Metrics) -> Arc<Self> {
        Arc::new(Self {
            max_messages,
            max_bytes,
            messages: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            emptied: Notify::new(),
            messages_gauge: metrics.backlog_messages.clone(),
            bytes_gauge: metrics.backlog_bytes.clone(),
        })
    }

    /// Room for one record of `bytes`, or `None` past a bound. An empty backlog takes any record.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Option<Place> {
        let messages_before = self.messages.fetch_add(1, Ordering::AcqRel);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.messages_gauge.inc();
        self.bytes_gauge.inc_by(bytes as i64);
        let place = Place { backlog: self.clone(), bytes };
        let fits =
            messages_before < self.max_messages && (bytes_before + bytes <= self.max_bytes || messages_before == 0);
        fits.then_some(place)
    }

    /// Completes at a moment at which nothing is outstanding.
    pub(super) async fn empty(&self) {
        let mut emptied = std::pin::pin!(self.emptied.notified());
        loop {
            emptied.as_mut().enable(); // before looking, so that no emptying falls between
            if self.messages.load(Ordering::Acquire) == 0 {
                return;
            }
            emptied.as_mut().await;
            emptied.set(self.emptied.notified());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let backlog = &self.backlog;
        backlog.bytes_gauge.dec_by(self.bytes as i64);
        backlog.messages_gauge.dec();
        backlog.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
        if backlog.messages.fetch_sub(1, Ordering::AcqRel) == 1 {
            backlog.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_for_messages_and_bytes() {
        let backlog = Backlog::new(2, 100, &Metrics::default());
        let huge = backlog.take(1000).expect("an empty backlog takes anything");
        assert!(backlog.take(1).is_none());
        drop(huge);
        let (first, second) = (backlog.take(60), backlog.take(40));
        assert!(first.is_some() && second.is_some());
        assert!(backlog.take(0).is_none(), "two messages");
        drop(first);
        assert!(backlog.take(61).is_none(), "101 bytes");
        assert!(backlog.take(60).is_some());
        assert_eq!((backlog.messages_gauge.get(), backlog.bytes_gauge.get()), (1, 40));
    }
}

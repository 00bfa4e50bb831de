//! `Backlog`: counts what was handed over and not answered, and refuses past its bound, before librdkafka's queue would.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Mutex, Notify};

use crate::metrics::Metrics;

/// Bounds and counts.
#[derive(Debug)]
pub(super) struct Backlog {
    max_messages: usize,
    max_bytes: usize,
    messages: AtomicUsize,
    bytes: AtomicUsize,
    /// Messages again, of the half of time in which they were handed over: a flush waits for one while the other fills.
    halves: [AtomicUsize; 2],
    /// Which half it is, as its last bit.
    half: AtomicUsize,
    /// One flush at a time turns it.
    turn: Mutex<()>,
    emptied: Notify,
    messages_gauge: Gauge,
    bytes_gauge: Gauge,
}

/// Room taken; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    backlog: Arc<Backlog>,
    bytes: usize,
    half: usize,
}

impl Backlog {
    pub(super) fn new(max_messages: usize, max_bytes: usize, metrics: &Metrics) -> Arc<Self> {
        Arc::new(Self {
            max_messages,
            max_bytes,
            messages: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            halves: Default::default(),
            half: AtomicUsize::new(0),
            turn: Mutex::default(),
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
        let half = self.half.load(Ordering::SeqCst) % 2;
        self.halves[half].fetch_add(1, Ordering::SeqCst);
        let place = Place { backlog: self.clone(), bytes, half };
        let fits =
            messages_before < self.max_messages && (bytes_before + bytes <= self.max_bytes || messages_before == 0);
        fits.then_some(place)
    }

    /// Completes when nothing is outstanding that was taken before; what is taken meanwhile does not keep it waiting.
    pub(super) async fn flushed(&self) {
        let _turn = self.turn.lock().await;
        // Of the half before the last some may be left, if a flush was given up.
        let half = self.half.load(Ordering::SeqCst) % 2;
        self.empty(1 - half).await;
        self.half.store(1 - half, Ordering::SeqCst);
        self.empty(half).await;
    }

    async fn empty(&self, half: usize) {
        let mut emptied = std::pin::pin!(self.emptied.notified());
        loop {
            emptied.as_mut().enable(); // before looking, so that no emptying falls between
            if self.halves[half].load(Ordering::SeqCst) == 0 {
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
        backlog.messages.fetch_sub(1, Ordering::AcqRel);
        if backlog.halves[self.half].fetch_sub(1, Ordering::SeqCst) == 1 {
            backlog.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_flush_waits_for_what_came_before_it_and_for_nothing_that_comes_later() {
        let backlog = Backlog::new(10, 100, &Metrics::default());
        for _ in 0..3 {
            let before = backlog.take(1);
            let mut flushed = Box::pin(backlog.flushed());
            assert!(flushed.as_mut().now_or_never().is_none());
            let later = backlog.take(1);
            drop(before);
            assert!(flushed.now_or_never().is_some());
            let mut next = Box::pin(backlog.flushed());
            assert!(next.as_mut().now_or_never().is_none());
            drop(next);
            assert!(backlog.flushed().now_or_never().is_none(), "the one that was given up has ended no wait");
            drop(later);
            assert!(backlog.flushed().now_or_never().is_some());
        }
    }

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

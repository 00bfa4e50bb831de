//! `Held`: what the unfinished messages of all reads over HTTP may cost together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of all reads.
#[derive(Debug)]
pub(crate) struct Held {
    most: usize,
    bytes: AtomicUsize,
}

/// Bytes of one read; none when dropped.
#[derive(Debug)]
pub(super) struct Share {
    held: Arc<Held>,
    bytes: usize,
}

impl Held {
    /// At most so many.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, bytes: AtomicUsize::new(0) })
    }

    /// Of one more read.
    pub(super) fn share(self: &Arc<Self>) -> Share {
        Share { held: self.clone(), bytes: 0 }
    }
}

impl Share {
    /// Takes note of how many it has; whether all together still have no more than they may.
    pub(super) fn set(&mut self, bytes: usize) -> bool {
        if bytes == self.bytes {
            return true;
        }
        let total = &self.held.bytes;
        let all = match bytes.checked_sub(self.bytes) {
            Some(more) => total.fetch_add(more, Ordering::Relaxed) + more,
            None => total.fetch_sub(self.bytes - bytes, Ordering::Relaxed) - (self.bytes - bytes),
        };
        self.bytes = bytes;
        all <= self.held.most
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Of all reads together, each of which may hold 16 MiB. As much as request bodies may by default.
pub(crate) const MAX_HELD_BYTES: usize = 256 << 20;

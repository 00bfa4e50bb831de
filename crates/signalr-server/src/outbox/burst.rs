//! `Burst`: frames that came to be in one go, such as all callbacks of one record.
//!
//! How much that is says nothing about a client's pace. So a burst is taken whole if what waited before it was within the
//! bound, and does not count against what comes behind it while it drains.

use std::sync::atomic::{AtomicU64, Ordering};

/// Frames that came to be in one go; see [`ConnectionHandle::push_in`](crate::ConnectionHandle::push_in).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst(u64);

impl Burst {
    /// A new one, of any number of connections.
    pub fn begin() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// The bursts in one queue.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    latest: Option<Burst>,
    /// What was queued of it.
    latest_bytes: usize,
    large: Option<Large>,
}

/// The one burst that went past the bound, while some of it waits.
#[derive(Debug)]
struct Large {
    burst: Burst,
    bytes: usize,
    /// What was queued after it.
    behind: usize,
}

impl Bursts {
    /// Notes that `more` bytes, of a burst or of none, are to wait behind `queued`; `false` if they may not.
    pub(super) fn admit(&mut self, burst: Option<Burst>, more: usize, queued: usize, bound: usize) -> bool {
        if self.large.as_ref().is_some_and(|large| large.left(queued) == 0) {
            self.large = None;
        }
        match &mut self.large {
            Some(large) if burst == Some(large.burst) => {
                large.bytes += more;
                true
            }
            Some(large) => {
                let is_within = queued - large.left(queued) + more <= bound;
                large.behind += if is_within { more } else { 0 };
                is_within
            }
            None => self.admit_beside_none(burst, more, queued, bound),
        }
    }

    fn admit_beside_none(&mut self, burst: Option<Burst>, more: usize, queued: usize, bound: usize) -> bool {
        if burst.is_some() && burst != self.latest {
            (self.latest, self.latest_bytes) = (burst, 0);
        }
        let is_within = queued + more <= bound;
        match burst {
            None => is_within,
            Some(burst) => {
                self.latest_bytes += more;
                if !is_within {
                    let bytes = self.latest_bytes.min(queued + more);
                    self.large = Some(Large { burst, bytes, behind: 0 });
                }
                true
            }
        }
    }
}

impl Large {
    /// Of so many bytes that wait, those of it.
    fn left(&self, queued: usize) -> usize {
        self.bytes.min(queued.saturating_sub(self.behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: usize = 100;

    #[test]
    fn a_burst_is_taken_whole_and_counts_no_more_while_it_drains() {
        let (mut bursts, mut queued) = (Bursts::default(), 0);
        let push = |bursts: &mut Bursts, burst, more, queued: &mut usize| {
            let is_taken = bursts.admit(burst, more, *queued, BOUND);
            *queued += if is_taken { more } else { 0 };
            is_taken
        };
        let [small, large, next, last] = [(); 4].map(|()| Some(Burst::begin()));
        assert!(push(&mut bursts, small, 90, &mut queued));
        for _ in 0..10 {
            assert!(push(&mut bursts, large, 60, &mut queued), "whole");
        }
        assert!(push(&mut bursts, None, 10, &mut queued), "at the bound: 90 before it, 10 behind it");
        assert!(!bursts.admit(None, 1, queued, BOUND), "one above");
        queued -= 90 + 300;
        assert!(push(&mut bursts, next, 89, &mut queued), "half of it is out, and all before it");
        assert!(!bursts.admit(last, 2, queued, BOUND), "a second large one");
        queued = 99;
        assert!(push(&mut bursts, last, 200, &mut queued), "the first is out");
    }
}

//! `Shares`: what the topics of this server may track together. Past it those give up that have more than an equal share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::tracker::Load;

#[derive(Debug)]
pub(crate) struct Shares {
    per_topic: usize,
    total: Load,
    topics: AtomicUsize,
    streams: AtomicUsize,
    bytes: AtomicUsize,
}

/// What one topic tracks; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    load: Load,
}

impl Shares {
    pub(crate) fn new(per_topic: usize, total: Load) -> Arc<Self> {
        let zero = || AtomicUsize::new(0);
        Arc::new(Self { per_topic, total, topics: zero(), streams: zero(), bytes: zero() })
    }

    /// For one more topic.
    pub(crate) fn join(self: &Arc<Self>) -> Share {
        self.topics.fetch_add(1, Ordering::Relaxed);
        Share { shares: self.clone(), load: Load { streams: 0, bytes: 0 } }
    }
}

impl Share {
    /// Takes note of what the topic tracks now, and tells what it may.
    pub(crate) fn settle(&mut self, load: Load) -> Load {
        let Shares { per_topic, total, topics, streams, bytes } = &*self.shares;
        let topics = topics.load(Ordering::Relaxed).max(1);
        let in_all = Load {
            streams: moved(streams, self.load.streams, load.streams),
            bytes: moved(bytes, self.load.bytes, load.bytes),
        };
        self.load = load;
        Load {
            streams: allowed(load.streams, in_all.streams, total.streams, topics).min(*per_topic),
            bytes: allowed(load.bytes, in_all.bytes, total.bytes, topics),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.settle(Load { streams: 0, bytes: 0 });
        self.shares.topics.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The new sum after one part of it went from `before` to `now`.
fn moved(sum: &AtomicUsize, before: usize, now: usize) -> usize {
    let change = now.wrapping_sub(before);
    sum.fetch_add(change, Ordering::Relaxed).wrapping_add(change)
}

/// Of `total`, for one of so many that has `own` where all together have `in_all`.
fn allowed(own: usize, in_all: usize, total: usize, topics: usize) -> usize {
    match in_all.checked_sub(total) {
        None | Some(0) => total,
        Some(excess) => own.saturating_sub(excess).max(total / topics),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(streams: usize) -> Load {
        Load { streams, bytes: streams * 10 }
    }

    #[test]
    fn past_the_total_the_larger_ones_give_up_down_to_an_equal_share() {
        let shares = Shares::new(80, load(100));
        let (mut large, mut small) = (shares.join(), shares.join());
        assert_eq!(large.settle(load(90)), Load { streams: 80, bytes: 1_000 }, "the bound of one topic");
        assert_eq!(large.settle(load(80)).streams, 80);
        assert_eq!(small.settle(load(20)).streams, 80, "100 in all");
        assert_eq!(small.settle(load(30)), Load { streams: 50, bytes: 500 }, "it has less than its share");
        assert_eq!(large.settle(load(80)), Load { streams: 70, bytes: 700 });
        assert_eq!(large.settle(load(70)).streams, 80, "100 again");
        drop(large);
        assert_eq!(small.settle(load(75)).streams, 80, "what a topic had is given back");
        assert_eq!(shares.streams.load(Ordering::Relaxed), 75);
    }
}

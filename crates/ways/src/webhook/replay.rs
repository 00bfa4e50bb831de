//! `Seen`: the ids of deliveries that are durable already, so that none is written twice within the window.
//!
//! An id counts as seen when its [`Claim`] is confirmed, and not before. Whoever brings one that is being written waits until
//! that is decided. The oldest ids are forgotten past the bound.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::watch;

/// Of one webhook. Times are nanoseconds since 1970 UTC.
#[derive(Debug)]
pub(super) struct Seen {
    window: i64,
    most: usize,
    table: Mutex<Table>,
}

/// The first 16 bytes of the SHA-256: senders choose ids, of any length.
type Id = [u8; 16];

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Id, Entry>,
    /// Of those that were written, by time.
    order: VecDeque<(i64, Id)>,
}

#[derive(Debug)]
enum Entry {
    /// Ends with the claim.
    Underway(watch::Receiver<()>),
    Written(i64),
}

/// The right to write a delivery. Dropped without being confirmed, the next who brings the id gets it.
#[derive(Debug)]
pub(super) struct Claim {
    seen: Arc<Seen>,
    id: Id,
    _underway: watch::Sender<()>,
}

impl Seen {
    /// Remembers at most so many ids for so long.
    pub(super) fn new(window: Duration, most: usize) -> Arc<Self> {
        let window = i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
        Arc::new(Self { window, most, table: Mutex::default() })
    }

    /// The right to write this delivery; `None`: it was written within the window.
    pub(super) async fn claim(self: &Arc<Self>, id: &[u8], now: i64) -> Option<Claim> {
        let id = short(id);
        loop {
            let mut other = match self.try_claim(id, now) {
                Tried::Claimed(claim) => return Some(claim),
                Tried::Written => return None,
                Tried::Underway(other) => other,
            };
            // Nothing is ever sent: it ends when the claim does.
            let _ = other.changed().await;
        }
    }

    fn try_claim(self: &Arc<Self>, id: Id, now: i64) -> Tried {
        let mut table = self.lock();
        table.forget_before(now.saturating_sub(self.window));
        match table.entries.get(&id) {
            Some(Entry::Written(_)) => Tried::Written,
            Some(Entry::Underway(other)) => Tried::Underway(other.clone()),
            None => {
                let (underway, others) = watch::channel(());
                table.entries.insert(id, Entry::Underway(others));
                Tried::Claimed(Claim { seen: self.clone(), id, _underway: underway })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Tried {
    Claimed(Claim),
    Underway(watch::Receiver<()>),
    Written,
}

impl Claim {
    /// The delivery is durable.
    pub(super) fn confirm(self, now: i64) {
        let mut table = self.seen.lock();
        table.entries.insert(self.id, Entry::Written(now));
        table.order.push_back((now, self.id));
        while table.order.len() > self.seen.most {
            table.forget_oldest();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut table = self.seen.lock();
        if matches!(table.entries.get(&self.id), Some(Entry::Underway(_))) {
            table.entries.remove(&self.id);
        }
    }
}

impl Table {
    fn forget_before(&mut self, time: i64) {
        while self.order.front().is_some_and(|(written, _)| *written < time) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((written, id)) = self.order.pop_front() else { return };
        // Not if it was written again since.
        if matches!(self.entries.get(&id), Some(Entry::Written(again)) if *again == written) {
            self.entries.remove(&id);
        }
    }
}

fn short(id: &[u8]) -> Id {
    let digest = Sha256::digest(id);
    let mut short = Id::default();
    short.copy_from_slice(&digest[..size_of::<Id>()]);
    short
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);
    const SECOND: i64 = 1_000_000_000;

    #[tokio::test]
    async fn an_id_is_seen_once_confirmed_and_until_the_window_ends() {
        let seen = Seen::new(WINDOW, 100);
        seen.claim(b"a", 0).await.unwrap().confirm(0);
        assert!(seen.claim(b"a", 60 * SECOND).await.is_none());
        assert!(seen.claim(b"b", 60 * SECOND).await.is_some());
        assert!(seen.claim(b"a", 61 * SECOND).await.is_some());
        assert!(seen.claim(b"a", 61 * SECOND).await.is_some(), "the claim before was given up");
        assert_eq!(seen.lock().entries.len(), 0);
    }

    #[tokio::test]
    async fn the_second_waits_for_the_first() {
        let seen = Seen::new(WINDOW, 100);
        let first = seen.claim(b"a", 0).await.unwrap();
        let [mut confirmed, mut other] = [seen.claim(b"a", 0).boxed(), seen.claim(b"b", 0).boxed()];
        assert!(confirmed.as_mut().now_or_never().is_none());
        assert!(other.as_mut().now_or_never().is_some_and(|claim| claim.is_some()));
        first.confirm(0);
        assert!(confirmed.await.is_none());

        let first = seen.claim(b"c", 0).await.unwrap();
        let [mut second, mut third] = [seen.claim(b"c", 0).boxed(), seen.claim(b"c", 0).boxed()];
        assert!(second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none());
        drop(first);
        let second = second.await.expect("the first was not written");
        assert!(third.as_mut().now_or_never().is_none());
        second.confirm(0);
        assert!(third.await.is_none());
    }

    #[tokio::test]
    async fn past_the_bound_the_oldest_are_forgotten() {
        let seen = Seen::new(WINDOW, 3);
        for id in 0..10_u8 {
            seen.claim(&[id], i64::from(id)).await.unwrap().confirm(i64::from(id));
            let table = seen.lock();
            assert!(table.entries.len() <= 3 && table.order.len() <= 3, "after {id}");
        }
        assert!(seen.claim(&[7], 10).await.is_none());
        assert!(seen.claim(&[6], 10).await.is_some());
    }
}

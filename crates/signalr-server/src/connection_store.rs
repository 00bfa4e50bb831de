//! `ConnectionStore`: negotiated connections that wait to be used, and live ones.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use std::time::{Duration, Instant};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::connection::ConnectionHandle;
use crate::ids::{ConnectionId, ConnectionToken};

/// All connections of one server.
#[derive(Debug, Default)]
pub(crate) struct ConnectionStore {
    tokens: DashMap<ConnectionToken, Negotiated>,
    live: DashMap<ConnectionId, ConnectionHandle>,
    /// Tokens in the order of their making, to find the unused ones whose time is up; used ones leave it late.
    unused: Mutex<VecDeque<(Instant, ConnectionToken)>>,
    /// Number of tokens that were not used yet. Whoever marks one as used or removes it counts it off.
    waiting: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
struct Negotiated {
    id: ConnectionId,
    used: bool,
    since: Instant,
}

/// What a request that presents a token finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It may open the connection of this id.
    Granted(ConnectionId),
    /// The connection is open already.
    InUse,
    /// There is none, or no longer.
    Unknown,
}

impl ConnectionStore {
    /// Remembers a connection that was negotiated; `false`: too many are waiting.
    pub(crate) fn negotiate(
        &self,
        token: ConnectionToken,
        id: ConnectionId,
        now: Instant,
        timeout: Duration,
        limit: usize,
    ) -> bool {
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((since, oldest)) = unused.front().copied() {
            let is_waiting = self.tokens.get(&oldest).is_some_and(|entry| !entry.used);
            if is_waiting && now.saturating_duration_since(since) < timeout {
                break;
            }

            unused.pop_front();
            if self.tokens.remove_if(&oldest, |_, entry| !entry.used).is_some() {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
            }
        }
        if self.waiting() >= limit {
            return false;
        }
        if unused.len() > 2 * self.waiting() + SPARE_TOKENS {
            unused.retain(|(_, token)| self.tokens.get(token).is_some_and(|entry| !entry.used));
        }
        unused.push_back((now, token));
        self.waiting.fetch_add(1, Ordering::Relaxed);

        self.tokens.insert(token, Negotiated { id, used: false, since: now });
        true
    }

    /// Takes a negotiated connection into use.
    pub(crate) fn claim(&self, token: ConnectionToken, now: Instant, timeout: Duration) -> Claim {
        let Entry::Occupied(mut entry) = self.tokens.entry(token) else {
            return Claim::Unknown;
        };
        let Negotiated { id, used, since } = *entry.get();
        if used {
            return Claim::InUse;
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if now.saturating_duration_since(since) >= timeout {
            entry.remove();
            return Claim::Unknown;
        }
        entry.get_mut().used = true;
        Claim::Granted(id)
    }

    /// Whether the connection of this token is open; `None` if there is none.
    pub(crate) fn is_in_use(&self, token: ConnectionToken) -> Option<bool> {
        self.tokens.get(&token).map(|entry| entry.used)
    }

    pub(crate) fn forget_token(&self, token: ConnectionToken) {
        self.tokens.remove(&token);
    }

    pub(crate) fn insert(&self, handle: ConnectionHandle) {
        self.live.insert(handle.id(), handle);
    }

    pub(crate) fn remove(&self, id: ConnectionId) {
        self.live.remove(&id);
    }

    /// Copies one handle out, so that no lock is held while it is used.
    pub(crate) fn connection(&self, id: ConnectionId) -> Option<ConnectionHandle> {
        self.live.get(&id).map(|handle| handle.clone())
    }

    /// Copies all handles out but some.
    pub(crate) fn connections(&self, except: &[ConnectionId]) -> Vec<ConnectionHandle> {
        self.live.iter().filter(|entry| !except.contains(entry.key())).map(|entry| entry.value().clone()).collect()
    }

    /// Number of negotiated connections that were not used, those whose time is up included until the next negotiation.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// Used tokens kept in the order beside unused ones before they are swept out.
const SPARE_TOKENS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(15);

    #[test]
    fn a_token_opens_one_connection_once_and_in_time() {
        let (store, now) = (ConnectionStore::default(), Instant::now());
        let (token, id) = (ConnectionToken::random(), ConnectionId::random());
        assert!(store.negotiate(token, id, now, TIMEOUT, 10));
        assert_eq!(store.claim(ConnectionToken::random(), now, TIMEOUT), Claim::Unknown);
        assert_eq!(store.claim(token, now, TIMEOUT), Claim::Granted(id));
        assert_eq!(store.claim(token, now, TIMEOUT), Claim::InUse);
        store.forget_token(token);
        assert_eq!(store.claim(token, now, TIMEOUT), Claim::Unknown);

        let late = ConnectionToken::random();
        store.negotiate(late, id, now, TIMEOUT, 10);
        assert_eq!(store.claim(late, now + TIMEOUT, TIMEOUT), Claim::Unknown);
    }

    #[test]
    fn unused_tokens_are_bounded_and_make_room_when_their_time_is_up() {
        let (store, now) = (ConnectionStore::default(), Instant::now());
        let negotiate = |now| store.negotiate(ConnectionToken::random(), ConnectionId::random(), now, TIMEOUT, 2);
        assert!(negotiate(now) && negotiate(now));
        assert!(!negotiate(now));
        assert!(negotiate(now + TIMEOUT));
        assert_eq!((store.waiting(), store.tokens.len()), (1, 1));
    }

    #[test]
    fn used_tokens_count_against_no_bound_and_are_not_remembered_in_order() {
        let (store, now) = (ConnectionStore::default(), Instant::now());
        let negotiate = || {
            let token = ConnectionToken::random();
            assert!(store.negotiate(token, ConnectionId::random(), now, TIMEOUT, 2));
            token
        };
        negotiate();
        for _ in 0..1_000 {
            let used = negotiate();
            assert!(matches!(store.claim(used, now, TIMEOUT), Claim::Granted(_)));
            store.forget_token(used);
        }
        assert_eq!((store.waiting(), store.tokens.len()), (1, 1));
        assert!(store.unused.lock().unwrap().len() <= SPARE_TOKENS + 3);
    }
}

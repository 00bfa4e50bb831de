//! `ConnectionStore`: negotiated connections that wait to be used, and live ones.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::address::{ClientAddress, Counts, Full, Seat};
use crate::connection::{ConnectionHandle, Reattach};
use crate::ids::{ConnectionId, ConnectionToken};
use crate::transport::http::{HttpConnection, Input};
use crate::user::User;

/// All connections of one server.
#[derive(Debug, Default)]
pub(crate) struct ConnectionStore {
    tokens: DashMap<ConnectionToken, Negotiated>,
    live: DashMap<ConnectionId, ConnectionHandle>,
    /// Tokens in the order of their making, to find the unused ones whose time is up; used ones leave it late.
    unused: Mutex<VecDeque<(Instant, ConnectionToken)>>,
    /// Number of tokens that were not used yet. Whoever marks one as used or removes it counts it off.
    waiting: AtomicUsize,
    /// The same by address.
    waiting_of: Counts,
    /// Of connections that had ended when their clients deleted them, whose next poll may be on its way.
    deleted: Mutex<VecDeque<(Instant, ConnectionToken)>>,
}

/// What a token stands for.
#[derive(Debug)]
enum Negotiated {
    Unused(Box<Unused>),
    Used(Used),
}

/// It waits for its first request.
#[derive(Debug)]
struct Unused {
    waiting: Waiting,
    /// Some clients send their handshake before that request; it is kept.
    early: Option<Early>,
    /// Of its address.
    _seat: Option<Seat>,
}

/// What was negotiated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) id: ConnectionId,
    /// The connection may survive its websocket.
    pub(crate) is_stateful: bool,
    pub(crate) since: Instant,
}

/// What came before the request that opens the connection, and whose it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Early {
    pub(crate) input: Arc<Input>,
    user: Option<User>,
}

/// What carries a connection whose token was used.
#[derive(Debug, Clone)]
pub(crate) enum Used {
    WebSocket,
    /// One that may be taken over by another.
    Stateful(Arc<Reattach>),
    Http(Arc<HttpConnection>),
}

/// What a request that would open a connection finds.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It opens the connection.
    Granted(Used),
    /// The connection is open already.
    InUse(Used),
    /// There is none, or no longer.
    Unknown,
}

/// What a request that brings input finds.
#[derive(Debug)]
pub(crate) enum Found {
    /// The connection has not begun; what it brings is kept for when it does.
    Waiting(Early),
    Used(Used),
}

impl Early {
    pub(crate) fn is_of(&self, user: Option<&User>) -> bool {
        User::is_same(self.user.as_ref(), user)
    }

    /// The input for the connection of this user; of another's nothing is taken.
    pub(crate) fn of(self, user: Option<&User>) -> Arc<Input> {
        if self.is_of(user) {
            self.input.begin();
            return self.input;
        }
        self.input.end();
        Arc::default()
    }
}

impl ConnectionStore {
    /// Remembers a connection that was negotiated, unless too many are waiting.
    pub(crate) fn negotiate(
        &self,
        token: ConnectionToken,
        negotiated: Waiting,
        address: Option<&ClientAddress>,
        timeout: Duration,
        limit: usize,
    ) -> Result<(), Full> {
        let now = negotiated.since;
        let mut unused = self.unused.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((since, oldest)) = unused.front().copied() {
            let is_waiting = self.tokens.get(&oldest).is_some_and(|entry| entry.is_waiting());
            if is_waiting && now.saturating_duration_since(since) < timeout {
                break;
            }

            unused.pop_front();
            if let Some((_, entry)) = self.tokens.remove_if(&oldest, |_, entry| entry.is_waiting()) {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                entry.end_input();
            }
        }
        if self.waiting() >= limit {
            return Err(Full::All);
        }
        let seat = self.waiting_of.take(address, |address| address.max_negotiated)?;
        if unused.len() > 2 * self.waiting() + SPARE_TOKENS {
            unused.retain(|(_, token)| self.tokens.get(token).is_some_and(|entry| entry.is_waiting()));
        }
        unused.push_back((now, token));
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let unused = Unused { waiting: negotiated, early: None, _seat: seat };
        self.tokens.insert(token, Negotiated::Unused(Box::new(unused)));
        Ok(())
    }

    /// Takes a negotiated connection into use, as what `begin` makes of its id and the input that came early.
    pub(crate) fn claim(
        &self,
        token: ConnectionToken,
        now: Instant,
        timeout: Duration,
        begin: impl FnOnce(Waiting, Early) -> Used,
    ) -> Claim {
        let Entry::Occupied(mut entry) = self.tokens.entry(token) else {
            return Claim::Unknown;
        };
        let (waiting, early) = match entry.get_mut() {
            Negotiated::Used(used) => return Claim::InUse(used.clone()),
            Negotiated::Unused(unused) => (unused.waiting, unused.early.take()),
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        if now.saturating_duration_since(waiting.since) >= timeout {
            entry.remove();
            early.inspect(|early| early.input.end());
            return Claim::Unknown;
        }
        let used = begin(waiting, early.unwrap_or_default());
        entry.insert(Negotiated::Used(used.clone()));
        Claim::Granted(used)
    }

    /// The connection of this token, of which a user asks; `None` if there is none, or no longer.
    pub(crate) fn find(
        &self,
        token: ConnectionToken,
        user: Option<&User>,
        now: Instant,
        timeout: Duration,
    ) -> Option<Found> {
        let mut entry = self.tokens.get_mut(&token)?;
        match entry.value_mut() {
            Negotiated::Used(used) => Some(Found::Used(used.clone())),
            Negotiated::Unused(unused) if now.saturating_duration_since(unused.waiting.since) >= timeout => None,
            Negotiated::Unused(unused) => {
                let new = || Early { input: Arc::new(Input::early()), user: user.cloned() };
                Some(Found::Waiting(unused.early.get_or_insert_with(new).clone()))
            }
        }
    }

    pub(crate) fn forget_token(&self, token: ConnectionToken) {
        if let Some((_, entry)) = self.tokens.remove(&token) {
            entry.end_input();
        }
    }

    /// Remembers for a moment that a connection was deleted after its end: a poll that crosses the deletion is not to be
    /// told that there never was one.
    pub(crate) fn deleted(&self, token: ConnectionToken, now: Instant) {
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |since: Instant| now.saturating_duration_since(since) >= CROSSING;
        while deleted.len() >= MOST_CROSSING || deleted.front().is_some_and(|(since, _)| is_old(*since)) {
            deleted.pop_front();
        }
        deleted.push_back((now, token));
    }

    /// Whether it was, a moment ago; said once.
    pub(crate) fn was_deleted(&self, token: ConnectionToken, now: Instant) -> bool {
        let mut deleted = self.deleted.lock().unwrap_or_else(PoisonError::into_inner);
        let place = deleted.iter().position(|(_, deleted)| *deleted == token);
        let since = place.and_then(|place| deleted.remove(place)).map(|(since, _)| since);
        since.is_some_and(|since| now.saturating_duration_since(since) < CROSSING)
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

impl Negotiated {
    fn is_waiting(&self) -> bool {
        matches!(self, Self::Unused(_))
    }

    /// Whoever brings some is told that nobody takes it.
    fn end_input(&self) {
        match self {
            Self::Unused(unused) => drop(unused.early.as_ref().inspect(|early| early.input.end())),
            Self::Used(Used::Http(connection)) => connection.input.end(),
            Self::Used(Used::WebSocket | Used::Stateful(_)) => {}
        }
    }
}

/// Used tokens kept in the order beside unused ones before they are swept out.
const SPARE_TOKENS: usize = 64;

/// How long a poll may be on its way while its connection is deleted.
const CROSSING: Duration = Duration::from_secs(5);
const MOST_CROSSING: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(15);

    #[test]
    fn a_token_opens_one_connection_once_and_in_time() {
        let (store, now) = (ConnectionStore::default(), Instant::now());
        let (token, id) = (ConnectionToken::random(), ConnectionId::random());
        assert!(store.negotiate(token, waiting(id, now), None, TIMEOUT, 10).is_ok());
        assert!(matches!(claim(&store, ConnectionToken::random(), now), Claim::Unknown));
        assert!(matches!(claim(&store, token, now), Claim::Granted(Used::WebSocket)));
        assert!(matches!(claim(&store, token, now), Claim::InUse(Used::WebSocket)));
        store.forget_token(token);
        assert!(matches!(claim(&store, token, now), Claim::Unknown));

        let late = ConnectionToken::random();
        store.negotiate(late, waiting(id, now), None, TIMEOUT, 10).unwrap();
        assert!(matches!(claim(&store, late, now + TIMEOUT), Claim::Unknown));
    }

    fn waiting(id: ConnectionId, since: Instant) -> Waiting {
        Waiting { id, is_stateful: false, since }
    }

    fn claim(store: &ConnectionStore, token: ConnectionToken, now: Instant) -> Claim {
        store.claim(token, now, TIMEOUT, |_, _| Used::WebSocket)
    }

    #[test]
    fn unused_tokens_are_bounded_and_make_room_when_their_time_is_up() {
        let (store, now) = (ConnectionStore::default(), Instant::now());
        let negotiate =
            |now| store.negotiate(ConnectionToken::random(), waiting(ConnectionId::random(), now), None, TIMEOUT, 2);
        assert!(negotiate(now).is_ok() && negotiate(now).is_ok());
        assert_eq!(negotiate(now), Err(Full::All));
        assert_eq!(negotiate(now + TIMEOUT), Ok(()));
        assert_eq!((store.waiting(), store.tokens.len()), (1, 1));
    }

    #[test]
    fn of_one_address_fewer_wait_and_used_ones_do_not_count() {
        let (store, now) = (ConnectionStore::default(), Instant::now());
        let negotiate = |last: u8, now| {
            let address =
                ClientAddress { address: [10, 0, 0, last].into(), max_connections: None, max_negotiated: Some(2) };
            let token = ConnectionToken::random();
            let waiting = waiting(ConnectionId::random(), now);
            store.negotiate(token, waiting, Some(&address), TIMEOUT, 10).map(|()| token)
        };
        let used = negotiate(1, now).unwrap();
        negotiate(1, now).unwrap();
        assert_eq!(negotiate(1, now).err(), Some(Full::Address));
        assert!(negotiate(2, now).is_ok());
        assert!(matches!(claim(&store, used, now), Claim::Granted(_)));
        assert!(negotiate(1, now).is_ok());
        assert_eq!(negotiate(1, now).err(), Some(Full::Address));
        assert!(negotiate(1, now + TIMEOUT).is_ok(), "their time is up");
    }

    #[test]
    fn what_came_early_is_taken_for_the_same_user_only() {
        let (store, now) = (ConnectionStore::default(), Instant::now());
        for (claims, is_taken) in [("ann", true), ("bob", false)] {
            let token = ConnectionToken::random();
            store.negotiate(token, waiting(ConnectionId::random(), now), None, TIMEOUT, 10).unwrap();
            let Some(Found::Waiting(early)) = store.find(token, Some(&User::new("ann")), now, TIMEOUT) else {
                panic!()
            };
            let Some(Found::Waiting(same)) = store.find(token, Some(&User::new("bob")), now, TIMEOUT) else { panic!() };
            assert!(!same.is_of(Some(&User::new("bob"))) && same.is_of(Some(&User::new("ann"))));
            let mut taken = false;
            store.claim(token, now, TIMEOUT, |_, brought| {
                taken = Arc::ptr_eq(&brought.of(Some(&User::new(claims))), &early.input);
                Used::WebSocket
            });
            assert_eq!(taken, is_taken, "{claims}");
        }
    }

    #[test]
    fn used_tokens_count_against_no_bound_and_are_not_remembered_in_order() {
        let (store, now) = (ConnectionStore::default(), Instant::now());
        let negotiate = || {
            let token = ConnectionToken::random();
            assert!(store.negotiate(token, waiting(ConnectionId::random(), now), None, TIMEOUT, 2).is_ok());
            token
        };
        negotiate();
        for _ in 0..1_000 {
            let used = negotiate();
            assert!(matches!(claim(&store, used, now), Claim::Granted(_)));
            store.forget_token(used);
        }
        assert_eq!((store.waiting(), store.tokens.len()), (1, 1));
        assert!(store.unused.lock().unwrap().len() <= SPARE_TOKENS + 3);
    }
}

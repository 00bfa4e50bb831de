//! `Detached`: connections without a websocket that wait for another. Past a bound the one ends that has waited longest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use signalr_proto::CloseReason;

use super::ConnectionHandle;
use crate::metrics::Counted;
use crate::options::Options;
use crate::service::Shared;

/// A connection that waits, for as long as it does.
pub(crate) struct Detached {
    server: Arc<Shared>,
    number: u64,
    /// Until when it waits.
    pub(crate) until: Instant,
    _counted: Counted,
}

/// All that wait, and whose they are.
#[derive(Debug, Default)]
pub(crate) struct AllDetached(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    begun: u64,
    /// In the order in which they began to.
    waiting: BTreeMap<u64, ConnectionHandle>,
    /// Numbers of a user's. A user stands here as long as it has any.
    of_user: HashMap<Box<str>, BTreeSet<u64>>,
}

impl Detached {
    /// A connection has lost its websocket. Whom it leaves no room, itself perhaps, is ended.
    pub(crate) fn enter(server: &Arc<Shared>, handle: &ConnectionHandle, until: Instant) -> Self {
        let (number, surplus) = {
            let mut state = server.detached.lock();
            let number = state.add(handle);
            (number, state.take_surplus(handle.user_id(), &server.options))
        };
        for oldest in surplus {
            server.metrics.limit_hit("detached");
            oldest.end(CloseReason::TransportEnded);
        }
        Self { server: server.clone(), number, until, _counted: Counted::by(&server.metrics.detached) }
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        self.server.detached.lock().remove(self.number);
    }
}

impl AllDetached {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, handle: &ConnectionHandle) -> u64 {
        self.begun += 1;
        self.waiting.insert(self.begun, handle.clone());
        if let Some(user) = handle.user_id() {
            self.of_user.entry(user.into()).or_default().insert(self.begun);
        }
        self.begun
    }

    /// After one was added: the oldest of its user and the oldest of all, where these are too many.
    fn take_surplus(&mut self, user: Option<&str>, options: &Options) -> Vec<ConnectionHandle> {
        let of_user = user.and_then(|user| self.of_user.get(user));
        let oldest = of_user.filter(|numbers| numbers.len() > options.max_detached_per_user);
        let oldest = oldest.and_then(BTreeSet::first).copied();
        let of_user = oldest.and_then(|number| self.remove(number));
        let oldest = self.waiting.keys().next().copied().filter(|_| self.waiting.len() > options.max_detached);
        of_user.into_iter().chain(oldest.and_then(|number| self.remove(number))).collect()
    }

    fn remove(&mut self, number: u64) -> Option<ConnectionHandle> {
        let handle = self.waiting.remove(&number)?;
        if let Some(user) = handle.user_id()
            && let Some(numbers) = self.of_user.get_mut(user)
        {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.of_user.remove(user);
            }
        }
        Some(handle)
    }
}

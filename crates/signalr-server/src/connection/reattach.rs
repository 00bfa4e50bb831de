//! `Reattach`: by which another websocket takes over a connection whose own has broken off (stateful reconnect).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use super::ConnectionHandle;
use crate::rate::Bucket;
use crate::transport::Io;

/// What requests with the connection's token share with its task.
pub(crate) struct Reattach {
    pub(crate) handle: ConnectionHandle,
    state: Mutex<State>,
    attempts: Mutex<Bucket>,
}

#[derive(Default)]
enum State {
    /// Not agreed on, as yet or for good: the connection has one websocket only.
    #[default]
    Off,
    Open(Option<(Io, Bytes)>),
    /// The connection has ended.
    Closed,
}

/// Whether another websocket may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MayReattach {
    Yes,
    /// The connection has one already and wants no other.
    No,
    Ended,
}

impl Reattach {
    pub(crate) fn new(handle: ConnectionHandle, now: Instant) -> Self {
        Self { handle, state: Mutex::default(), attempts: Mutex::new(Bucket::new(now)) }
    }

    /// Counts an attempt to do so; `false`: it is one too many.
    pub(crate) fn attempt(&self, now: Instant, per_second: u32) -> bool {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).take(now, per_second, per_second)
    }

    pub(crate) fn may(&self) -> MayReattach {
        match &*self.lock() {
            State::Off => MayReattach::No,
            State::Open(_) => MayReattach::Yes,
            State::Closed => MayReattach::Ended,
        }
    }

    /// Both sides have agreed on it.
    pub(crate) fn open(&self) {
        *self.lock() = State::Open(None);
    }

    pub(crate) fn close(&self) {
        *self.lock() = State::Closed;
    }

    /// Offers another websocket; one that waits already is dropped, as is this one if the connection has ended.
    pub(crate) fn offer(&self, io: Io, early: Bytes) {
        if let State::Open(offered) = &mut *self.lock() {
            *offered = Some((io, early));
        }
        self.handle.outbox().wake_task();
    }

    pub(crate) fn take(&self) -> Option<(Io, Bytes)> {
        if let State::Open(offered) = &mut *self.lock() { offered.take() } else { None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Reattach {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reattach").field("may", &self.may()).finish_non_exhaustive()
    }
}

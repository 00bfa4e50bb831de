//! One connection: `ConnectionHandle` for everyone who sends to it, `driver.rs` for its own task.

mod buffers;
mod calls;
mod driver;
mod ending;
mod input_share;
mod raw;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use signalr_proto::{CloseReason, Encoding};

pub(crate) use driver::run;
pub(crate) use input_share::InputShares;

use crate::frame::Frame;
use crate::ids::ConnectionId;
use crate::outbox::{Outbox, Pushed};

/// A connection, for sending to it. Cheap to clone; does not keep the connection alive.
#[derive(Debug, Clone)]
pub struct ConnectionHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: ConnectionId,
    outbox: Outbox,
    encoding: OnceLock<Encoding>,
    membership: Mutex<Membership>,
}

#[derive(Debug, Default)]
struct Membership {
    ended: bool,
    groups: Vec<Box<str>>,
}

impl ConnectionHandle {
    pub(crate) fn new(id: ConnectionId, outbox: Outbox) -> Self {
        let (encoding, membership) = (OnceLock::new(), Mutex::default());
        Self(Arc::new(Inner { id, outbox, encoding, membership }))
    }

    /// Its public name.
    pub fn id(&self) -> ConnectionId {
        self.0.id
    }

    /// The encoding it speaks; `None` before its handshake.
    pub fn encoding(&self) -> Option<Encoding> {
        self.0.encoding.get().copied()
    }

    /// Sends a frame that others may share. Writes at once if nothing waits, queues a reference otherwise, never waits.
    /// The frame must be in this connection's [`encoding`](Self::encoding).
    pub fn push(&self, frame: &Frame, now: Instant) -> Pushed {
        debug_assert_eq!(Some(frame.encoding()), self.encoding());
        self.0.outbox.push(frame, now)
    }

    /// Ends the connection: nothing more is taken, and the client is told why as far as it may know.
    pub fn end(&self, reason: CloseReason) {
        self.0.outbox.condemn(reason);
    }

    /// Whether it has ended.
    pub fn is_ended(&self) -> bool {
        self.membership().ended
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    pub(crate) fn opened(&self, encoding: Encoding) {
        let _ = self.0.encoding.set(encoding);
    }

    /// Notes a membership; `false` if it stood already, or the connection has ended.
    pub(crate) fn join(&self, group: &str) -> bool {
        let mut membership = self.membership();
        let joins = !membership.ended && membership.groups.iter().all(|name| **name != *group);
        if joins {
            membership.groups.push(group.into());
        }
        joins
    }

    pub(crate) fn leave(&self, group: &str) -> bool {
        let mut membership = self.membership();
        let before = membership.groups.len();
        membership.groups.retain(|name| **name != *group);
        membership.groups.len() < before
    }

    /// Takes all memberships, and lets no more be added.
    pub(crate) fn leave_groups(&self) -> Vec<Box<str>> {
        let mut membership = self.membership();
        membership.ended = true;
        std::mem::take(&mut membership.groups)
    }

    fn membership(&self) -> MutexGuard<'_, Membership> {
        self.0.membership.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for ConnectionHandle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

//! One connection: `ConnectionHandle` for everyone who sends to it, `driver.rs` for its own task.

mod buffers;
mod calls;
mod detached;
mod driver;
mod ending;
mod input_share;
mod raw;
mod reattach;
mod streams;
mod uploads;

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use signalr_proto::{CloseReason, Encoding, Outcome};

pub(crate) use detached::AllDetached;
pub(crate) use driver::{Registration, run};
pub(crate) use input_share::InputShares;
pub(crate) use reattach::{MayReattach, Reattach};

use crate::client_results::{Asked, InvokeError, Waiter};
use crate::frame::Frame;
use crate::ids::ConnectionId;
use crate::outbox::{Burst, Outbox, Pushed};
use crate::transport::Transport;
use crate::user::User;

/// Who a connection belongs to, and what its hub keeps of its first request.
#[derive(Debug, Default)]
pub(crate) struct Who {
    pub(crate) user: Option<User>,
    pub(crate) context: Option<Context>,
}

/// What [`Hub::context`](crate::Hub::context) made of a request.
pub(crate) type Context = Box<dyn Any + Send + Sync>;

/// A connection, for sending to it. Cheap to clone; does not keep the connection alive.
#[derive(Debug, Clone)]
pub struct ConnectionHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: ConnectionId,
    outbox: Outbox,
    encoding: OnceLock<Encoding>,
    user: Option<Box<User>>,
    context: Option<Context>,
    membership: Mutex<Membership>,
}

#[derive(Debug, Default)]
struct Membership {
    ended: bool,
    /// The client can answer nothing any more.
    answers_ended: bool,
    groups: Vec<Box<str>>,
    /// What the client was asked, made with the first question.
    asked: Option<Box<Asked>>,
}

impl ConnectionHandle {
    pub(crate) fn of(id: ConnectionId, outbox: Outbox, who: Who) -> Self {
        let (encoding, membership) = (OnceLock::new(), Mutex::default());
        let Who { user, context } = who;
        Self(Arc::new(Inner { id, outbox, encoding, user: user.map(Box::new), context, membership }))
    }

    /// Its public name.
    pub fn id(&self) -> ConnectionId {
        self.0.id
    }

    /// Who it belongs to, if that is known.
    pub fn user(&self) -> Option<&User> {
        self.0.user.as_deref()
    }

    /// The id of its user, if there is one.
    pub fn user_id(&self) -> Option<&str> {
        self.user().and_then(|user| user.id.as_deref())
    }

    /// What [`Hub::context`](crate::Hub::context) has kept of its first request. `None`: nothing, or another type.
    pub fn context<C: 'static>(&self) -> Option<&C> {
        self.0.context.as_ref()?.downcast_ref()
    }

    /// What carries it.
    pub fn transport(&self) -> Transport {
        self.0.outbox.transport()
    }

    /// The encoding it speaks; `None` before its handshake.
    pub fn encoding(&self) -> Option<Encoding> {
        self.0.encoding.get().copied()
    }

    /// Sends a frame that others may share. Writes at once if nothing waits, queues a reference otherwise, never waits.
    /// The frame must be in this connection's [`encoding`](Self::encoding).
    pub fn push(&self, frame: &Frame, now: Instant) -> Pushed {
        debug_assert_eq!(Some(frame.encoding()), self.encoding());
        self.0.outbox.push(frame, None, now)
    }

    /// The same for one of several frames that came to be in one go: all are taken if what waited before the first was
    /// within the bound, so that no single burst ends a client that keeps up. What may wait for all connections bounds it.
    pub fn push_in(&self, burst: Burst, frame: &Frame, now: Instant) -> Pushed {
        debug_assert_eq!(Some(frame.encoding()), self.encoding());
        self.0.outbox.push(frame, Some(burst), now)
    }

    /// Waits until so little waits for the client that a sender at its pace may go on, or until the connection ends.
    pub(crate) async fn room(&self) {
        // A client that takes everything at once must not keep others on this thread from their turn.
        tokio::task::coop::consume_budget().await;
        std::future::poll_fn(|cx| self.outbox().poll_room(cx)).await;
    }

    /// Ends the connection: nothing more is taken, and the client is told why as far as it may know.
    pub fn end(&self, reason: CloseReason) {
        self.0.outbox.condemn(reason);
    }

    /// Whether anybody else keeps it.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Whether it has ended.
    pub fn is_ended(&self) -> bool {
        self.membership().ended
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// Answers the handshake. Whoever sees the encoding, and so may send, does so behind the answer.
    pub(crate) fn open(&self, encoding: Encoding, answer: &[u8], now: Instant) -> Pushed {
        self.0.outbox.push_first(answer, now, || {
            let _ = self.0.encoding.set(encoding);
        })
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
        self.end_answers();
        let mut membership = self.membership();
        membership.ended = true;
        std::mem::take(&mut membership.groups)
    }

    /// Notes that an answer is awaited, up to `limit` at once; its number.
    pub(crate) fn await_answer(&self, waiter: Waiter, limit: usize) -> Result<u64, InvokeError> {
        let mut membership = self.membership();
        if membership.answers_ended {
            return Err(InvokeError::Disconnected(self.id()));
        }
        let added = membership.asked.get_or_insert_default().add(waiter, limit);
        drop(membership);
        added.map_err(|_| InvokeError::TooMany(self.id()))
    }

    /// The answer is not awaited any more.
    pub(crate) fn forget_answer(&self, number: u64) {
        let waiter = self.membership().asked.as_mut().and_then(|asked| asked.take(number));
        drop(waiter);
    }

    /// Hands an answer to whoever awaits it; others are ignored.
    pub(crate) fn answer(&self, invocation_id: &str, outcome: Outcome<'_>) {
        let waiter = self.membership().asked.as_mut().and_then(|asked| asked.take_by_id(invocation_id));
        if let Some(waiter) = waiter {
            waiter(Ok(outcome));
        }
    }

    /// Fails all answers that are awaited, and those that will be.
    pub(crate) fn end_answers(&self) {
        let asked = {
            let mut membership = self.membership();
            membership.answers_ended = true;
            membership.asked.take()
        };
        for waiter in asked.into_iter().flat_map(|asked| asked.take_all()) {
            waiter(Err(InvokeError::Disconnected(self.id())));
        }
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

//! `Round`: frames on their way to many connections, and `cut_off`, for those whom nothing more will reach.

use std::borrow::Borrow;
use std::time::Instant;

use signalr_server::{Burst, CloseReason, ConnectionHandle, ConnectionId, Frame, Pushed};

/// What a topic's task hands over in one go: however much that is, it ends nobody who kept up before.
#[derive(Debug)]
pub(crate) struct Round {
    now: Instant,
    burst: Burst,
    writes: usize,
    ended: Vec<ConnectionId>,
}

impl Round {
    pub(crate) fn begin() -> Self {
        Self { now: Instant::now(), burst: Burst::begin(), writes: 0, ended: Vec::new() }
    }

    /// Hands a frame over; `false` if the connection has ended.
    pub(crate) fn push(&mut self, member: &ConnectionHandle, frame: &Frame) -> bool {
        let is_taken = member.push_in(self.burst, frame, self.now) != Pushed::Ended;
        if !is_taken {
            self.ended.push(member.id());
        }
        is_taken
    }

    /// Lets others have their turn after so many calls of it. One for each [`push`](Self::push).
    pub(crate) async fn pause(&mut self) {
        self.writes += 1;
        if self.writes.is_multiple_of(WRITES_PER_TURN) {
            tokio::task::yield_now().await;
        }
    }

    /// Connections that have ended.
    pub(crate) fn ended(self) -> Vec<ConnectionId> {
        self.ended
    }
}

/// Ends subscribers of a topic. Quix's callbacks have no sign for a gap, so the connection ends with one; a new one starts
/// anew.
pub(crate) fn cut_off(topic: &str, reason: &str, members: impl Iterator<Item = impl Borrow<ConnectionHandle>>) {
    let mut count = 0;
    for member in members {
        member.borrow().end(CloseReason::Fault(reason.to_owned().into()));
        count += 1;
    }
    if count > 0 {
        tracing::warn!(topic, reason, connections = count, "subscribers were cut off");
    }
}

/// What subscribers are told when a topic's task ends and nobody knows why.
pub(crate) const STOPPED: &str = "The server stopped reading the topic.";

/// Measured: 64 keeps a timer's delay at 3 ms and costs nothing.
const WRITES_PER_TURN: usize = 64;

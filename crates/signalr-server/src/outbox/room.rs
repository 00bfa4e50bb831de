//! Producers at a connection's own pace: they wait while more waits for the client than it takes in one go.

use std::task::{Context, Poll, Waker};

use super::{Outbox, Phase, State};

impl Outbox {
    /// Whether so little waits that a producer at this connection's own pace may go on. If not, the connection's task is
    /// woken once half of that has gone out.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = self.lock();
        state.awaits_room = !self.has_room_for(&state, 1);
        !state.awaits_room
    }

    /// Whether the task is to be woken for that now.
    pub(super) fn has_room_again(&self, state: &mut State) -> bool {
        let has_room_again = state.awaits_room && self.has_room_for(state, 2);
        state.awaits_room &= !has_room_again;
        has_room_again
    }

    /// Waits for the same from anywhere, or for the end of the connection. Any number may wait.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Open) || self.has_room_for(&state, 1) {
            return Poll::Ready(());
        }
        if !state.senders.iter().any(|sender| sender.will_wake(cx.waker())) {
            state.senders.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Those who wait and may go on, to be woken without the lock.
    pub(super) fn senders_with_room(&self, state: &mut State) -> Vec<Waker> {
        if self.has_room_for(state, 2) { std::mem::take(&mut state.senders) } else { Vec::new() }
    }

    /// Whether no more waits than one of so many parts of a producer's bound.
    fn has_room_for(&self, state: &State, parts: usize) -> bool {
        let bytes = ROOM_BYTES.min(self.bounds.bytes / 2);
        let unacknowledged = state.replay.as_ref().map_or(0, |replay| replay.bytes());
        if unacknowledged >= self.bounds.unacknowledged / parts {
            return false;
        }
        state
            .queue
            .as_ref()
            .is_none_or(|queue| queue.bytes() < bytes / parts && queue.len() < self.bounds.frames / 2 / parts)
    }
}

/// What may wait for a connection before producers at its own pace wait as well.
/// Source: the transport buffers of ASP.NET Core.
const ROOM_BYTES: usize = 64 * 1024;

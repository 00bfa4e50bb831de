//! `Total`: the bound of what waits for all connections together. Past it those with the fullest queues end.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use signalr_proto::CloseReason;

use super::{Outbox, Phase, Pushed};
use crate::connection_store::ConnectionStore;

#[derive(Debug)]
pub(crate) struct Total {
    /// Bytes.
    limit: usize,
    connections: Weak<ConnectionStore>,
    /// Held by whoever makes room.
    turn: Mutex<()>,
}

impl Total {
    pub(crate) fn new(limit: usize, connections: &Arc<ConnectionStore>) -> Self {
        Self { limit, connections: Arc::downgrade(connections), turn: Mutex::new(()) }
    }

    /// Without others.
    #[cfg(test)]
    pub(super) fn alone(limit: usize) -> Self {
        Self { limit, connections: Weak::new(), turn: Mutex::new(()) }
    }
}

impl Outbox {
    pub(super) fn is_over_total(&self) -> bool {
        self.metrics.output_waiting() > self.bounds.total.limit
    }

    /// Makes room for what this one has just queued. An eighth of the bound becomes free at least, so that the next look
    /// at all connections is that far away. Not under the lock.
    pub(super) fn make_room(&self) -> Pushed {
        let total = &self.bounds.total;
        let _turn = total.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_over_total() {
            let connections = total.connections.upgrade().map(|store| store.connections(&[])).unwrap_or_default();
            let mut fullest: Vec<_> =
                connections.iter().map(|connection| (connection.outbox().waiting(), connection.outbox())).collect();
            fullest.sort_unstable_by_key(|(bytes, _)| Reverse(*bytes));
            let mut fullest = fullest.into_iter().take_while(|(bytes, _)| *bytes > 0);
            while self.metrics.output_waiting() > total.limit - total.limit / 8
                && let Some((_, outbox)) = fullest.next()
            {
                outbox.write_off();
            }
        }
        if self.is_over_total() {
            // It is not among them, as before its handshake or without hub protocol.
            self.write_off();
        }
        if matches!(self.lock().phase, Phase::Open) { Pushed::Queued } else { Pushed::Ended }
    }

    /// Bytes that its end would free.
    fn waiting(&self) -> usize {
        let state = self.lock();
        if matches!(state.phase, Phase::Open) { state.waiting() } else { 0 }
    }

    /// Ends the connection as too slow. What waits for it counts no more from here on, though only its task forgets it.
    fn write_off(&self) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open) {
            self.metrics.limit_hit("output_total");
            self.metrics.output_dequeued(state.waiting());
            state.is_written_off = true;
            self.condemn_locked(state, CloseReason::TooSlow);
        }
    }
}

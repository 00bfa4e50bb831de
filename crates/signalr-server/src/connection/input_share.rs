//! `InputShare`: what one connection holds of unfinished input, counted with everybody else's. Past the bound the
//! connection ends that has held some for the longest time: whoever never finishes does not keep others from sending.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use signalr_proto::CloseReason;

use super::ConnectionHandle;
use crate::service::Shared;

/// The shares of all connections.
#[derive(Debug, Default)]
pub(crate) struct InputShares(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    begun: u64,
    /// Those that hold some, in the order in which they began to. Whoever is taken out by another has been ended.
    holding: BTreeMap<u64, (usize, ConnectionHandle)>,
}

pub(crate) struct InputShare {
    server: Arc<Shared>,
    handle: ConnectionHandle,
    bytes: usize,
    /// Place in the order, while it holds some.
    number: Option<u64>,
}

impl InputShare {
    pub(crate) fn new(server: Arc<Shared>, handle: ConnectionHandle) -> Self {
        Self { server, handle, bytes: 0, number: None }
    }

    /// Counts what is held now, and ends who has held some for too long if all together hold too much.
    pub(crate) fn hold(&mut self, bytes: usize) {
        if bytes == std::mem::replace(&mut self.bytes, bytes) {
            return;
        }
        let ended = {
            let mut state = self.server.input.0.lock().unwrap_or_else(PoisonError::into_inner);
            self.number = state.count(self.number, bytes, &self.handle);
            state.take_oldest(self.server.options.max_total_input_bytes)
        };
        for handle in ended {
            self.server.metrics.limit_hit("input_total");
            handle.end(CloseReason::Fault("The server holds too much unfinished input.".into()));
        }
    }
}

impl State {
    /// Notes what one holds; gives its place in the order, if it holds some.
    fn count(&mut self, number: Option<u64>, bytes: usize, handle: &ConnectionHandle) -> Option<u64> {
        match number {
            Some(number) if bytes == 0 => {
                self.bytes -= self.holding.remove(&number).map_or(0, |(held, _)| held);
                None
            }
            Some(number) => {
                if let Some((held, _)) = self.holding.get_mut(&number) {
                    self.bytes = self.bytes - *held + bytes;
                    *held = bytes;
                }
                Some(number)
            }
            None => {
                self.begun += 1;
                self.bytes += bytes;
                self.holding.insert(self.begun, (bytes, handle.clone()));
                Some(self.begun)
            }
        }
    }

    fn take_oldest(&mut self, limit: usize) -> Vec<ConnectionHandle> {
        let mut oldest = Vec::new();
        while self.bytes > limit
            && let Some((_, (bytes, handle))) = self.holding.pop_first()
        {
            self.bytes -= bytes;
            oldest.push(handle);
        }
        oldest
    }
}

impl Drop for InputShare {
    fn drop(&mut self) {
        self.hold(0);
    }
}

//! `Subscribers`: the connections that get the same calls, each encoded once per encoding; and `Calls`, those of one turn.

use std::collections::HashMap;
use std::time::Instant;

use serde::Serialize;
use signalr_server::{CloseReason, ConnectionHandle, ConnectionId, Encoding, Frame, FrameBuilder, Pushed};

#[derive(Debug, Default)]
pub(crate) struct Subscribers(HashMap<ConnectionId, ConnectionHandle>);

impl Subscribers {
    /// Adds a connection; twice is once.
    pub(crate) fn insert(&mut self, connection: ConnectionHandle) {
        self.0.insert(connection.id(), connection);
    }

    pub(crate) fn remove(&mut self, connection: ConnectionId) {
        self.0.remove(&connection);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For calls of all of them, in the encodings that they speak.
    pub(crate) fn calls(&self) -> Calls {
        let speaks = |encoding: &Encoding| self.0.values().any(|member| encoding_of(member) == *encoding);
        let encodings = [Encoding::Json, Encoding::MessagePack].into_iter().filter(speaks);
        Calls { open: encodings.map(|encoding| (encoding, FrameBuilder::new(encoding))).collect(), full: Vec::new() }
    }

    /// Sends what was gathered, the same frames to all who speak an encoding. Those that have ended are let go.
    pub(crate) async fn send(&mut self, calls: Calls) {
        let frames = calls.finish();
        if frames.is_empty() {
            return;
        }
        let (now, mut ended) = (Instant::now(), Vec::new());
        for (index, member) in self.0.values().enumerate() {
            if index % WRITES_PER_TURN == WRITES_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let mut spoken = frames.iter().filter(|frame| frame.encoding() == encoding_of(member));
            if spoken.any(|frame| member.push(frame, now) == Pushed::Ended) {
                ended.push(member.id());
            }
        }
        ended.into_iter().for_each(|member| self.remove(member));
    }

    /// Ends all connections, which shall know why.
    pub(crate) fn end_all(&mut self, reason: &str) {
        for (_, member) in self.0.drain() {
            member.end(CloseReason::Fault(reason.to_owned().into()));
        }
    }
}

/// Calls on their way, several to a frame.
#[derive(Debug)]
pub(crate) struct Calls {
    /// One for each encoding.
    open: Vec<(Encoding, FrameBuilder)>,
    full: Vec<Frame>,
}

impl Calls {
    pub(crate) fn add<A: Serialize>(&mut self, target: &str, arguments: &A) {
        for (encoding, builder) in &mut self.open {
            if let Err(error) = builder.invocation(target, arguments) {
                tracing::error!(%error, "a call was left out");
            }
            if builder.len() >= FRAME_BYTES {
                self.full.push(std::mem::replace(builder, FrameBuilder::new(*encoding)).finish());
            }
        }
    }

    fn finish(mut self) -> Vec<Frame> {
        let begun = self.open.into_iter().map(|(_, builder)| builder).filter(|builder| !builder.is_empty());
        self.full.extend(begun.map(FrameBuilder::finish));
        self.full
    }
}

/// Subscribers have shaken hands: they have called to become such.
fn encoding_of(connection: &ConnectionHandle) -> Encoding {
    connection.encoding().unwrap_or(Encoding::Json)
}

/// A frame takes no further call beyond this size.
const FRAME_BYTES: usize = 64 * 1024;

/// Writes before others get their turn.
const WRITES_PER_TURN: usize = 64;

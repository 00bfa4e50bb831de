//! Stateful reconnect as the connection's task sees it: its websocket breaks off, and another takes over or does not come.

use std::time::Instant;

use super::Driver;
use super::input::Held;
use crate::connection::detached::Detached;
use crate::transport::Io;
use crate::transport::websocket::FrameReader;

impl Driver {
    /// Another websocket takes over, or did not come in time.
    pub(super) fn look_for_websocket(&mut self, now: Instant) {
        let Some(reattach) = &self.reattach else { return };
        if let Some((io, early)) = reattach.take() {
            self.drop_websocket();
            self.detached = None;
            self.io = io;
            self.held = Held::early(&early);
            self.protocol.handle_reattached(now);
            self.handle.outbox().reattach(now);
        } else if self.detached_until().is_some_and(|until| until <= now) {
            self.protocol.handle_end_of_input(false);
        }
    }

    /// Whether a broken websocket is not the end.
    pub(super) fn may_detach(&self) -> bool {
        self.protocol.is_stateful() && self.reattach.is_some() && !self.end_of_stream
    }

    /// The websocket is gone; another may come.
    pub(super) fn detach(&mut self, now: Instant) {
        self.drop_websocket();
        if self.detached.is_none() {
            let until = now + self.server.options.disconnect_timeout;
            self.detached = Some(Detached::enter(&self.server, &self.handle, until));
            tracing::debug!(connection_id = %self.handle.id(), "its websocket has broken off; another may come");
        }
    }

    /// What had come of it and was not taken comes again, as it was not acknowledged.
    fn drop_websocket(&mut self) {
        self.io = Io::Detached;
        self.frames = FrameReader::new();
        self.held = Held::default();
        self.handle.outbox().detach();
    }

    /// Until when another websocket is waited for.
    pub(super) fn detached_until(&self) -> Option<Instant> {
        self.detached.as_ref().map(|detached| detached.until)
    }
}

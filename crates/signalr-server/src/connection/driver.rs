//! The task of one connection: one loop over what can happen (calls end, bytes arrive, time passes, somebody wants the
//! connection to end, the socket takes more), each turn ending in the same pump.

mod input;
mod reattach;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use signalr_proto::{CloseReason, Connection, Encoding, Output};
use tokio::time::Sleep;

use super::ConnectionHandle;
use super::buffers::Buffers;
use super::calls::{Calls, ConnectRefused};
use super::detached::Detached;
use super::ending::{Stage, admits_calls, close_frame, keeps_output, shown};
use super::input_share::InputShare;
use super::raw;
use super::reattach::Reattach;
use crate::address::Seat;
use crate::clock;
use crate::frame::{HEAD_ROOM, opcode, write_head};
use crate::groups;
use crate::hub::Caller;
use crate::ids::ConnectionToken;
use crate::outbox::Pushed;
use crate::pace::Pace;
use crate::rate::Bucket;
use crate::service::Shared;
use crate::transport::{Io, websocket::FrameReader};

use self::input::Held;

/// Runs a connection from its first byte to its last.
pub(crate) async fn run(
    server: Arc<Shared>,
    handle: ConnectionHandle,
    io: Io,
    early: Bytes,
    registration: Registration,
) {
    let id = handle.id();
    let registered = Registered { server, handle, registration };
    if let Some(handler) = &registered.server.raw {
        // Boxed, so that connections of a hub need no room for it.
        return Box::pin(raw::run(&registered, handler, io, early)).await;
    }
    let mut driver = Driver::new(&registered, io, early, clock::now());
    let ended = AssertUnwindSafe(poll_fn(|cx| driver.poll(cx))).catch_unwind().await;
    if ended.is_err() {
        registered.server.metrics.panics.inc();
        tracing::error!(connection_id = %id, "a connection ended by a fault of ours");
        if let Some(farewell) = driver.fault() {
            // Should it panic as well, the connection is forgotten all the same.
            let _ = AssertUnwindSafe(farewell).catch_unwind().await;
        }
    }
}

/// Forgets a connection when its task ends, however it ends.
pub(super) struct Registered {
    pub(super) server: Arc<Shared>,
    pub(super) handle: ConnectionHandle,
    registration: Registration,
}

/// How later requests find a connection.
pub(crate) struct Registration {
    pub(crate) token: Option<ConnectionToken>,
    /// By which another websocket may take over.
    pub(crate) reattach: Option<Arc<Reattach>>,
    /// Its own among those of its address.
    pub(crate) _seat: Option<Seat>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(reattach) = &self.registration.reattach {
            reattach.close();
        }
        self.handle.outbox().end();
        groups::leave_all(&self.server, &self.handle);
        self.server.store.remove(self.handle.id());
        // Whoever keeps a handle keeps the socket, but not the client waiting.
        if let Some(socket) = self.handle.outbox().socket().filter(|_| self.handle.is_shared()) {
            let _ = socket2::SockRef::from(socket).shutdown(std::net::Shutdown::Both);
        }
        if let Some(token) = self.registration.token {
            self.server.store.forget_token(token);
        }
        self.server.connection_ended(self.handle.transport());
    }
}

struct Driver {
    server: Arc<Shared>,
    handle: ConnectionHandle,
    io: Io,
    stage: Stage,
    protocol: Connection,
    frames: FrameReader,
    reattach: Option<Arc<Reattach>>,
    /// Without a websocket since it broke off.
    detached: Option<Detached>,
    calls: Calls,
    held: Held,
    input: InputShare,
    /// The client's side of the stream has ended.
    end_of_stream: bool,
    /// Bytes that came after the goodbye.
    discarded: usize,
    close_code: u16,
    control_frames: Bucket,
    /// Of the calls, if the connection is nobody's.
    pace: Pace,
    timer: Pin<Box<Sleep>>,
    /// The disconnected handler, once the connection has ended.
    farewell: Option<BoxFuture<'static, ()>>,
    /// The connected handler was begun, and has not failed.
    is_known_to_hub: bool,
}

impl Driver {
    fn new(registered: &Registered, io: Io, early: Bytes, now: Instant) -> Self {
        let server = registered.server.clone();
        let reattach = registered.registration.reattach.clone();
        let protocol = Connection::server(server.protocol.clone(), now).over(io.transport().format());
        let protocol = if reattach.is_some() { protocol.stateful() } else { protocol };
        let due = protocol.poll_timeout().unwrap_or(now);
        Self {
            handle: registered.handle.clone(),
            io,
            stage: Stage::Running,
            protocol,
            frames: FrameReader::new(),
            reattach,
            detached: None,
            calls: Calls::new(server.clone()),
            input: InputShare::new(server.clone(), registered.handle.clone()),
            held: Held::early(&early),
            end_of_stream: false,
            discarded: 0,
            close_code: NORMAL_CLOSURE,
            control_frames: Bucket::new(now),
            pace: Pace::default(),
            timer: Box::pin(tokio::time::sleep_until(due.into())),
            farewell: None,
            is_known_to_hub: false,
            server,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut buffers = Buffers::take();
        let ended = self.turn(&mut buffers, cx);
        buffers.give_back();
        ended
    }

    fn turn(&mut self, buffers: &mut Buffers, cx: &mut Context<'_>) -> Poll<()> {
        let now = clock::now();
        if let Stage::Running = self.stage {
            if let Some(reason) = self.handle.outbox().condemned() {
                self.protocol.close(reason);
            }
            self.look_for_polls(now);
            self.look_for_websocket(now);
            self.poll_calls(&mut buffers.output, cx);
            self.look_for_expiry(now);
            self.poll_input(buffers, now, cx);
            self.count_input(cx);
            self.settle(&mut buffers.output, now);
        } else {
            self.discard_input(&mut buffers.input, cx);
        }
        self.do_what_is_due(&mut buffers.output, now);
        self.finish_calls(&mut buffers.output, cx);
        let ended = self.poll_end(&mut buffers.input, now, cx);
        if ended.is_pending() {
            self.poll_timer(now, cx);
        }
        ended
    }

    /// A client that has deleted its connection, or does not poll any more, is gone.
    fn look_for_polls(&mut self, now: Instant) {
        if let Some(connection) = self.io.polls()
            && (connection.polls.is_deleted() || self.poll_deadline().is_some_and(|deadline| deadline <= now))
        {
            self.protocol.handle_end_of_input(true);
        }
    }

    /// When the credentials of its user end, no more calls begin, and those under way have a moment left.
    fn look_for_expiry(&mut self, now: Instant) {
        let Some(expiry) = self.expiry().filter(|expiry| *expiry <= now) else {
            return;
        };
        self.calls.take_no_more();
        if self.calls.in_flight() == 0 || expiry + LAST_CALLS <= now {
            self.protocol.close(CloseReason::Expired);
        }
    }

    fn expiry(&self) -> Option<Instant> {
        self.handle.user()?.expires
    }

    /// When [`look_for_expiry`](Self::look_for_expiry) has something to do.
    fn expiry_due(&self, now: Instant) -> Option<Instant> {
        self.expiry().map(|expiry| if expiry > now { expiry } else { expiry + LAST_CALLS })
    }

    fn poll_deadline(&self) -> Option<Instant> {
        self.io.polls()?.polls.deadline(self.server.options.disconnect_timeout)
    }

    fn poll_calls(&mut self, out: &mut Vec<u8>, cx: &mut Context<'_>) {
        let Some(encoding) = self.protocol.encoding() else {
            return;
        };
        if let Err(ConnectRefused(reason)) = self.calls.poll(encoding, cx, out) {
            self.is_known_to_hub = false;
            self.protocol.close(reason);
        }
    }

    /// After the goodbye: what was being admitted comes to its end, and nobody is answered.
    fn finish_calls(&mut self, out: &mut Vec<u8>, cx: &mut Context<'_>) {
        if !matches!(self.stage, Stage::Running) && !self.calls.is_empty() {
            // In whichever encoding: what is appended goes nowhere. Only the connected handler, which is dropped, could refuse.
            let _ = self.calls.poll(Encoding::Json, cx, out);
            self.calls.drop_guards();
            out.truncate(HEAD_ROOM);
        }
    }

    /// The handshake succeeded: others find the connection before its client can know, and are heard behind the answer.
    fn open(&mut self, out: &mut Vec<u8>, now: Instant, cx: &mut Context<'_>) {
        let Some(encoding) = self.protocol.encoding() else {
            return;
        };
        if let Some(reattach) = self.reattach.as_ref().filter(|_| self.protocol.is_stateful()) {
            self.handle.outbox().keep_unacknowledged(encoding);
            reattach.open();
        }
        self.server.store.insert(self.handle.clone());
        groups::enter_user(&self.server, &self.handle);
        if let Some(Output::Send(answer)) = self.protocol.poll_output() {
            out.extend_from_slice(&answer);
        }
        let start = self.frame(out);
        if self.handle.open(encoding, &out[start..], now) == Pushed::Ended {
            // Condemned already. The answer goes out with the goodbye, which alone would not be understood.
            let reason = self.handle.outbox().condemned();
            return reason.into_iter().for_each(|reason| self.protocol.close(reason));
        }
        out.truncate(HEAD_ROOM);
        if self.server.draining.load(Ordering::Relaxed) {
            // The stopping server may have said its goodbyes already.
            return self.protocol.close(CloseReason::Draining);
        }
        self.server.metrics.opened();
        self.is_known_to_hub = true;
        tracing::info!(connection_id = %self.handle.id(), transport = self.io.transport().name(), "connection opened");
        let caller = self.caller();
        if let Err(ConnectRefused(reason)) = self.calls.connect(caller, encoding, now, cx, out) {
            self.is_known_to_hub = false;
            self.protocol.close(reason);
        }
    }

    fn caller(&self) -> Caller {
        Caller { handle: self.handle.clone(), server: Arc::downgrade(&self.server) }
    }

    /// Sends what this turn brought, as one frame, and begins the end if there is one.
    fn settle(&mut self, out: &mut Vec<u8>, now: Instant) {
        while let Some(output) = self.protocol.poll_output() {
            match output {
                Output::Send(bytes) => out.extend_from_slice(&bytes),
                Output::End(reason) => return self.end(reason, out, now),
            }
        }
        if out.len() > HEAD_ROOM {
            let start = self.frame(out);
            let pushed = self.handle.outbox().push_slice(&out[start..], now);
            if pushed == Pushed::Ended
                && let Some(reason) = self.handle.outbox().condemned().filter(keeps_output)
            {
                // Condemned since this turn began: its answers go out with the goodbye.
                self.protocol.close(reason);
                return self.settle(out, now);
            }
            out.truncate(HEAD_ROOM);
        }
        self.calls.drop_guards();
    }

    /// Puts a frame around what is to be sent, if the transport has any, and tells where it begins.
    fn frame(&self, out: &mut [u8]) -> usize {
        if !self.handle.outbox().is_framed() {
            return HEAD_ROOM;
        }
        // A refused handshake is answered in JSON, whatever the client wanted to speak.
        let encoding = self.handle.encoding().or_else(|| self.protocol.encoding());
        write_head(opcode(encoding.unwrap_or(Encoding::Json)), out)
    }

    /// Says goodbye, tells the hub, and forgets the calls, but for what is being admitted.
    fn end(&mut self, reason: CloseReason, out: &mut Vec<u8>, now: Instant) {
        tracing::info!(connection_id = %self.handle.id(), reason = reason.label(), error = reason.error().map(shown), "connection closed");
        self.server.metrics.closed(reason.label());
        if admits_calls(&reason) {
            self.calls.leave();
        } else {
            self.calls.clear();
        }
        let was_detached = self.detached.take().is_some();
        if let Some(reattach) = &self.reattach {
            reattach.close();
        }
        self.held = Held::default();
        self.input.hold(0);
        if let Io::Http(connection) = &self.io {
            connection.input.refuse();
        }
        if reason == CloseReason::TransportEnded || was_detached {
            self.end_of_stream = true;
            self.handle.outbox().end();
        } else {
            let mut last = Vec::new();
            if out.len() > HEAD_ROOM {
                let start = self.frame(out);
                last.extend_from_slice(&out[start..]);
            }
            let outbox = self.handle.outbox();
            if outbox.is_framed() {
                last.extend_from_slice(&close_frame(self.close_code));
            }
            if self.io.polls().is_some_and(|connection| connection.polls.is_deleted()) {
                outbox.close(Bytes::new(), false, now);
            } else {
                outbox.close(last.into(), keeps_output(&reason), now);
            }
        }
        out.truncate(HEAD_ROOM);
        self.stage = Stage::draining(now);
        self.farewell = Some(self.say_farewell(reason.error()));
    }

    /// After a panic: nothing more is sent, and the hub is told, unless it was its farewell that panicked.
    fn fault(&mut self) -> Option<BoxFuture<'static, ()>> {
        self.detached = None;
        self.handle.outbox().end();
        self.calls.clear();
        matches!(self.stage, Stage::Running).then(|| {
            self.server.metrics.closed("panic");
            self.say_farewell(Some(PANICKED.to_owned()))
        })
    }

    /// Tells the hub, leaves the groups, and is no target any more, in this order.
    fn say_farewell(&self, error: Option<String>) -> BoxFuture<'static, ()> {
        self.handle.end_answers();
        let (server, caller, known) = (self.server.clone(), self.caller(), self.is_known_to_hub);
        async move {
            let handle = caller.handle.clone();
            if known {
                server.hub.disconnected(caller, error).await;
            }
            groups::leave_all(&server, &handle);
            server.store.remove(handle.id());
        }
        .boxed()
    }

    fn do_what_is_due(&mut self, out: &mut Vec<u8>, now: Instant) {
        let Stage::Running = self.stage else { return };
        let outbox = self.handle.outbox();
        if outbox.deadline().is_some_and(|deadline| deadline <= now) {
            self.server.metrics.limit_hit("write_stall");
            self.protocol.close(CloseReason::TooSlow);
        } else if self.protocol_deadline().is_some_and(|due| due <= now) {
            if self.held.is_paused {
                // What the client sends meanwhile is not read, so its silence means nothing.
                self.protocol.handle_resumed(now);
            }
            self.protocol.handle_sent(outbox.last_push());
            self.protocol.handle_timeout(now);
        }
        self.settle(out, now);
    }

    /// Arms the timer for what is due next. It may fire early, when that was put off meanwhile.
    fn poll_timer(&mut self, now: Instant, cx: &mut Context<'_>) {
        let is_running = matches!(self.stage, Stage::Running);
        let while_running = [self.poll_deadline(), self.expiry_due(now), self.detached_until(), self.held.until()]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| is_running);
        let due = [self.protocol_deadline(), self.handle.outbox().deadline(), self.stage.deadline(), while_running];
        // What was due has been done, or waits for something else than time.
        let Some(due) = due.into_iter().flatten().filter(|due| *due > now).min() else {
            return;
        };
        if self.timer.is_elapsed() || due < self.timer.deadline().into_std() {
            self.timer.as_mut().reset(due.into());
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    /// Polls are signs of life in both directions: once the connection is open nothing else is due.
    fn protocol_deadline(&self) -> Option<Instant> {
        let polls_are_enough = self.io.polls().is_some() && self.protocol.encoding().is_some();
        if polls_are_enough || self.detached.is_some() { None } else { self.protocol.poll_timeout() }
    }

    /// After the goodbye: whatever else the client sends is thrown away, up to the end of its stream.
    fn discard_input(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) {
        while !self.end_of_stream {
            match self.io.poll_read(self.handle.outbox().socket(), cx, buffer) {
                Poll::Ready(Ok(0) | Err(_)) => self.end_of_stream = true,
                // Whoever has sent so much after the end will not stop by itself.
                Poll::Ready(Ok(count)) => {
                    self.discarded += count;
                    self.end_of_stream = self.discarded > MAX_DISCARDED;
                }
                Poll::Pending => return,
            }
        }
    }

    /// Drains the outbox, and in the end leaves.
    fn poll_end(&mut self, input: &mut [u8], now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let outbox = self.handle.outbox();
        let is_running = matches!(self.stage, Stage::Running);
        if !is_running && self.io.polls().is_some_and(|connection| connection.polls.is_deleted()) {
            outbox.end(); // nobody will fetch what is left
        }
        let drained = self.io.poll_drain(outbox, cx);
        if self.stage.deadline().is_some_and(|deadline| deadline <= now) {
            self.calls.clear();
        }
        if let Some(farewell) = &mut self.farewell
            && farewell.as_mut().poll(cx).is_ready()
        {
            self.farewell = None;
        }
        match (&self.stage, drained) {
            (Stage::Running, Poll::Ready(Err(_))) if self.may_detach() => {
                self.detach(now);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            (Stage::Running, Poll::Ready(Err(_))) => {
                outbox.condemn(CloseReason::TransportEnded);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            (Stage::Running, _) => return Poll::Pending,
            (_, Poll::Ready(Err(_))) => {
                self.end_of_stream = true;
                self.stage = Stage::lingering(now);
            }
            (Stage::Draining { .. }, Poll::Ready(Ok(()))) => {
                self.io.shut_down(self.handle.outbox().socket(), cx);
                self.stage = Stage::lingering(now);
                self.discard_input(input, cx);
            }
            _ => {}
        }
        // A client that has closed its side may still read what is on its way out.
        let is_over = (self.end_of_stream && matches!(self.stage, Stage::Lingering { .. }))
            || self.stage.deadline().is_some_and(|deadline| deadline <= now);
        if is_over && self.farewell.is_none() && self.calls.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Bytes thrown away after the goodbye before the connection is left at once.
const MAX_DISCARDED: usize = 16 * 1024 * 1024;

const NORMAL_CLOSURE: u16 = 1000;

/// How long calls may go on after the credentials have ended; clients are to be told within a second.
const LAST_CALLS: Duration = Duration::from_millis(900);

/// What the handler for ended connections is told of a panic.
const PANICKED: &str = "A hub method panicked.";

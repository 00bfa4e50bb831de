//! What a connection takes from its client: bytes to frames, frames to messages, messages to calls; and what must wait.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use signalr_proto::{CloseReason, Event, HubMessage};

use super::Driver;
use crate::connection::buffers::Buffers;
use crate::frame::{HEAD_ROOM, OPCODE_PONG, write_head};
use crate::hub::Caller;
use crate::transport::websocket::{Piece, Violation};

/// Input that must wait for calls before it to end.
#[derive(Default)]
pub(super) struct Held {
    /// Hub messages, the first of which found no slot.
    messages: Vec<u8>,
    done: usize,
    /// Bytes of the websocket behind them.
    raw: Vec<u8>,
    pub(super) is_paused: bool,
}

/// Control frames that were taken and are not forgotten yet: a bucket that leaks at the rate allowed.
pub(super) struct ControlFrames {
    level: f64,
    at: Instant,
}

impl Driver {
    /// Takes what was held back first, then reads until there is nothing more, no room for more, or others must have
    /// their turn.
    pub(super) fn poll_input(&mut self, buffers: &mut Buffers, now: Instant, cx: &mut Context<'_>) {
        let mut taken = 0;
        loop {
            if self.protocol.is_ended() || !self.may_read() {
                return;
            }
            if std::mem::take(&mut self.held.is_paused) {
                self.protocol.handle_resumed(now);
            }
            if !self.held.is_empty() {
                self.take_held(&mut buffers.output, now, cx);
                continue;
            }
            let socket = self.handle.outbox().socket();
            match self.io.poll_read(socket, cx, &mut buffers.input) {
                Poll::Ready(Ok(0) | Err(_)) => {
                    self.end_of_stream = true;
                    // Requests have no goodbye of their own: a client that is gone has left.
                    self.protocol.handle_end_of_input(!self.handle.outbox().is_framed());
                }
                Poll::Ready(Ok(count)) => {
                    let (input, output) = (&mut buffers.input[..count], &mut buffers.output);
                    self.take_raw(input, output, now, cx);
                    taken += count;
                    if taken >= INPUT_PER_TURN {
                        return cx.waker().wake_by_ref();
                    }
                }
                Poll::Pending => return,
            }
        }
    }

    pub(super) fn count_input(&mut self, cx: &mut Context<'_>) {
        let held = self.held.messages.len() + self.held.raw.len() + self.io.poll_waiting(cx);
        self.input.hold(self.protocol.held_bytes() + held);
    }

    /// Whether the connection may be read, and calls of it begin. While the server drains, none do; a handshake is still
    /// read, so that the client can be told.
    fn may_read(&mut self) -> bool {
        let blocked = !self.calls.has_room()
            || (!self.held.messages.is_empty() && !self.calls.has_slot())
            || (self.protocol.encoding().is_some() && self.server.draining.load(Ordering::Relaxed));
        self.held.is_paused |= blocked;
        !blocked
    }

    fn take_held(&mut self, out: &mut Vec<u8>, now: Instant, cx: &mut Context<'_>) {
        let held = std::mem::take(&mut self.held);
        if held.messages.is_empty() {
            let mut raw = held.raw;
            return self.take_raw(&mut raw, out, now, cx);
        }
        match self.take_messages(&held.messages[held.done..], out, now, cx) {
            Taken::All => self.held.raw = held.raw,
            Taken::From(start) => self.held = Held { done: held.done + start, is_paused: true, ..held },
            Taken::Copied(messages) => self.held = Held { messages, done: 0, is_paused: true, raw: held.raw },
        }
    }

    /// Takes bytes of the transport.
    fn take_raw(&mut self, input: &mut [u8], out: &mut Vec<u8>, now: Instant, cx: &mut Context<'_>) {
        if self.handle.outbox().is_framed() {
            return self.take_frames(input, out, now, cx);
        }
        let messages = match self.take_messages(input, out, now, cx) {
            Taken::All => return,
            Taken::From(start) => input[start..].to_vec(),
            Taken::Copied(messages) => messages,
        };
        self.held = Held { messages, done: 0, raw: Vec::new(), is_paused: true };
    }

    /// Takes websocket frames, unmasking them in place.
    fn take_frames(&mut self, mut input: &mut [u8], out: &mut Vec<u8>, now: Instant, cx: &mut Context<'_>) {
        let mut ping = None;
        while !self.protocol.is_ended() {
            match self.frames.next(&mut input, &self.server.frame_limits) {
                Ok(Some(Piece::Data(messages))) => {
                    let held = match self.take_messages(messages, out, now, cx) {
                        Taken::All => continue,
                        Taken::From(start) => messages[start..].to_vec(),
                        Taken::Copied(messages) => messages,
                    };
                    self.held = Held { messages: held, done: 0, raw: input.to_vec(), is_paused: true };
                    break;
                }
                Ok(Some(Piece::Ping(payload))) => {
                    self.count_control_frame(now);
                    // Only the latest of several pings is answered, as RFC 6455 allows.
                    ping = Some(payload);
                }
                Ok(Some(Piece::Pong)) => self.count_control_frame(now),
                Ok(Some(Piece::Close)) => self.protocol.handle_end_of_input(true),
                Ok(None) => break,
                Err(violation) => self.violated(violation),
            }
        }
        if let Some(payload) = ping {
            self.answer_ping(&payload, now);
        }
    }

    /// Takes hub messages until a call finds no slot.
    fn take_messages(&mut self, input: &[u8], out: &mut Vec<u8>, now: Instant, cx: &mut Context<'_>) -> Taken {
        let mut rest = input;
        loop {
            let before = rest;
            let encoding = self.protocol.encoding();
            match (self.protocol.receive(&mut rest, now), encoding) {
                (None, _) => return Taken::All,
                (Some(Event::Opened), _) => self.open(out, now, cx),
                (Some(Event::Message { frame, message: HubMessage::Invocation(call) }), Some(encoding)) => {
                    if !self.calls.has_slot() || !self.calls.has_room() {
                        let whole = before.len() - rest.len() == frame.len() + 1;
                        return if whole {
                            Taken::From(input.len() - before.len())
                        } else {
                            Taken::Copied([frame, b"\x1e", rest].concat())
                        };
                    }
                    let caller = Caller { handle: self.handle.clone(), server: Arc::downgrade(&self.server) };
                    self.calls.begin(caller, &call, (encoding, frame.len(), now), cx, out);
                }
                (Some(Event::Message { message: HubMessage::StreamInvocation(call), .. }), Some(encoding)) => {
                    self.calls.refuse_stream(&call, encoding, out);
                }
                // Items, completions and cancellations of streams that are not there are ignored.
                (Some(_), _) => {}
            }
        }
    }

    fn count_control_frame(&mut self, now: Instant) {
        let options = &self.server.options;
        let (rate, burst) = (options.max_control_frames_per_second, options.max_control_frame_burst);
        if !self.control_frames.count(now, f64::from(rate), f64::from(burst)) {
            self.server.metrics.limit_hit("control_frames");
            self.violated(Violation { code: 1008, text: "too many control frames" });
        }
    }

    fn violated(&mut self, violation: Violation) {
        if violation.code == 1009 {
            self.server.metrics.limit_hit("frame_size");
        }
        self.close_code = violation.code;
        self.protocol.close(CloseReason::Transport(format!("WebSocket: {}.", violation.text).into()));
    }

    fn answer_ping(&mut self, payload: &[u8], now: Instant) {
        let mut frame = vec![0; HEAD_ROOM];
        frame.extend_from_slice(payload);
        let start = write_head(OPCODE_PONG, &mut frame);
        self.handle.outbox().push_slice(&frame[start..], now);
    }
}

/// How much of some hub messages was taken.
enum Taken {
    All,
    /// The message at this position must wait.
    From(usize),
    /// As before, but its beginning had come earlier: these are the messages that must wait.
    Copied(Vec<u8>),
}

impl Held {
    /// What came right behind the request, before there was a connection to take it.
    pub(super) fn early(raw: &[u8]) -> Self {
        Self { raw: raw.to_vec(), ..Self::default() }
    }

    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.raw.is_empty()
    }
}

impl ControlFrames {
    pub(super) fn new(now: Instant) -> Self {
        Self { level: 0.0, at: now }
    }

    /// Takes one more; `false`: it is one too many.
    fn count(&mut self, now: Instant, rate: f64, burst: f64) -> bool {
        let leaked = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.level = (self.level - leaked).max(0.0) + 1.0;
        self.at = now;
        self.level <= burst
    }
}

/// Bytes read before others get their turn: a client that sends without pause must not keep a thread for itself.
const INPUT_PER_TURN: usize = 64 * 1024;

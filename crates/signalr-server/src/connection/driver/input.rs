//! What a connection takes from its client: bytes to frames, frames to messages, messages to calls; and what must wait.

use std::task::{Context, Poll};
use std::time::Instant;

use signalr_proto::{CloseReason, Event, HubMessage};

use super::Driver;
use crate::connection::ConnectionHandle;
use crate::connection::buffers::Buffers;
use crate::connection::calls::{Arrival, Wait};
use crate::frame::{HEAD_ROOM, OPCODE_PONG, write_head};
use crate::pace::Pace;
use crate::service::Shared;
use crate::transport::websocket::{Piece, Violation};

/// Input that must wait for something else to come first.
#[derive(Default)]
pub(super) struct Held {
    /// Hub messages, the first of which cannot be taken yet.
    messages: Vec<u8>,
    /// What that one waits for.
    wait: Option<Wait>,
    done: usize,
    /// Bytes of the websocket behind them.
    raw: Vec<u8>,
    pub(super) is_paused: bool,
}

impl Driver {
    /// Takes what was held back first, then reads until there is nothing more, no room for more, or others must have
    /// their turn.
    pub(super) fn poll_input(&mut self, buffers: &mut Buffers, now: Instant, cx: &mut Context<'_>) {
        let mut taken = 0;
        loop {
            if self.protocol.is_ended() || !self.may_read(cx) {
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
                Poll::Ready(Ok(0) | Err(_)) if self.may_detach() => {
                    self.detach(now);
                    return cx.waker().wake_by_ref();
                }
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
        self.input.hold(self.protocol.held_bytes() + held + self.calls.upload_bytes());
    }

    /// Whether the connection may be read: not while what was read already cannot be taken.
    fn may_read(&mut self, cx: &mut Context<'_>) -> bool {
        let waits = self.held.wait.is_some_and(|wait| self.calls.still_waits(wait, cx));
        let blocked = waits || !self.calls.has_room();
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
            Taken::From(start, wait) => {
                self.held = Held { done: held.done + start, wait: Some(wait), is_paused: true, ..held };
            }
            Taken::Copied(messages, wait) => {
                self.held = Held { messages, wait: Some(wait), done: 0, is_paused: true, raw: held.raw };
            }
        }
    }

    /// Takes bytes of the transport.
    fn take_raw(&mut self, input: &mut [u8], out: &mut Vec<u8>, now: Instant, cx: &mut Context<'_>) {
        if self.handle.outbox().is_framed() {
            return self.take_frames(input, out, now, cx);
        }
        let (messages, wait) = match self.take_messages(input, out, now, cx) {
            Taken::All => return,
            Taken::From(start, wait) => (input[start..].to_vec(), wait),
            Taken::Copied(messages, wait) => (messages, wait),
        };
        self.held = Held { messages, wait: Some(wait), done: 0, raw: Vec::new(), is_paused: true };
    }

    /// Takes websocket frames, unmasking them in place.
    fn take_frames(&mut self, mut input: &mut [u8], out: &mut Vec<u8>, now: Instant, cx: &mut Context<'_>) {
        let mut ping = None;
        while !self.protocol.is_ended() {
            match self.frames.next(&mut input, &self.server.frame_limits) {
                Ok(Some(Piece::Data(messages))) => {
                    let (held, wait) = match self.take_messages(messages, out, now, cx) {
                        Taken::All => continue,
                        Taken::From(start, wait) => (messages[start..].to_vec(), wait),
                        Taken::Copied(messages, wait) => (messages, wait),
                    };
                    let raw = input.to_vec();
                    self.held = Held { messages: held, wait: Some(wait), done: 0, raw, is_paused: true };
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

    /// Takes hub messages until one must wait.
    fn take_messages(&mut self, input: &[u8], out: &mut Vec<u8>, now: Instant, cx: &mut Context<'_>) -> Taken {
        let mut rest = input;
        loop {
            let before = rest;
            let encoding = self.protocol.encoding();
            match (self.protocol.receive(&mut rest, now), encoding) {
                (None, _) => return Taken::All,
                (Some(Event::Opened), _) => self.open(out, now, cx),
                (Some(Event::Message { message: HubMessage::Ack { sequence_id }, .. }), _) => {
                    if self.handle.outbox().acknowledge(sequence_id) {
                        cx.waker().wake_by_ref();
                    }
                }
                (Some(Event::Message { frame, message }), Some(encoding)) => {
                    let wait = self.calls.must_wait(&message, cx).or_else(|| {
                        let pause = must_pause(&self.server, &self.handle, &mut self.pace, &message, now);
                        pause.map(Wait::Until)
                    });
                    if let Some(wait) = wait {
                        let whole = before.len() - rest.len() == frame.len();
                        let taken = if whole {
                            Taken::From(input.len() - before.len(), wait)
                        } else {
                            Taken::Copied([frame, rest].concat(), wait)
                        };
                        self.protocol.put_back();
                        return taken;
                    }
                    let arrival = Arrival { encoding, bytes: frame.len(), now };
                    self.calls.take(&self.handle, message, arrival, cx, out);
                }
                (Some(_), _) => {}
            }
        }
    }

    fn count_control_frame(&mut self, now: Instant) {
        let options = &self.server.options;
        let (rate, burst) = (options.max_control_frames_per_second, options.max_control_frame_burst);
        if !self.control_frames.take(now, rate, burst) {
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

/// Until when a call must wait, as others of its user or connection came too fast.
fn must_pause(
    server: &Shared,
    handle: &ConnectionHandle,
    pace: &mut Pace,
    message: &HubMessage<'_>,
    now: Instant,
) -> Option<Instant> {
    let paces = server.paces.as_ref()?;
    if !matches!(message, HubMessage::Invocation(_) | HubMessage::StreamInvocation(_)) {
        return None;
    }
    let taken = handle.user_id().map_or_else(|| paces.take_own(pace, now), |user| paces.take(user, now));
    taken.inspect_err(|_| server.metrics.limit_hit("calls_per_second")).err()
}

/// How much of some hub messages was taken.
enum Taken {
    All,
    /// The message at this position must wait.
    From(usize, Wait),
    /// As before, but its beginning had come earlier: these are the messages that must wait.
    Copied(Vec<u8>, Wait),
}

impl Held {
    /// What came right behind the request, before there was a connection to take it.
    pub(super) fn early(raw: &[u8]) -> Self {
        Self { raw: raw.to_vec(), ..Self::default() }
    }

    /// When there is something to do, if time is what it waits for.
    pub(super) fn until(&self) -> Option<Instant> {
        match self.wait {
            Some(Wait::Until(moment)) => Some(moment),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.raw.is_empty()
    }
}

/// Bytes read before others get their turn: a client that sends without pause must not keep a thread for itself.
const INPUT_PER_TURN: usize = 64 * 1024;

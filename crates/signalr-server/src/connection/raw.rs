//! The task of a connection without hub protocol: input goes to its handler, which ends it by returning.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use signalr_proto::CloseReason;
use tokio::time::Sleep;

use super::buffers::Buffers;
use super::driver::Registered;
use super::ending::{Stage, close_frame, keeps_output};
use crate::clock;
use crate::frame::{HEAD_ROOM, OPCODE_PONG, write_head};
use crate::raw::Handler;
use crate::transport::http::Input;
use crate::transport::websocket::{FrameReader, Piece};
use crate::transport::{Io, Transport};

/// Runs a raw connection from its first byte to its last.
pub(super) async fn run(registered: &Registered, handler: &Handler, io: Io, early: Bytes) {
    let input = match &io {
        Io::Http(connection) => connection.input.clone(),
        _ => Arc::default(),
    };
    let serving = handler.serve(registered.handle.clone(), input.clone(), io.transport());
    let now = clock::now();
    let mut task = Task {
        registered,
        io,
        input,
        frames: FrameReader::new(),
        unread: early.to_vec(),
        serving: Some(AssertUnwindSafe(serving).catch_unwind().boxed()),
        stage: Stage::Running,
        end_of_stream: false,
        timer: Box::pin(tokio::time::sleep_until(now.into())),
    };
    std::future::poll_fn(|cx| task.poll(cx)).await;
}

struct Task<'r> {
    registered: &'r Registered,
    io: Io,
    input: Arc<Input>,
    frames: FrameReader,
    /// Read of a websocket and not taken by the handler.
    unread: Vec<u8>,
    serving: Option<BoxFuture<'static, Result<(), Box<dyn std::any::Any + Send>>>>,
    stage: Stage,
    end_of_stream: bool,
    timer: Pin<Box<Sleep>>,
}

impl Task<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = clock::now();
        self.poll_input(now, cx);
        if let Stage::Running = self.stage {
            self.look_for_an_end(now, cx);
        }
        let ended = self.poll_end(now, cx);
        if ended.is_pending() {
            self.poll_timer(now, cx);
        }
        ended
    }

    /// Hands over what has come. Requests hand over theirs by themselves.
    fn poll_input(&mut self, now: Instant, cx: &mut Context<'_>) {
        if let Io::Http(_) = self.io {
            return;
        }
        let mut buffers = Buffers::take();
        let mut unread = std::mem::take(&mut self.unread);
        self.take_frames(&mut unread, now);
        while !self.end_of_stream && self.input.poll_room(cx).is_ready() {
            let socket = self.registered.handle.outbox().socket();
            match self.io.poll_read(socket, cx, &mut buffers.input) {
                Poll::Pending => break,
                Poll::Ready(Ok(0) | Err(_)) => self.end_of_stream = true,
                Poll::Ready(Ok(count)) => self.take_frames(&mut buffers.input[..count], now),
            }
        }
        buffers.give_back();
        if self.end_of_stream {
            self.input.end();
        }
    }

    fn take_frames(&mut self, mut input: &mut [u8], now: Instant) {
        let outbox = self.registered.handle.outbox();
        loop {
            match self.frames.next(&mut input, &self.registered.server.frame_limits) {
                Ok(Some(Piece::Data(bytes))) => self.input.push(bytes),
                Ok(Some(Piece::Ping(payload))) => {
                    let mut frame = vec![0; HEAD_ROOM];
                    frame.extend_from_slice(&payload);
                    let start = write_head(OPCODE_PONG, &mut frame);
                    outbox.push_slice(&frame[start..], now);
                }
                Ok(Some(Piece::Pong)) => {}
                Ok(Some(Piece::Close)) => return self.input.end(),
                Ok(None) => return,
                Err(violation) => {
                    let text = format!("WebSocket: {}.", violation.text);
                    return outbox.condemn(CloseReason::Transport(text.into()));
                }
            }
        }
    }

    fn look_for_an_end(&mut self, now: Instant, cx: &mut Context<'_>) {
        let outbox = self.registered.handle.outbox();
        let served = self.serving.as_mut().map(|serving| serving.as_mut().poll(cx));
        let reason = match (outbox.condemned(), served) {
            (Some(reason), _) => reason,
            (None, Some(Poll::Ready(Ok(())))) => CloseReason::Ended,
            (None, Some(Poll::Ready(Err(_)))) => {
                self.registered.server.metrics.panics.inc();
                CloseReason::Ended
            }
            _ if self.is_gone(now) => CloseReason::PeerClosed(None),
            _ if outbox.deadline().is_some_and(|deadline| deadline <= now) => CloseReason::TooSlow,
            _ => return,
        };
        self.serving = None;
        self.input.end();
        self.registered.server.metrics.closed(reason.label());
        let last = if outbox.is_framed() { close_frame(1000) } else { Bytes::new() };
        outbox.close(last, keeps_output(&reason), now);
        self.stage = Stage::draining(now);
    }

    /// A client that has deleted its connection, or does not poll any more. The handler hears of it, and may end first.
    fn is_gone(&self, now: Instant) -> bool {
        let polls = self.io.polls().map(|connection| &connection.polls);
        let patience = self.registered.server.options.disconnect_timeout;
        polls.is_some_and(|polls| polls.is_deleted() || polls.deadline(patience).is_some_and(|due| due <= now))
    }

    fn poll_timer(&mut self, now: Instant, cx: &mut Context<'_>) {
        let patience = self.registered.server.options.disconnect_timeout;
        let gone = match (&self.stage, self.io.polls()) {
            (Stage::Running, Some(connection)) => connection.polls.deadline(patience),
            _ => None,
        };
        let due = [gone, self.registered.handle.outbox().deadline(), self.stage.deadline()];
        if let Some(due) = due.into_iter().flatten().filter(|due| *due > now).min() {
            self.timer.as_mut().reset(due.into());
            if self.timer.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
        }
    }

    fn poll_end(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let outbox = self.registered.handle.outbox();
        let drained = self.io.poll_drain(outbox, cx);
        match (&self.stage, drained) {
            (Stage::Running, Poll::Ready(Err(_))) => {
                outbox.condemn(CloseReason::TransportEnded);
                cx.waker().wake_by_ref();
            }
            (Stage::Draining { .. }, Poll::Ready(result)) => {
                self.end_of_stream |= result.is_err();
                self.io.shut_down(outbox.socket(), cx);
                self.stage = Stage::lingering(now);
                cx.waker().wake_by_ref();
            }
            _ => {}
        }
        let is_over = matches!(self.stage, Stage::Lingering { .. }) && (self.end_of_stream || self.is_told());
        let is_late = self.stage.deadline().is_some_and(|deadline| deadline <= now);
        if is_over || is_late { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Whether the client knows of the end: by that of the body, or by a poll.
    fn is_told(&self) -> bool {
        match &self.io {
            Io::Http(connection) => connection.transport != Transport::LongPolling || connection.polls.is_over(),
            _ => false,
        }
    }
}

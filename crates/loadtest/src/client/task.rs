//! The reading task of a connection: drives the protocol, hands out what arrives, notices the end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::SplitStream;
use signalr_proto::framing::RECORD_SEPARATOR;
use signalr_proto::{CloseReason, Connection, Encoding, Event, HubMessage, Invocation, Output};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};

use super::IncomingCall;
use super::calls::Calls;
use super::error::Closed;
use super::write::{Outgoing, Stopped};

/// Longest wait for the server's end once ours has come.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The reading side of a connection.
pub(super) struct Task {
    pub(super) protocol: Connection,
    pub(super) stream: SplitStream<WebSocketStream<TcpStream>>,
    /// Weak, so that the client's end closes the connection.
    pub(super) outgoing: mpsc::WeakUnboundedSender<Outgoing>,
    pub(super) calls: Arc<Calls>,
    pub(super) incoming: mpsc::Sender<IncomingCall>,
    pub(super) opened: Option<oneshot::Sender<()>>,
    pub(super) closed: watch::Sender<Option<Closed>>,
    pub(super) progress: Progress,
}

/// How far a connection has come, beside its protocol.
#[derive(Default)]
pub(super) struct Progress {
    /// Calls that found `incoming` full. Nothing is read until they are handed over.
    untaken: VecDeque<IncomingCall>,
    /// How the writing task ended, and until when the server may take to follow.
    stopped: Option<(Stopped, Instant)>,
    stream_ended: bool,
    allow_reconnect: bool,
    websocket_code: Option<u16>,
}

enum Cause {
    Received(Option<Result<Message, tungstenite::Error>>),
    Taken,
    Timeout,
    WriterStopped(Stopped),
}

impl Task {
    /// Runs until the connection has ended, then tells everybody.
    pub(super) async fn run(mut self, mut writer: JoinHandle<Stopped>) {
        let reason = loop {
            if let Some(reason) = self.pump() {
                break reason;
            }
            match self.wait(&mut writer).await {
                Cause::Received(Some(Ok(message))) => self.receive(message),
                Cause::Received(end) => self.handle_end_of_stream(end.and_then(Result::err)),
                Cause::Taken => self.protocol.handle_resumed(Instant::now()),
                Cause::Timeout => self.handle_timeout(Instant::now()),
                Cause::WriterStopped(stopped) => {
                    self.progress.stopped = Some((stopped, Instant::now() + CLOSE_TIMEOUT));
                    if stopped == Stopped::Aborted {
                        self.protocol.close(CloseReason::Ended);
                    }
                }
            }
        };
        self.finish(reason, writer).await;
    }

    async fn wait(&mut self, writer: &mut JoinHandle<Stopped>) -> Cause {
        let progress = &mut self.progress;
        let due = [self.protocol.poll_timeout(), progress.stopped.map(|(_, deadline)| deadline)];
        let due = due.into_iter().flatten().min().unwrap_or_else(Instant::now);
        tokio::select! {
            message = self.stream.next(), if progress.untaken.is_empty() => Cause::Received(message),
            permit = self.incoming.reserve(), if !progress.untaken.is_empty() => {
                match (permit, progress.untaken.pop_front()) {
                    (Ok(permit), Some(call)) => permit.send(call),
                    _ => progress.untaken.clear(),
                }
                Cause::Taken
            }
            () = tokio::time::sleep_until(due.into()) => Cause::Timeout,
            stopped = writer, if progress.stopped.is_none() => {
                Cause::WriterStopped(stopped.unwrap_or(Stopped::Failed))
            }
        }
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Text(text) => self.receive_bytes(text.as_bytes()),
            Message::Binary(bytes) => self.receive_bytes(&bytes),
            Message::Close(frame) => {
                self.progress.websocket_code = Some(frame.map_or(1005, |frame| frame.code.into()));
            }
            _ => {}
        }
    }

    fn receive_bytes(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        while let Some(event) = self.protocol.receive(&mut input, Instant::now()) {
            match event {
                Event::Opened => {
                    // Nobody waits any more if the connecting future was dropped.
                    let _ = self.opened.take().map(|opened| opened.send(()));
                }
                Event::Message { message, .. } => match message {
                    HubMessage::Invocation(call) => {
                        hand_over(call, &self.incoming, &mut self.progress.untaken);
                    }
                    HubMessage::Completion { invocation_id, outcome } => self.calls.complete(&invocation_id, outcome),
                    _ => {}
                },
                Event::Handled => {}
            }
        }
        if self.protocol.is_ended() {
            self.progress.allow_reconnect = asks_to_reconnect(bytes);
        }
    }

    fn handle_end_of_stream(&mut self, error: Option<tungstenite::Error>) {
        self.progress.stream_ended = true;
        match error {
            None | Some(tungstenite::Error::ConnectionClosed | tungstenite::Error::Io(_)) => {
                let goodbye = self.progress.websocket_code.is_some();
                self.protocol.handle_end_of_input(goodbye);
            }
            Some(error) => {
                let reason = CloseReason::Transport(error.to_string().into());
                self.protocol.close(reason);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self.progress.stopped {
            Some((_, deadline)) if now >= deadline => self.protocol.close(CloseReason::WriteStalled),
            _ => self.protocol.handle_timeout(now),
        }
    }

    /// Takes the protocol's outputs; `Some` at the end.
    fn pump(&mut self) -> Option<CloseReason> {
        while let Some(output) = self.protocol.poll_output() {
            match output {
                Output::Send(bytes) => self.put(Outgoing::Hub(bytes)),
                Output::End(reason) => return Some(reason),
            }
        }
        None
    }

    fn put(&self, outgoing: Outgoing) {
        if let Some(sender) = self.outgoing.upgrade() {
            // The writing task may have stopped; its end is noticed by itself.
            let _ = sender.send(outgoing);
        }
    }

    /// Lets the close frames cross, then tells everybody the reason.
    async fn finish(mut self, reason: CloseReason, writer: JoinHandle<Stopped>) {
        let stopped = self.progress.stopped.map(|(stopped, _)| stopped);
        if stopped != Some(Stopped::Aborted) && !self.progress.stream_ended {
            self.put(Outgoing::CloseFrame);
            let goodbye = async {
                while let Some(Ok(message)) = self.stream.next().await {
                    if let Message::Close(frame) = message {
                        self.progress.websocket_code = Some(frame.map_or(1005, |frame| frame.code.into()));
                    }
                }
            };
            // A server that does not follow is left.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await;
        }
        writer.abort();
        let by_plan = matches!(reason, CloseReason::PeerClosed(None) | CloseReason::TransportEnded);
        let closed = Closed {
            reason: match stopped {
                Some(Stopped::Closed) if by_plan => CloseReason::Ended,
                _ => reason,
            },
            allow_reconnect: self.progress.allow_reconnect,
            websocket_code: self.progress.websocket_code,
        };
        drop(self.stream);
        self.calls.close(&closed);
        self.closed.send_replace(Some(closed));
    }
}

fn hand_over(call: Invocation<'_>, incoming: &mpsc::Sender<IncomingCall>, untaken: &mut VecDeque<IncomingCall>) {
    let call = IncomingCall {
        target: call.target.into_owned(),
        invocation_id: call.invocation_id.map(Into::into),
        arguments: match call.arguments.payload() {
            signalr_proto::Payload::Json(text) => text.to_owned(),
            _ => String::new(),
        },
    };
    if !untaken.is_empty() {
        untaken.push_back(call);
    } else if let Err(mpsc::error::TrySendError::Full(call)) = incoming.try_send(call) {
        untaken.push_back(call);
    }
}

/// Whether the last Close message in `bytes` allows to reconnect, which the protocol's close reason does not tell.
fn asks_to_reconnect(bytes: &[u8]) -> bool {
    bytes
        .split(|byte| *byte == RECORD_SEPARATOR)
        .filter_map(|frame| Encoding::Json.decode(frame).ok().flatten())
        .any(|message| matches!(message, HubMessage::Close { allow_reconnect: true, .. }))
}

//! `Connection`: the protocol state of one connection, for either side, as a value without I/O.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::close::{CloseReason, ErrorDetail};
use crate::encoding::Encoding;
use crate::framing::Frames;
use crate::handshake::{self, HandshakeError};
use crate::message::HubMessage;

/// Protocol settings of a connection.
#[derive(Debug, Clone)]
pub struct Options {
    /// Pause after which the other side gets a ping. Default 15 s, half of the peer timeout.
    /// Source: ASP.NET Core `HubOptions.KeepAliveInterval`.
    pub keep_alive_interval: Duration,
    /// Silence after which the peer counts as gone. Default 30 s. A server starts to count at the first ping it gets, as
    /// clients that never ping may be silent for ever; a client counts from the beginning.
    /// Source: ASP.NET Core `HubOptions.ClientTimeoutInterval`.
    pub peer_timeout: Duration,
    /// Time for the handshake. Default 15 s. Source: ASP.NET Core `HubOptions.HandshakeTimeout`.
    pub handshake_timeout: Duration,
    /// Longest incoming message, terminator included, handshake too; past it the connection ends. Default 32 768 bytes.
    /// Source: ASP.NET Core `HubOptions.MaximumReceiveMessageSize`.
    pub max_message_bytes: usize,
    /// What a client is told of errors. Default: only what hubs raise on purpose.
    pub error_detail: ErrorDetail,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep_alive_interval: Duration::from_secs(15),
            peer_timeout: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(15),
            max_message_bytes: 32_768,
            error_detail: ErrorDetail::default(),
        }
    }
}

/// The state of one connection.
///
/// Call order: feed each piece of input to [`receive`](Self::receive) until it gives `None`; then, and after
/// [`handle_timeout`](Self::handle_timeout) or [`close`](Self::close), drain [`poll_output`](Self::poll_output); then wait
/// for more input or until [`poll_timeout`](Self::poll_timeout). Hub messages of one's own are encoded by
/// [`encoding`](Self::encoding) and sent beside it; [`handle_sent`](Self::handle_sent) tells when that happened last.
#[derive(Debug)]
pub struct Connection {
    options: Arc<Options>,
    role: Role,
    phase: Phase,
    frames: Frames,
    /// Written by `Output::Send`, most of the time empty and without memory of its own.
    unsent: Vec<u8>,
    ended: Option<CloseReason>,
    last_sent: Instant,
    /// When the peer was last heard, once its silence counts.
    last_heard: Option<Instant>,
}

/// What [`Connection::receive`] found.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// The handshake succeeded. Take the outputs before sending anything else: the response comes first.
    Opened,
    /// A message for the hub or the application.
    Message {
        /// Its bytes, without separator, for a caller that cannot take it now and will present it again.
        frame: &'a [u8],
        /// Decoded as far as its kind.
        message: HubMessage<'a>,
    },
    /// Something that needs nothing from the caller, such as a ping or a kind of message from the future.
    Handled,
}

/// What the caller is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes: whole messages.
    Send(Vec<u8>),
    /// End the transport, once what was sent is out. Nothing follows.
    End(CloseReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Server,
    Client,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Handshake { deadline: Instant, asked: Encoding },
    Open(Encoding),
    Ended,
}

impl Connection {
    /// The server's side of a connection that has just been made; waits for the client's handshake.
    pub fn server(options: Arc<Options>, now: Instant) -> Self {
        Self::new(Role::Server, Encoding::Json, options, now)
    }

    /// The client's side; its first output is the handshake request.
    pub fn client(encoding: Encoding, options: Arc<Options>, now: Instant) -> Self {
        let mut connection = Self::new(Role::Client, encoding, options, now);
        handshake::write_request(encoding, &mut connection.unsent);
        connection.last_heard = Some(now);
        connection
    }

    fn new(role: Role, asked: Encoding, options: Arc<Options>, now: Instant) -> Self {
        let phase = Phase::Handshake { deadline: now + options.handshake_timeout, asked };
        let (frames, unsent) = (Frames::default(), Vec::new());
        Self { options, role, phase, frames, unsent, ended: None, last_sent: now, last_heard: None }
    }

    /// Takes one message out of `input`, which is advanced; `None` once it is used up, or after the end, when the rest
    /// does not matter any more.
    pub fn receive<'e, 'b: 'e>(&'e mut self, input: &mut &'b [u8], now: Instant) -> Option<Event<'e>> {
        let phase = self.phase;
        if phase == Phase::Ended {
            return None;
        }
        let limit = self.options.max_message_bytes;
        let frame = match self.frames.next(input, limit) {
            Ok(frame) => frame?,
            Err(_) => {
                let end = Ending { phase: &mut self.phase, unsent: &mut self.unsent, ended: &mut self.ended };
                end.too_large(limit, self.options.error_detail);
                return None;
            }
        };
        if self.last_heard.is_some() {
            self.last_heard = Some(now);
        }
        let end = Ending { phase: &mut self.phase, unsent: &mut self.unsent, ended: &mut self.ended };
        let encoding = match (phase, self.role) {
            (Phase::Handshake { asked, .. }, Role::Client) => return end.response(frame, asked),
            (Phase::Handshake { .. }, Role::Server) => {
                return end.request(frame, self.options.error_detail);
            }
            (Phase::Open(encoding), _) => encoding,
            (Phase::Ended, _) => return None,
        };
        match encoding.decode(frame) {
            Ok(Some(HubMessage::Ping)) => {
                self.last_heard = Some(now);
                Some(Event::Handled)
            }
            Ok(Some(HubMessage::Close { error, .. })) => {
                let reason = CloseReason::PeerClosed(error.map(Cow::into_owned));
                // A client's goodbye is answered by a Close of our own; a server's is the last word.
                end.end(reason, (self.role == Role::Server).then_some(encoding), self.options.error_detail);
                None
            }
            Ok(Some(HubMessage::Ack { .. } | HubMessage::Sequence { .. }) | None) => Some(Event::Handled),
            Ok(Some(message)) => Some(Event::Message { frame, message }),
            Err(error) => {
                end.end(CloseReason::Protocol(error.to_string()), Some(encoding), self.options.error_detail);
                None
            }
        }
    }

    /// The input has ended: by the transport's own goodbye, or without one.
    pub fn handle_end_of_input(&mut self, goodbye: bool) {
        let cut_off = self.frames.partial_bytes() > 0 && matches!(self.phase, Phase::Open(_));
        self.close(match (cut_off, goodbye) {
            (true, _) => CloseReason::CutOff,
            (false, true) => CloseReason::PeerClosed(None),
            (false, false) => CloseReason::TransportEnded,
        });
    }

    /// Ends the connection from this side. The first reason stands; later ones are ignored.
    pub fn close(&mut self, reason: CloseReason) {
        let encoding = self.encoding();
        let end = Ending { phase: &mut self.phase, unsent: &mut self.unsent, ended: &mut self.ended };
        end.end(reason, encoding, self.options.error_detail);
    }

    /// Takes the next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        if !self.unsent.is_empty() {
            return Some(Output::Send(std::mem::take(&mut self.unsent)));
        }
        let ended = self.ended.take()?;
        // What has begun to arrive is nobody's any more.
        self.frames = Frames::default();
        Some(Output::End(ended))
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next. It may turn out early, if something was sent
    /// or heard meanwhile; it is never late.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Handshake { deadline, .. } => Some(deadline),
            Phase::Open(_) => {
                let ping = self.last_sent + self.options.keep_alive_interval;
                Some(self.peer_deadline().map_or(ping, |deadline| deadline.min(ping)))
            }
            Phase::Ended => None,
        }
    }

    /// Pings, or gives up, as due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Handshake { deadline, .. } if now >= deadline => {
                let end = Ending { phase: &mut self.phase, unsent: &mut self.unsent, ended: &mut self.ended };
                end.refuse(HandshakeError::Canceled, ErrorDetail::Hidden);
            }
            Phase::Open(_) if self.peer_deadline().is_some_and(|deadline| now >= deadline) => {
                self.close(CloseReason::PeerTimeout);
            }
            Phase::Open(encoding) if now >= self.last_sent + self.options.keep_alive_interval => {
                encoding.encode(&HubMessage::Ping, &mut self.unsent);
                self.last_sent = now;
            }
            _ => {}
        }
    }

    /// Something was sent beside this value at `at`, so that no ping is needed for a while.
    pub fn handle_sent(&mut self, at: Instant) {
        self.last_sent = self.last_sent.max(at);
    }

    /// The caller did not read until `now`, for reasons of its own: the peer's silence so far does not count.
    pub fn handle_resumed(&mut self, now: Instant) {
        if let Some(heard) = &mut self.last_heard {
            *heard = now;
        }
    }

    /// The encoding agreed on; `None` outside of an open connection.
    pub fn encoding(&self) -> Option<Encoding> {
        match self.phase {
            Phase::Open(encoding) => Some(encoding),
            _ => None,
        }
    }

    /// Bytes held of a message that has begun to arrive.
    pub fn held_bytes(&self) -> usize {
        self.frames.partial_bytes()
    }

    /// Whether the connection has ended.
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn peer_deadline(&self) -> Option<Instant> {
        self.last_heard.map(|heard| heard + self.options.peer_timeout)
    }
}

/// The fields that change when a connection opens or ends, apart from those a received message may borrow.
struct Ending<'c> {
    phase: &'c mut Phase,
    unsent: &'c mut Vec<u8>,
    ended: &'c mut Option<CloseReason>,
}

impl Ending<'_> {
    fn request<'e>(self, frame: &[u8], detail: ErrorDetail) -> Option<Event<'e>> {
        match handshake::read_request(frame) {
            Ok(encoding) => {
                *self.phase = Phase::Open(encoding);
                self.unsent.extend_from_slice(handshake::ACCEPTED);
                Some(Event::Opened)
            }
            Err(error) => {
                self.refuse(error, detail);
                None
            }
        }
    }

    fn response<'e>(self, frame: &[u8], asked: Encoding) -> Option<Event<'e>> {
        match handshake::read_response(frame) {
            Ok(()) => {
                *self.phase = Phase::Open(asked);
                Some(Event::Opened)
            }
            Err(text) => {
                self.end(CloseReason::Refused { text, for_client: true }, None, ErrorDetail::Hidden);
                None
            }
        }
    }

    fn too_large(self, limit: usize, detail: ErrorDetail) {
        match *self.phase {
            Phase::Open(encoding) => self.end(CloseReason::MessageTooLarge { limit }, Some(encoding), detail),
            _ => self.refuse(HandshakeError::Canceled, detail),
        }
    }

    fn refuse(self, error: HandshakeError, detail: ErrorDetail) {
        let mut text = error.to_string();
        if let (HandshakeError::Unreadable(cause), ErrorDetail::All) = (&error, detail) {
            text = format!("{text} InvalidDataException: {cause}");
        }
        handshake::write_refusal(&text, self.unsent);
        self.end(CloseReason::Handshake(error), None, detail);
    }

    /// Ends with a Close message in `encoding`, if one is due.
    fn end(self, reason: CloseReason, encoding: Option<Encoding>, detail: ErrorDetail) {
        if *self.phase == Phase::Ended {
            return;
        }
        *self.phase = Phase::Ended;
        if let (Some(encoding), Some(message)) = (encoding, reason.message(detail)) {
            encoding.encode(&message, self.unsent);
        }
        *self.ended = Some(reason);
    }
}

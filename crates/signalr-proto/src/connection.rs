//! `Connection`: the protocol state of one connection, for either side, as a value without I/O.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::close::{CloseReason, ErrorDetail};
use crate::encoding::{Encoding, TransferFormat};
use crate::framing::{FrameError, Frames, Framing};
use crate::handshake::{self, HandshakeError, Offer, Request};
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
    /// Longest incoming message, separator or length prefix included, handshake too; past it the connection ends. 0 is no
    /// limit. Default 32 768 bytes. Source: ASP.NET Core `HubOptions.MaximumReceiveMessageSize`.
    pub max_message_bytes: usize,
    /// Encodings a client may ask a server for. Default: all. Source: ASP.NET Core `HubOptions.SupportedProtocols`.
    pub encodings: Vec<Encoding>,
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
            encodings: Encoding::ALL.to_vec(),
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
    /// The most the transport can carry.
    transfer_format: TransferFormat,
    /// Stateful reconnect was negotiated.
    stateful: bool,
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
    /// A message for the hub or the application; Ack and Sequence too if the connection
    /// [is stateful](Connection::is_stateful).
    Message {
        /// Its bytes, with separator or length prefix, for a caller that cannot take it now and will present it again.
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
    Open(Request),
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
        handshake::write_request(Request { encoding, version: 1 }, &mut connection.unsent);
        connection.last_heard = Some(now);
        connection
    }

    /// The transport carries no more than this; a server refuses handshakes that need more. Default: binary.
    pub fn over(mut self, transfer_format: TransferFormat) -> Self {
        self.transfer_format = transfer_format;
        self
    }

    /// Stateful reconnect was negotiated. A client asks for it in its handshake, so this comes before the first output; a
    /// server leaves that to the client. See [`is_stateful`](Self::is_stateful).
    pub fn stateful(mut self) -> Self {
        self.stateful = true;
        if let (Role::Client, Phase::Handshake { asked, .. }) = (self.role, self.phase) {
            self.unsent.clear();
            handshake::write_request(Request { encoding: asked, version: STATEFUL_VERSION }, &mut self.unsent);
        }
        self
    }

    fn new(role: Role, asked: Encoding, options: Arc<Options>, now: Instant) -> Self {
        Self {
            role,
            phase: Phase::Handshake { deadline: now + options.handshake_timeout, asked },
            transfer_format: TransferFormat::Binary,
            stateful: false,
            frames: Frames::default(),
            unsent: Vec::new(),
            ended: None,
            last_sent: now,
            last_heard: None,
            options,
        }
    }

    /// Takes one message out of `input`, which is advanced; `None` once it is used up, or after the end, when the rest
    /// does not matter any more.
    pub fn receive<'e, 'b: 'e>(&'e mut self, input: &mut &'b [u8], now: Instant) -> Option<Event<'e>> {
        let (phase, is_stateful) = (self.phase, self.is_stateful());
        let framing = match phase {
            Phase::Handshake { .. } => Framing::Separator,
            Phase::Open(agreed) => agreed.encoding.framing(),
            Phase::Ended => return None,
        };
        let (limit, detail) = (self.options.max_message_bytes, self.options.error_detail);
        let end = Ending { phase: &mut self.phase, unsent: &mut self.unsent, ended: &mut self.ended };
        let frame = match self.frames.next(input, framing, limit) {
            Ok(frame) => frame?,
            Err(error) => {
                end.unframed(&error, limit, detail);
                return None;
            }
        };
        if self.last_heard.is_some() {
            self.last_heard = Some(now);
        }
        let encoding = match (phase, self.role) {
            (Phase::Handshake { asked, .. }, Role::Client) => {
                let version = if self.stateful { STATEFUL_VERSION } else { 1 };
                return end.response(frame.body, Request { encoding: asked, version });
            }
            (Phase::Handshake { .. }, Role::Server) => {
                let offer = Offer { encodings: &self.options.encodings, transfer_format: self.transfer_format };
                return end.request(frame.body, offer, detail);
            }
            (Phase::Open(agreed), _) => agreed.encoding,
            (Phase::Ended, _) => return None,
        };
        match encoding.decode(frame.body) {
            Ok(Some(HubMessage::Ping)) => {
                self.last_heard = Some(now);
                Some(Event::Handled)
            }
            Ok(Some(HubMessage::Close { error, .. })) => {
                let reason = CloseReason::PeerClosed(error.map(Cow::into_owned));
                // A client's goodbye is answered by a Close of our own; a server's is the last word.
                end.end(reason, (self.role == Role::Server).then_some(encoding), detail);
                None
            }
            Ok(Some(HubMessage::Ack { .. } | HubMessage::Sequence { .. })) if !is_stateful => Some(Event::Handled),
            Ok(None) => Some(Event::Handled),
            Ok(Some(message)) => Some(Event::Message { frame: frame.wire, message }),
            Err(error) => {
                end.end(CloseReason::Protocol(error.to_string()), Some(encoding), detail);
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
            Phase::Open(agreed) if now >= self.last_sent + self.options.keep_alive_interval => {
                agreed.encoding.encode(&HubMessage::Ping, &mut self.unsent);
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
            Phase::Open(agreed) => Some(agreed.encoding),
            _ => None,
        }
    }

    /// The version of the protocol the client asked for, 0 to [`handshake::MAX_VERSION`]; `None` outside of an open
    /// connection.
    pub fn version(&self) -> Option<i64> {
        match self.phase {
            Phase::Open(agreed) => Some(agreed.version),
            _ => None,
        }
    }

    /// Whether both sides number and acknowledge messages: it was [negotiated](Self::stateful), and the handshake says
    /// version 2. Then Ack and Sequence are given to the caller; otherwise they mean nothing and are passed over.
    pub fn is_stateful(&self) -> bool {
        self.stateful && self.version() == Some(STATEFUL_VERSION)
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
    fn request<'e>(self, frame: &[u8], offer: Offer<'_>, detail: ErrorDetail) -> Option<Event<'e>> {
        match handshake::read_request(frame, offer) {
            Ok(request) => {
                *self.phase = Phase::Open(request);
                self.unsent.extend_from_slice(handshake::ACCEPTED);
                Some(Event::Opened)
            }
            Err(error) => {
                self.refuse(error, detail);
                None
            }
        }
    }

    fn response<'e>(self, frame: &[u8], asked: Request) -> Option<Event<'e>> {
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

    fn unframed(self, error: &FrameError, limit: usize, detail: ErrorDetail) {
        let Phase::Open(agreed) = *self.phase else {
            return self.refuse(HandshakeError::Canceled, detail);
        };
        let reason = match error {
            FrameError::TooLarge => CloseReason::MessageTooLarge { limit },
            FrameError::BadPrefix => CloseReason::Protocol("The length of a message is not readable.".to_owned()),
        };
        self.end(reason, Some(agreed.encoding), detail);
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

/// The version that says that a client knows Ack and Sequence.
const STATEFUL_VERSION: i64 = 2;

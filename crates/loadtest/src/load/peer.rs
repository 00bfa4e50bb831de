//! One socket of the load generator: from connecting to goodbye.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use memchr::memmem;
use mio::net::TcpStream;
use signalr_proto::framing::RECORD_SEPARATOR;
use signalr_proto::{Connection, Encoding, Event, HubMessage, Options, Outcome, Output};

use super::marker::Marker;
use super::random::Random;
use super::target::{Dialect, Role, Target};
use super::wire::{Opcode, put_frame, take_frame};

/// What a peer tells.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Connected, and subscribed if it is a subscriber.
    Opened,
    /// A subscriber got a marked message.
    Delivery(Marker),
    /// A publisher's message was accepted.
    Acknowledged,
    /// A publisher's message was refused with this text.
    Refused(String),
    /// The peer is gone; by plan without text.
    Closed(Option<String>),
}

/// Why a peer is gone: nothing if by plan.
pub(crate) type Ended = Option<String>;

/// What all peers of a swarm share.
pub(crate) struct Shared {
    pub(crate) target: Target,
    pub(crate) protocol: Arc<Options>,
    pub(crate) random: Random,
}

/// One socket.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    role: Role,
    phase: Phase,
    protocol: Option<Connection>,
    /// Beginning of something whose end has not arrived; without memory of its own most of the time.
    partial: Vec<u8>,
    unsent: Vec<u8>,
    heard: bool,
}

/// How far a peer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Connecting,
    Upgrading,
    Greeting,
    Subscribing,
    Open,
    Closing,
}

/// A protocol event without its borrowed parts.
enum Step {
    Greeted,
    Completed(Result<(), String>),
    Nothing,
}

impl Peer {
    /// Takes a socket that has begun to connect.
    pub(crate) fn new(stream: TcpStream, role: Role) -> Self {
        Self {
            stream,
            role,
            phase: Phase::Connecting,
            protocol: None,
            partial: Vec::new(),
            unsent: Vec::new(),
            heard: false,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// The socket can be written to, again or for the first time.
    pub(crate) fn writable(&mut self, shared: &Shared) -> Result<(), Ended> {
        if self.phase == Phase::Connecting {
            if let Some(error) = self.stream.take_error().map_err(because)? {
                return Err(because(error));
            }
            if self.stream.peer_addr().is_err() {
                return Ok(());
            }
            self.stream.set_nodelay(true).map_err(because)?;
            self.phase = Phase::Upgrading;
            self.unsent.extend_from_slice(shared.target.upgrade());
        }
        self.flush()
    }

    /// The socket can be read: reads all there is, into `buffer` piece by piece; with `to_the_end` its end as well, which
    /// is told together with the last bytes and not again. Returns how many bytes.
    pub(crate) fn readable(
        &mut self,
        buffer: &mut [u8],
        to_the_end: bool,
        shared: &mut Shared,
        on: &mut impl FnMut(Incoming),
    ) -> Result<usize, Ended> {
        let mut total = 0;
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(self.end("connection ended by the server")),
                Ok(count) => {
                    total += count;
                    self.receive(&buffer[..count], shared, on)?;
                    // A short read has emptied the socket; what comes later raises a new event.
                    if count < buffer.len() && !to_the_end {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.end(&error.to_string())),
            }
        }
        self.heard = true;
        self.flush()?;
        Ok(total)
    }

    /// Queues one websocket message; [`flush`](Self::flush) sends it.
    pub(crate) fn queue(&mut self, payload: &[u8], random: &mut Random) {
        put_frame(Opcode::Data, payload, random.mask(), &mut self.unsent);
    }

    /// Writes what is queued, as far as the socket takes it.
    pub(crate) fn flush(&mut self) -> Result<(), Ended> {
        while !self.unsent.is_empty() && self.phase != Phase::Connecting {
            match self.stream.write(&self.unsent) {
                Ok(count) if count == self.unsent.len() => self.unsent.clear(),
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.end(&error.to_string())),
            }
        }
        // An idle peer holds no memory but its own.
        if self.role == Role::Subscriber && self.unsent.capacity() > 0 && self.unsent.is_empty() {
            self.unsent = Vec::new();
        }
        Ok(())
    }

    /// Says goodbye; the server's answer ends the peer.
    pub(crate) fn close(&mut self, random: &mut Random) -> Result<(), Ended> {
        self.phase = Phase::Closing;
        if self.protocol.is_some() {
            let mut goodbye = Vec::new();
            let close = HubMessage::Close { error: None, allow_reconnect: false };
            Encoding::Json.encode(&close, &mut goodbye);
            self.queue(&goodbye, random);
        }
        let normal = 1000_u16.to_be_bytes();
        put_frame(Opcode::Close, &normal, random.mask(), &mut self.unsent);
        self.flush()
    }

    /// Pings or gives up, as due at `now`. To be called about once a second.
    pub(crate) fn tick(&mut self, now: Instant, shared: &mut Shared) -> Result<(), Ended> {
        let Some(protocol) = &mut self.protocol else {
            return Ok(());
        };
        if std::mem::take(&mut self.heard) {
            // Deliveries pass the protocol by, and are signs of life all the same.
            protocol.handle_resumed(now);
        }
        if protocol.poll_timeout().is_some_and(|due| due <= now) {
            protocol.handle_timeout(now);
            self.pump(shared)?;
            self.flush()?;
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8], shared: &mut Shared, on: &mut impl FnMut(Incoming)) -> Result<(), Ended> {
        if self.partial.is_empty() && self.phase != Phase::Upgrading {
            let used = self.frames(bytes, shared, on)?;
            self.partial.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        self.partial.extend_from_slice(bytes);
        let whole = std::mem::take(&mut self.partial);
        let mut used = 0;
        if self.phase == Phase::Upgrading {
            match memmem::find(&whole, b"\r\n\r\n") {
                Some(end) => used = end + 4,
                None => {
                    self.partial = whole;
                    return Ok(());
                }
            }
            self.upgraded(&whole[..used], shared)?;
        }
        used += self.frames(&whole[used..], shared, on)?;
        if used < whole.len() {
            self.partial = whole[used..].to_vec();
        }
        Ok(())
    }

    /// The response to the upgrade is here: begins to speak.
    fn upgraded(&mut self, head: &[u8], shared: &mut Shared) -> Result<(), Ended> {
        if !head.starts_with(b"HTTP/1.1 101") {
            let line = head.split(|byte| *byte == b'\r').next().unwrap_or(head);
            let line = String::from_utf8_lossy(line);
            return Err(Some(format!("websocket upgrade answered with {line}")));
        }
        self.phase = Phase::Greeting;
        match shared.target.dialect {
            Dialect::Bare => self.queue(Target::introduction(self.role), &mut shared.random),
            Dialect::SignalR => {
                let options = Arc::clone(&shared.protocol);
                let protocol = Connection::client(Encoding::Json, options, Instant::now());
                self.protocol = Some(protocol);
                self.pump(shared)?;
            }
        }
        Ok(())
    }

    /// Takes whole frames; returns how many bytes they had.
    fn frames(&mut self, bytes: &[u8], shared: &mut Shared, on: &mut impl FnMut(Incoming)) -> Result<usize, Ended> {
        let mut input = bytes;
        loop {
            match take_frame(&mut input) {
                Ok(None) => return Ok(bytes.len() - input.len()),
                Ok(Some((Opcode::Data, payload))) => self.data(payload, shared, on)?,
                Ok(Some((Opcode::Close, _))) => return Err(self.end("closed by the server")),
                Ok(Some((Opcode::Ping, payload))) => {
                    put_frame(Opcode::Pong, payload, shared.random.mask(), &mut self.unsent);
                }
                Ok(Some((Opcode::Pong, _))) => {}
                Err(unexpected) => return Err(Some(unexpected.0.to_owned())),
            }
        }
    }

    fn data(&mut self, payload: &[u8], shared: &mut Shared, on: &mut impl FnMut(Incoming)) -> Result<(), Ended> {
        if self.phase == Phase::Open && self.role == Role::Subscriber {
            for message in payload.split_inclusive(|byte| *byte == RECORD_SEPARATOR) {
                match Marker::find(message) {
                    Some(marker) => on(Incoming::Delivery(marker)),
                    None => self.hub_messages(message, shared, on)?,
                }
            }
            return Ok(());
        }
        if self.protocol.is_some() {
            return self.hub_messages(payload, shared, on);
        }
        match self.phase {
            Phase::Greeting => self.opened(on),
            Phase::Open => on(Incoming::Acknowledged),
            _ => {}
        }
        Ok(())
    }

    /// Lets the protocol have what is not a delivery.
    fn hub_messages(
        &mut self,
        mut input: &[u8],
        shared: &mut Shared,
        on: &mut impl FnMut(Incoming),
    ) -> Result<(), Ended> {
        while let Some(step) = self.step(&mut input) {
            match (step, self.phase) {
                (Step::Greeted, _) if self.role == Role::Publisher => self.opened(on),
                (Step::Greeted, _) => {
                    self.phase = Phase::Subscribing;
                    let call = shared.target.subscription();
                    self.queue(&call, &mut shared.random);
                }
                (Step::Completed(Ok(())), Phase::Subscribing) => self.opened(on),
                (Step::Completed(Err(text)), Phase::Subscribing) => return Err(Some(text)),
                (Step::Completed(Ok(())), Phase::Open) => on(Incoming::Acknowledged),
                (Step::Completed(Err(text)), Phase::Open) => on(Incoming::Refused(text)),
                _ => {}
            }
        }
        self.pump(shared)
    }

    fn step(&mut self, input: &mut &[u8]) -> Option<Step> {
        let event = self.protocol.as_mut()?.receive(input, Instant::now())?;
        Some(match event {
            Event::Opened => Step::Greeted,
            Event::Message { message: HubMessage::Completion { outcome, .. }, .. } => Step::Completed(match outcome {
                Outcome::Error(text) => Err(text.into_owned()),
                _ => Ok(()),
            }),
            _ => Step::Nothing,
        })
    }

    fn pump(&mut self, shared: &mut Shared) -> Result<(), Ended> {
        while let Some(output) = self.protocol.as_mut().and_then(Connection::poll_output) {
            match output {
                Output::Send(bytes) => self.queue(&bytes, &mut shared.random),
                Output::End(reason) => {
                    let text = reason.error().unwrap_or_else(|| "closed by the server".to_owned());
                    return Err(self.end(&text));
                }
            }
        }
        Ok(())
    }

    fn opened(&mut self, on: &mut impl FnMut(Incoming)) {
        self.phase = Phase::Open;
        on(Incoming::Opened);
    }

    fn end(&self, text: &str) -> Ended {
        (self.phase != Phase::Closing).then(|| text.to_owned())
    }
}

fn because(error: std::io::Error) -> Ended {
    Some(error.to_string())
}

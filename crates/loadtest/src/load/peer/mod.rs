//! One socket of the load generator: reading, writing, and the state it is in. `speech` has what is said on it.

mod speech;

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use mio::net::TcpStream;
use signalr_proto::{Connection, Encoding, HubMessage, Options};

use crate::load::marker::Marker;
use crate::load::random::Random;
use crate::load::target::{Role, Target};
use crate::load::wire::{Opcode, put_frame};

/// What a peer tells.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// Connected, and subscribed if it is a subscriber.
    Opened,
    /// A subscriber got a marked message.
    Delivery(Marker),
    /// A publisher's message was accepted; its number, where the server tells.
    Acknowledged(Option<u32>),
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

    fn end(&self, text: &str) -> Ended {
        (self.phase != Phase::Closing).then(|| text.to_owned())
    }
}

fn because(error: std::io::Error) -> Ended {
    Some(error.to_string())
}

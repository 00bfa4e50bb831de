//! What is said on a connection: upgrade, handshake, subscription, and the sorting of what arrives.

use std::sync::Arc;
use std::time::Instant;

use memchr::memmem;
use signalr_proto::framing::RECORD_SEPARATOR;
use signalr_proto::{Connection, Encoding, Event, HubMessage, Outcome, Output};

use super::{Ended, Incoming, Peer, Phase, Shared};
use crate::load::marker::Marker;
use crate::load::target::{Dialect, Role, Target};
use crate::load::wire::{Opcode, put_frame, take_frame};

/// A protocol event without its borrowed parts.
enum Step {
    Greeted,
    /// With the invocation id, which is the number of a publication.
    Completed(Option<u32>, Result<(), String>),
    Nothing,
}

impl Peer {
    /// Takes what was read.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        shared: &mut Shared,
        on: &mut impl FnMut(Incoming),
    ) -> Result<(), Ended> {
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
            Phase::Open => on(Incoming::Acknowledged(None)),
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
                (Step::Completed(_, Ok(())), Phase::Subscribing) => self.opened(on),
                (Step::Completed(_, Err(text)), Phase::Subscribing) => return Err(Some(text)),
                (Step::Completed(number, Ok(())), Phase::Open) => on(Incoming::Acknowledged(number)),
                (Step::Completed(_, Err(text)), Phase::Open) => on(Incoming::Refused(text)),
                _ => {}
            }
        }
        self.pump(shared)
    }

    fn step(&mut self, input: &mut &[u8]) -> Option<Step> {
        let event = self.protocol.as_mut()?.receive(input, Instant::now())?;
        Some(match event {
            Event::Opened => Step::Greeted,
            Event::Message { message: HubMessage::Completion { invocation_id, outcome }, .. } => {
                let outcome = match outcome {
                    Outcome::Error(text) => Err(text.into_owned()),
                    _ => Ok(()),
                };
                Step::Completed(invocation_id.parse().ok(), outcome)
            }
            _ => Step::Nothing,
        })
    }

    /// Queues what the protocol wants to say, and notices its end.
    pub(super) fn pump(&mut self, shared: &mut Shared) -> Result<(), Ended> {
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
}

//! The bare server that fan-out is compared with: one thread, one `epoll`, a prebuilt websocket frame, plain `send`s.
//!
//! Each client sends one message that tells its role. Every later message of a publisher begins with a mark (see
//! `loadtest::load::marker`); the server copies it into its one frame and sends that to all subscribers, then a small
//! answer to the publisher. With `--gather` it does so once per turn of its loop, for all that has arrived in it.
//! It has no queue: a client whose socket is full misses something, and tells so.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use loadtest::load::marker;
use loadtest::load::wire::{take_masked_frame, upgrade_response};
use memchr::memmem;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);
const ANSWER: &[u8] = b"\x81\x02{}";
const GOODBYE: &[u8] = b"\x88\x02\x03\xe8";

/// A bare websocket server, the yardstick of `loadtest bench`.
#[derive(Parser)]
struct Arguments {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Size of the frames that subscribers get, header included
    #[arg(long, default_value_t = 500)]
    frame_bytes: usize,
    /// Send to each subscriber once for all that has arrived, rather than once per message
    #[arg(long)]
    gather: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    loadtest::process::raise_file_limit()?;
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(arguments.listen).context("cannot listen")?;
    println!("floor listens on http://{}/hub", listener.local_addr()?);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut floor = Floor::new(arguments.frame_bytes, arguments.gather);
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let index = event.token().0;
            if event.token() == LISTENER {
                floor.accept(&listener, &poll)?;
            } else if floor.ready(index, event.is_read_closed(), &mut buffer).is_none() {
                floor.remove(index);
            }
        }
        floor.send_arrived();
    }
}

/// All there is.
#[derive(Default)]
struct Floor {
    clients: Vec<Option<Client>>,
    subscribers: Vec<usize>,
    /// What subscribers get, and where in it the mark goes.
    frame: Vec<u8>,
    mark_at: usize,
    gather: bool,
    /// Frames to be sent, and to whom an answer is due for them.
    arrived: Vec<u8>,
    answers: Vec<usize>,
}

struct Client {
    stream: TcpStream,
    role: Role,
    /// Beginning of a request or frame that has not arrived whole.
    partial: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Stranger,
    Guest,
    Publisher,
}

impl Floor {
    fn new(frame_bytes: usize, gather: bool) -> Self {
        let payload = frame_bytes.saturating_sub(4).clamp(126, 0xFFFF);
        let mut frame = vec![0x81, 126];
        frame.extend_from_slice(&(payload as u16).to_be_bytes());
        frame.resize(4 + payload, b'.');
        Self { frame, mark_at: 4 + (payload - marker::LENGTH) / 2, gather, ..Self::default() }
    }

    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> anyhow::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                accepted => accepted?.0,
            };
            stream.set_nodelay(true)?;
            let token = Token(self.clients.len());
            poll.registry().register(&mut stream, token, Interest::READABLE)?;
            self.clients.push(Some(Client { stream, role: Role::Stranger, partial: Vec::new() }));
        }
    }

    /// Reads what a client has sent; `None`: it is gone.
    fn ready(&mut self, index: usize, ends: bool, buffer: &mut [u8]) -> Option<()> {
        let client = self.clients.get_mut(index)?.as_mut()?;
        let count = match client.stream.read(buffer) {
            Ok(count @ 1..) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
            _ => return None,
        };
        client.partial.extend_from_slice(&buffer[..count]);
        let bytes = std::mem::take(&mut client.partial);
        let rest = self.receive(index, &bytes)?.to_vec();
        self.clients[index].as_mut()?.partial = rest;
        // A short read has emptied the socket, but for its end; after a full one there may be more.
        if ends || count == buffer.len() {
            return self.ready(index, ends, buffer);
        }
        Some(())
    }

    /// Takes whole requests and frames; returns what is left.
    fn receive<'a>(&mut self, index: usize, mut bytes: &'a [u8]) -> Option<&'a [u8]> {
        let client = self.clients[index].as_mut()?;
        if client.role == Role::Stranger {
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
                return Some(bytes);
            };
            client.role = Role::Guest;
            client.send(upgrade_response(&bytes[..end])?.as_bytes())?;
            bytes = &bytes[end + 4..];
        }
        while let Some((first, payload)) = take_masked_frame(&mut bytes) {
            let client = self.clients[index].as_mut()?;
            match (first & 0xF, client.role) {
                (8, _) => return client.send(GOODBYE).and(None),
                (1 | 2, Role::Publisher) => {
                    let mark = payload.get(..marker::LENGTH)?;
                    self.frame[self.mark_at..][..mark.len()].copy_from_slice(mark);
                    self.arrived.extend_from_slice(&self.frame);
                    self.answers.push(index);
                    if !self.gather {
                        self.send_arrived();
                    }
                }
                (1 | 2, _) => {
                    client.send(ANSWER)?;
                    match memmem::find(&payload, b"subscriber") {
                        Some(_) => self.subscribers.push(index),
                        None => client.role = Role::Publisher,
                    }
                }
                _ => {}
            }
        }
        Some(bytes)
    }

    /// Sends what has arrived to all subscribers, and an answer to each publisher.
    fn send_arrived(&mut self) {
        if self.arrived.is_empty() {
            return;
        }
        for index in &self.subscribers {
            // One that is gone is noticed when it is read; one that is full misses this, which the client will tell.
            if let Some(client) = &mut self.clients[*index] {
                client.send(&self.arrived);
            }
        }
        for turn in self.answers.chunk_by(|one, other| one == other) {
            if let Some(client) = &mut self.clients[turn[0]] {
                client.send(&ANSWER.repeat(turn.len()));
            }
        }
        self.arrived.clear();
        self.answers.clear();
    }

    fn remove(&mut self, index: usize) {
        self.clients[index] = None;
        self.subscribers.retain(|subscriber| *subscriber != index);
    }
}

impl Client {
    /// `None`: the socket does not take it.
    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        (self.stream.write(bytes).ok()? == bytes.len()).then_some(())
    }
}

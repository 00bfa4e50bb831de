//! `Pipe`: the client's end of a websocket in memory, which never waits: it writes what is taken and reads what is there.

use futures::FutureExt;
use hyper_util::rt::TokioIo;
use signalr_server::HubServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::random::Random;

pub(crate) struct Pipe {
    io: Option<DuplexStream>,
    /// Not taken yet.
    out: Vec<u8>,
    input: Vec<u8>,
    is_upgraded: bool,
    is_closed: bool,
    is_at_end: bool,
    is_end_told: bool,
}

/// What the server has sent.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The answer to the upgrade.
    Status(u16),
    /// Whole hub messages.
    Data(Vec<u8>),
    Pong,
    Close(u16),
    End,
}

impl Pipe {
    /// Asks for a websocket at a path.
    pub(crate) fn open(hub: &HubServer, path: &str, capacity: usize) -> Self {
        let (client, server) = tokio::io::duplex(capacity);
        let (http, hub) = (hyper::server::conn::http1::Builder::new(), hub.clone());
        tokio::spawn(async move {
            let _ = http.serve_connection(TokioIo::new(server), hub).with_upgrades().await;
        });
        let out = format!(
            "GET {path} HTTP/1.1\r\nhost: hub\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        let out = out.into_bytes();
        Self {
            io: Some(client),
            out,
            input: Vec::new(),
            is_upgraded: false,
            is_closed: false,
            is_at_end: false,
            is_end_told: false,
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.io.is_none() || self.is_end_told
    }

    /// Adds hub messages, cut into frames and fragments at any place.
    pub(crate) fn send(&mut self, messages: &[u8], random: &mut Random) {
        let cut = if random.once_in(3) { random.below(messages.len() as u64 + 1) as usize } else { 0 };
        let (first, second) = messages.split_at(cut);
        match (cut, random.once_in(2)) {
            (0, _) => self.frame(0x82, second),
            (_, true) => {
                self.frame(0x82, first);
                self.frame(0x81, second);
            }
            (_, false) => {
                self.frame(0x02, first);
                if random.once_in(4) {
                    self.frame(0x89, b"ping");
                }
                self.frame(0x80, second);
            }
        }
    }

    /// Adds a frame; `first` is FIN, reserved bits and opcode.
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) {
        let mask = [0x11, 0x22, 0x33, 0x44];
        self.out.push(first);
        match payload.len() {
            length @ 0..126 => self.out.push(0x80 | length as u8),
            length => {
                self.out.push(0x80 | 126);
                self.out.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
        }
        self.out.extend_from_slice(&mask);
        self.out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    }

    /// Writes no more than so many bytes; how many.
    pub(crate) fn write(&mut self, most: usize) -> usize {
        let Some(io) = &mut self.io else { return 0 };
        if self.is_end_told {
            return 0;
        }
        let mut written = 0;
        while written < most.min(self.out.len()) {
            match io.write(&self.out[written..most.min(self.out.len())]).now_or_never() {
                Some(Ok(count @ 1..)) => written += count,
                Some(_) => {
                    self.out.clear();
                    return written;
                }
                None => break,
            }
        }
        self.out.drain(..written);
        written
    }

    /// Reads no more than so many bytes; how many.
    pub(crate) fn read(&mut self, most: usize) -> usize {
        let Some(io) = &mut self.io else { return 0 };
        let (mut done, mut buffer) = (0, [0; 4096]);
        while done < most && !self.is_at_end {
            let most = buffer.len().min(most - done);
            let count = match io.read(&mut buffer[..most]).now_or_never() {
                Some(Ok(count @ 1..)) => count,
                ended => {
                    self.is_at_end = ended.is_some();
                    break;
                }
            };
            self.input.extend_from_slice(&buffer[..count]);
            done += count;
        }
        done
    }

    /// The next piece of what was read.
    pub(crate) fn next(&mut self) -> Option<Piece> {
        let piece = if self.is_upgraded { self.next_frame() } else { self.next_status() };
        piece.or_else(|| {
            let is_end = self.is_at_end && !self.is_gone();
            is_end.then(|| {
                self.is_end_told = true;
                Piece::End
            })
        })
    }

    fn next_status(&mut self) -> Option<Piece> {
        let end = self.input.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let head: Vec<u8> = self.input.drain(..end).collect();
        let status = std::str::from_utf8(&head[9..12]).unwrap().parse().unwrap();
        self.is_upgraded = status == 101;
        if !self.is_upgraded {
            self.input.clear();
        }
        Some(Piece::Status(status))
    }

    fn next_frame(&mut self) -> Option<Piece> {
        let (first, second) = (*self.input.first()?, *self.input.get(1)?);
        let (head, length) = match second {
            126 => (4, usize::from(u16::from_be_bytes(self.input.get(2..4)?.try_into().unwrap()))),
            127 => (10, u64::from_be_bytes(self.input.get(2..10)?.try_into().unwrap()) as usize),
            length => (2, usize::from(length)),
        };
        let payload = self.input.get(head..head + length)?.to_vec();
        self.input.drain(..head + length);
        assert!(!self.is_closed, "a frame after the close frame");
        Some(match first {
            0x81 | 0x82 => Piece::Data(payload),
            0x8A => Piece::Pong,
            0x88 => {
                self.is_closed = true;
                Piece::Close(u16::from_be_bytes(payload[..2].try_into().unwrap()))
            }
            other => panic!("a server sends no frame {other:#x}"),
        })
    }

    /// Ends what goes to the server, or drops what is not written of it.
    pub(crate) fn half_close(&mut self) {
        if let Some(io) = &mut self.io {
            let _ = io.shutdown().now_or_never();
        }
        self.out.clear();
    }

    /// Breaks off.
    pub(crate) fn drop_it(&mut self) {
        (self.io, self.is_upgraded) = (None, false);
        self.out.clear();
        self.input.clear();
    }
}

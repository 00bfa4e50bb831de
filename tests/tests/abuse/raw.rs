//! `Raw`: a TCP connection on which anything can be said, and what a server says on it.

use std::io;

use e2e::wait::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const HANDSHAKE: &[u8] = b"{\"protocol\":\"json\",\"version\":1}\x1e";

/// First byte of a frame: final, text.
pub const TEXT: u8 = 0x81;

pub struct Raw {
    pub stream: TcpStream,
    /// Read and not taken yet.
    pub unread: Vec<u8>,
}

impl Raw {
    /// Connects to `host:port`.
    pub async fn connect(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("somebody listens"), unread: Vec::new() }
    }

    /// A websocket without negotiation, before its handshake.
    pub async fn websocket(address: &str) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(upgrade(address, "/hub", "").as_bytes()).await.expect("it takes a request");
        let head = raw.read_past(b"\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }

    /// The same after its handshake.
    pub async fn hub(address: &str) -> Self {
        let mut raw = Self::websocket(address).await;
        raw.send(&frame(TEXT, HANDSHAKE)).await.expect("it takes a handshake");
        raw.read_past(b"{}\x1e").await;
        raw
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        within("the server takes bytes", self.stream.write_all(bytes)).await
    }

    /// Sends a hub message in a frame of its own.
    pub async fn say(&mut self, message: &str) -> io::Result<()> {
        self.send(&frame(TEXT, format!("{message}\x1e").as_bytes())).await
    }

    /// Takes what comes up to and including a mark.
    ///
    /// # Panics
    /// If the connection ends first.
    pub async fn read_past(&mut self, mark: &[u8]) -> String {
        loop {
            if let Some(at) = self.unread.windows(mark.len()).position(|window| window == mark) {
                let taken: Vec<u8> = self.unread.drain(..at + mark.len()).collect();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            let count = within("more bytes", self.stream.read_buf(&mut self.unread)).await.unwrap_or(0);
            assert!(count > 0, "the end came first: {}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// All that comes until the server ends the connection, politely or not.
    pub async fn read_to_end(mut self) -> Vec<u8> {
        let end = async { while self.stream.read_buf(&mut self.unread).await.unwrap_or(0) > 0 {} };
        within("the connection's end", end).await;
        self.unread
    }

    /// The same after saying that nothing follows.
    pub async fn finish(mut self) -> Vec<u8> {
        // It may have been ended by the server already.
        let _ = self.stream.shutdown().await;
        self.read_to_end().await
    }

    /// Reads up to the server's close frame, answers it, and gives all that was read.
    pub async fn read_to_end_after_close(mut self) -> Vec<u8> {
        let closed = async {
            while close_code(&self.unread).is_none() && self.stream.read_buf(&mut self.unread).await.unwrap_or(0) > 0 {}
        };
        within("the server's close frame", closed).await;
        self.finish().await
    }

    /// Ends it by a reset, as a client that crashes.
    pub fn reset(self) {
        let _ = self.stream.set_zero_linger();
    }
}

/// Sends bytes on a connection of their own, and gives all that is answered before the server closes.
pub async fn exchange(address: &str, bytes: &[u8]) -> String {
    let mut raw = Raw::connect(address).await;
    // A server may refuse before it has read all.
    let _ = raw.send(bytes).await;
    String::from_utf8_lossy(&raw.read_to_end().await).into_owned()
}

/// Status of the first answer in a text; 0 if there is none.
pub fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

/// A request for a websocket with further header lines.
pub fn upgrade(host: &str, target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

/// A masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A frame's head alone, announcing a length of eight bytes.
pub fn head_of(length: u64) -> Vec<u8> {
    [&[TEXT, 0xFF][..], &length.to_be_bytes(), &[1, 2, 3, 4]].concat()
}

/// Code of the close frame at the end of what a server sent, if there is one.
pub fn close_code(sent: &[u8]) -> Option<u16> {
    match sent {
        [.., 0x88, 2, high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

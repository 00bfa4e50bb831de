//! Requests as text and answers taken apart.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::{BoxedIo, soon};

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// What is answered to `METHOD /path` with these headers.
    pub(crate) async fn to(mut io: BoxedIo, request: &str, headers: &[(&str, &str)]) -> Self {
        let mut text = format!("{request} HTTP/1.1\r\nHost: hub\r\n");
        if !request.starts_with("GET") {
            text.push_str("Content-Length: 0\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        io.write_all(text.as_bytes()).await.unwrap();
        Self::read_keeping(io).await.0
    }

    /// The next answer, and the stream behind it for more.
    pub(crate) async fn read_keeping(io: BoxedIo) -> (Self, BoxedIo) {
        soon("an HTTP answer", Self::read(io)).await
    }

    async fn read(io: BoxedIo) -> (Self, BoxedIo) {
        // One byte at a time, so that nothing of what follows is taken along.
        let mut io = BufReader::with_capacity(1, io);
        let mut line = String::new();
        io.read_line(&mut line).await.unwrap();
        let status = line.split(' ').nth(1).expect("a status line");
        let mut answer = Self { status: status.parse().unwrap(), headers: Vec::new(), body: String::new() };
        loop {
            line.clear();
            io.read_line(&mut line).await.unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            answer.headers.push((name.to_lowercase(), value.to_owned()));
        }
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        io.read_exact(&mut body).await.unwrap();
        answer.body = String::from_utf8(body).unwrap();
        (answer, io.into_inner())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The header lines of a websocket upgrade; change them to spoil it.
pub(crate) fn upgrade_request() -> Vec<(&'static str, &'static str)> {
    vec![
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
}

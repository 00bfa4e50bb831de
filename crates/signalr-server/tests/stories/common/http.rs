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
    pub(crate) async fn to(io: BoxedIo, request: &str, headers: &[(&str, &str)]) -> Self {
        Http1::new(io).ask(request, headers, "").await
    }

    /// The next answer, and the stream behind it for more.
    pub(crate) async fn read_keeping(io: BoxedIo) -> (Self, BoxedIo) {
        // One byte at a time, so that nothing of what follows is taken along.
        let mut io = BufReader::with_capacity(1, io);
        (soon("an HTTP answer", Self::read(&mut io)).await, io.into_inner())
    }

    /// Reads a head, and its body if it says how long that is.
    async fn read(io: &mut BufReader<BoxedIo>) -> Self {
        let mut answer = Self::read_head(io).await;
        answer.body = text(io, answer.length()).await;
        answer
    }

    async fn read_head(io: &mut BufReader<BoxedIo>) -> Self {
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
        answer
    }

    /// Of its body, if it says so.
    pub(crate) fn length(&self) -> usize {
        self.header("content-length").map_or(0, |length| length.parse().unwrap())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Status and body.
    pub(crate) fn told(&self) -> (u16, &str) {
        (self.status, &self.body)
    }
}

/// One connection for one request after the other.
pub(crate) struct Http1(BufReader<BoxedIo>);

impl Http1 {
    pub(crate) fn new(io: BoxedIo) -> Self {
        Self(BufReader::new(io))
    }

    /// What is answered to `METHOD /path` with these headers and this body.
    pub(crate) async fn ask(&mut self, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.begin(request, headers, body).await;
        self.answer().await
    }

    /// Asks, and leaves the answer for later.
    pub(crate) async fn begin(&mut self, request: &str, headers: &[(&str, &str)], body: &str) {
        let mut text = format!("{request} HTTP/1.1\r\nHost: hub\r\n");
        if !request.starts_with("GET") {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        self.write(&format!("{text}\r\n{body}")).await;
    }

    pub(crate) fn io(&mut self) -> &mut BoxedIo {
        self.0.get_mut()
    }

    /// Writes as it stands.
    pub(crate) async fn write(&mut self, text: &str) {
        soon("a write", self.0.get_mut().write_all(text.as_bytes())).await.unwrap();
        self.0.get_mut().flush().await.unwrap();
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        soon("an HTTP answer", Answer::read(&mut self.0)).await
    }

    /// The head of an answer whose body is then read by [`part`](Self::part).
    pub(crate) async fn head(&mut self) -> Answer {
        soon("the head of an answer", Answer::read_head(&mut self.0)).await
    }

    /// The next so many bytes of a body.
    pub(crate) async fn part(&mut self, length: usize) -> String {
        soon("a part of a body", text(&mut self.0, length)).await
    }

    /// The next piece of a body in chunks; `None`: its end. An error: it was broken off.
    pub(crate) async fn chunk(&mut self) -> std::io::Result<Option<String>> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let length = usize::from_str_radix(line.trim_end(), 16).expect("a chunk");
        let mut chunk = vec![0; length + 2];
        self.0.read_exact(&mut chunk).await?;
        chunk.truncate(length);
        Ok((length > 0).then(|| String::from_utf8(chunk).expect("chunks of whole characters")))
    }
}

/// Reads so many bytes.
async fn text(io: &mut BufReader<BoxedIo>, length: usize) -> String {
    let mut bytes = vec![0; length];
    io.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The body of a response of events, with the head read.
pub(crate) struct Events {
    http: Http1,
    text: String,
}

impl Events {
    /// Asks for the stream of this path, which must be granted.
    pub(crate) async fn open(io: BoxedIo, path: &str) -> Self {
        let mut http = Http1::new(io);
        let answer = http.ask(&format!("GET {path}"), &ACCEPT_EVENTS, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut events = Self { http, text: String::new() };
        assert_eq!(events.read(2).await.unwrap().as_deref(), Some(":"), "a comment comes at once");
        events
    }

    /// The payload of the next event; `None`: the end. An error: the body was broken off.
    pub(crate) async fn next(&mut self) -> std::io::Result<Option<String>> {
        let Some(event) = soon("an event", self.read(4)).await? else {
            assert_eq!(self.text, "", "whole events");
            return Ok(None);
        };
        let lines = event.split("\r\n").map(|line| line.strip_prefix("data: ").expect("nothing but data"));
        Ok(Some(lines.collect::<Vec<_>>().join("\n")))
    }

    /// Up to a line break, or up to two of them.
    async fn read(&mut self, breaks: usize) -> std::io::Result<Option<String>> {
        let end = &"\r\n\r\n"[..breaks];
        let mut searched = 0;
        loop {
            if let Some(length) = self.text[searched..].find(end) {
                let rest = self.text.split_off(searched + length + breaks);
                let mut found = std::mem::replace(&mut self.text, rest);
                found.truncate(searched + length);
                return Ok(Some(found));
            }
            searched = self.text.len().saturating_sub(3);
            while !self.text.is_char_boundary(searched) {
                searched -= 1;
            }
            match self.http.chunk().await? {
                Some(chunk) => self.text.push_str(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// What tells a request for a stream of events from a poll.
pub(crate) const ACCEPT_EVENTS: [(&str, &str); 1] = [("Accept", "text/event-stream")];

/// The header lines of a websocket upgrade; change them to spoil it.
pub(crate) fn upgrade_request() -> Vec<(&'static str, &'static str)> {
    vec![
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
}

//! `EventStream`: the body of a response of Server-Sent Events. Each frame becomes one event without name or id.
//!
//! ```text
//! :CR LF                                         at once: browsers call a stream open when its first bytes come
//! data: payload CR LF CR LF                      a payload of several lines has several `data: `
//! ```

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::HttpConnection;

/// Takes what waits for one connection until it ends. Dropping it ends the connection: such a stream is never resumed,
/// and what is sent to it is dropped even while a call keeps the connection from noticing.
#[derive(Debug)]
pub(crate) struct EventStream {
    connection: Arc<HttpConnection>,
    has_begun: bool,
}

impl EventStream {
    pub(crate) fn new(connection: Arc<HttpConnection>) -> Self {
        Self { connection, has_begun: false }
    }

    /// The next piece of the body; `None`: the end.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Poll::Ready(Some(Bytes::from_static(b":\r\n")));
        }
        let taken = std::task::ready!(self.connection.handle.outbox().poll_take(cx, PIECE));
        Poll::Ready(taken.map(|frames| events(&frames)))
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.connection.handle.outbox().end();
        self.connection.input.end();
    }
}

fn events(payloads: &[Bytes]) -> Bytes {
    let length = payloads.iter().map(|payload| payload.len() + AROUND).sum();
    let mut out = Vec::with_capacity(length);
    for payload in payloads {
        for line in payload.split(|byte| *byte == b'\n') {
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
    out.into()
}

const AROUND: usize = "data: \r\n\r\n".len();

/// Bytes taken at once.
const PIECE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_payload_is_an_event_and_each_line_a_field() {
        let rows: [(&[&str], &str); 4] = [
            (&["{}\x1e"], "data: {}\x1e\r\n\r\n"),
            (&["a", "b"], "data: a\r\n\r\ndata: b\r\n\r\n"),
            (&["a\nb\r\nc"], "data: a\r\ndata: b\r\ndata: c\r\n\r\n"),
            (&["a\n"], "data: a\r\ndata: \r\n\r\n"),
        ];
        for (payloads, expected) in rows {
            let payloads: Vec<_> = payloads.iter().map(|payload| Bytes::from_static(payload.as_bytes())).collect();
            assert_eq!(events(&payloads), expected);
        }
    }
}

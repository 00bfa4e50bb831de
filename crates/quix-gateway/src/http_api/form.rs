//! `Form`: how an answer is written, and `Text`: what was written, in parts of whole messages.

use axum::body::Bytes;
use serde_json::json;

use super::cursor::Cursor;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// NDJSON: a JSON text a line.
    Lines,
    /// Server-Sent Events, each package with the cursor behind it as its id.
    Events,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        }
    }

    pub(super) fn package(self, out: &mut Text, cursor: &Cursor, json: &[u8]) {
        match self {
            Self::Lines => out.add(&[json, b"\n"]),
            Self::Events => out.add(&[format!("id: {cursor}\ndata: ").as_bytes(), json, b"\n\n"]),
        }
    }

    /// Reading goes on at `next_offset`; `lost` records before it are gone: they were deleted before they were read.
    pub(super) fn gap(self, out: &mut Text, cursor: &Cursor, partition: i32, next_offset: i64, lost: i64) {
        let gap = json!({ "partition": partition, "nextOffset": next_offset, "lost": lost });
        let text = match self {
            Self::Lines => format!("{}\n", json!({ "gap": gap })),
            Self::Events => format!("event: gap\nid: {cursor}\ndata: {gap}\n\n"),
        };
        out.add(&[text.as_bytes()]);
    }

    /// The last of an answer that ends, and not by plan.
    pub(super) fn error(self, error: &str) -> Bytes {
        let error = json!({ "error": error });
        match self {
            Self::Lines => format!("{error}\n"),
            // Not `error`: browsers call their own so.
            Self::Events => format!("event: problem\ndata: {error}\n\n"),
        }
        .into()
    }

    /// The last of an answer that has come to its end: a page's `EventSource` would ask again.
    pub(super) fn end(self) -> Bytes {
        match self {
            Self::Lines => Bytes::new(),
            Self::Events => Bytes::from_static(b"event: end\ndata: {}\n\n"),
        }
    }

    /// Nothing has come for a while; whoever was cut off need not look at again what nobody wanted.
    pub(super) fn heartbeat(self, out: &mut Text, cursor: &Cursor) {
        match self {
            Self::Lines => out.add(&[b"\n"]),
            Self::Events => out.add(&[format!(":\nid: {cursor}\n\n").as_bytes()]),
        }
    }
}

/// Whole messages one behind the other.
#[derive(Debug, Default)]
pub(super) struct Text {
    parts: Vec<Bytes>,
    last: Vec<u8>,
    bytes: usize,
}

impl Text {
    /// Adds a message, given in pieces.
    pub(super) fn add(&mut self, message: &[&[u8]]) {
        let bytes: usize = message.iter().map(|piece| piece.len()).sum();
        if self.last.len() + bytes > PART_BYTES && !self.last.is_empty() {
            self.parts.push(std::mem::take(&mut self.last).into());
        }
        message.iter().for_each(|piece| self.last.extend_from_slice(piece));
        self.bytes += bytes;
    }

    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// In order; none is empty, and what is larger than [`PART_BYTES`] is one message.
    pub(super) fn into_parts(mut self) -> Vec<Bytes> {
        if !self.last.is_empty() {
            self.parts.push(self.last.into());
        }
        self.parts
    }
}

/// No part of several messages is larger.
pub(super) const PART_BYTES: usize = 64 * 1024;

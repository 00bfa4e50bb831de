//! Complete websocket frames, made once and shared by everyone who gets the same.
//!
//! ```text
//! 0x81 text | 0x82 binary     length 7 bit | 126 + 16 bit | 127 + 64 bit     payload: whole hub messages
//! ```
//! Server frames carry no mask.

use std::ops::Range;

use bytes::Bytes;
use serde::Serialize;
use signalr_proto::{Encoding, TransferFormat};

use crate::error::SendError;

/// One frame with whole hub messages in one encoding. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub(crate) bytes: Bytes,
    encoding: Encoding,
    head_len: u8,
}

impl Frame {
    /// The encoding of its messages; only connections that speak it may be sent this frame.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Bytes that are no hub messages.
    pub(crate) fn around(opcode: u8, payload: &[u8]) -> Self {
        let mut buffer = Vec::with_capacity(HEAD_ROOM + payload.len());
        buffer.resize(HEAD_ROOM, 0);
        buffer.extend_from_slice(payload);
        let start = write_head(opcode, &mut buffer);
        let head_len = (HEAD_ROOM - start) as u8;
        Self { bytes: Bytes::from(buffer).slice(start..), encoding: Encoding::Json, head_len }
    }

    /// Where its hub messages begin.
    pub(crate) fn payload_start(&self) -> usize {
        usize::from(self.head_len)
    }

    /// Length on the wire of a websocket, in bytes.
    pub fn wire_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Gathers hub messages into one [`Frame`].
#[derive(Debug)]
pub struct FrameBuilder {
    buffer: Vec<u8>,
    encoding: Encoding,
}

impl FrameBuilder {
    /// An empty frame.
    pub fn new(encoding: Encoding) -> Self {
        Self::with_capacity(encoding, 0)
    }

    /// An empty frame with room for this many bytes of messages.
    pub fn with_capacity(encoding: Encoding, bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(HEAD_ROOM + bytes);
        buffer.resize(HEAD_ROOM, 0);
        Self { buffer, encoding }
    }

    /// Adds a call of the client's handler `target`; `arguments` must serialise as a sequence, such as a tuple.
    pub fn invocation<A: Serialize + ?Sized>(&mut self, target: &str, arguments: &A) -> Result<(), SendError> {
        self.encoding
            .encode_invocation(None, target, arguments, &mut self.buffer)
            .map_err(|cause| SendError { target: target.to_owned(), cause })
    }

    /// Adds messages that another frame in the same encoding has: the bytes between two places, each of which its
    /// [`len`](Self::len) was once.
    pub fn copy(&mut self, other: &Self, messages: Range<usize>) {
        debug_assert_eq!(self.encoding, other.encoding);
        self.buffer.extend_from_slice(&other.buffer[HEAD_ROOM..][messages]);
    }

    /// Adds a call that the client answers under this id.
    pub(crate) fn question<A: Serialize + ?Sized>(
        &mut self,
        invocation_id: &str,
        target: &str,
        arguments: &A,
    ) -> Result<(), SendError> {
        self.encoding
            .encode_invocation(Some(invocation_id), target, arguments, &mut self.buffer)
            .map_err(|cause| SendError { target: target.to_owned(), cause })
    }

    /// Bytes of the messages so far.
    pub fn len(&self) -> usize {
        self.buffer.len() - HEAD_ROOM
    }

    /// Whether nothing was added yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The complete frame.
    pub fn finish(mut self) -> Frame {
        let start = write_head(opcode(self.encoding), &mut self.buffer);
        let head_len = (HEAD_ROOM - start) as u8;
        Frame { bytes: Bytes::from(self.buffer).slice(start..), encoding: self.encoding, head_len }
    }
}

/// Room kept before a payload for the longest head.
pub(crate) const HEAD_ROOM: usize = 10;

pub(crate) const OPCODE_TEXT: u8 = 1;
pub(crate) const OPCODE_BINARY: u8 = 2;
pub(crate) const OPCODE_CLOSE: u8 = 8;
pub(crate) const OPCODE_PONG: u8 = 10;

/// The opcode that carries messages of this encoding.
pub(crate) fn opcode(encoding: Encoding) -> u8 {
    match encoding.transfer_format() {
        TransferFormat::Text => OPCODE_TEXT,
        TransferFormat::Binary => OPCODE_BINARY,
    }
}

/// Writes the head of a frame into the room before its payload and tells where the frame begins.
pub(crate) fn write_head(opcode: u8, buffer: &mut [u8]) -> usize {
    let first = 0x80 | opcode;
    let length = buffer.len() - HEAD_ROOM;
    match length {
        0..126 => {
            buffer[8..10].copy_from_slice(&[first, length as u8]);
            8
        }
        126..65_536 => {
            buffer[6..8].copy_from_slice(&[first, 126]);
            buffer[8..10].copy_from_slice(&(length as u16).to_be_bytes());
            6
        }
        _ => {
            buffer[0..2].copy_from_slice(&[first, 127]);
            buffer[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_grow_with_the_payload() {
        for (length, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut buffer = vec![0; HEAD_ROOM + length];
            let start = write_head(OPCODE_TEXT, &mut buffer);
            assert_eq!(HEAD_ROOM - start, head, "{length}");
            assert_eq!(buffer[start], 0x81);
        }
    }

    #[test]
    fn several_messages_share_a_frame() {
        let mut builder = FrameBuilder::new(Encoding::Json);
        builder.invocation("a", &(1,)).unwrap();
        builder.invocation("b", &()).unwrap();
        let text =
            "{\"type\":1,\"target\":\"a\",\"arguments\":[1]}\x1e{\"type\":1,\"target\":\"b\",\"arguments\":[]}\x1e";
        assert_eq!(&builder.finish().bytes[2..], text.as_bytes());
    }

    #[test]
    fn messages_of_one_frame_are_copied_into_another() {
        let mut all = FrameBuilder::new(Encoding::Json);
        all.invocation("a", &(1,)).unwrap();
        let place = all.len();
        all.invocation("b", &()).unwrap();
        let mut some = FrameBuilder::with_capacity(Encoding::Json, all.len() - place);
        some.copy(&all, place..all.len());
        assert_eq!(&some.finish().bytes[2..], "{\"type\":1,\"target\":\"b\",\"arguments\":[]}\x1e".as_bytes());
    }
}

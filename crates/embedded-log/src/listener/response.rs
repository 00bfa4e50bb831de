//! `Response`: bytes to be sent. `Reply`: an answer that is there, will be, or is not wanted.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use futures::future::BoxFuture;
use kafka_protocol::protocol::{Encodable, buf::ByteBufMut};
use tokio::sync::OwnedSemaphorePermit;

use super::request::{Refusal, Request};

/// An answer as bytes, in parts, so that records need not be copied into it.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) parts: Vec<Bytes>,
    /// Memory of records in it, free again when it was sent.
    pub(super) held: Option<OwnedSemaphorePermit>,
}

/// What becomes of a request.
pub(super) enum Reply {
    /// Nothing is sent.
    None,
    Now(Response),
    Later(BoxFuture<'static, Result<Response, Refusal>>),
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}

impl Response {
    /// Encodes an answer to `request`.
    pub(super) fn new(request: &Request, message: &impl Encodable) -> Result<Self, Refusal> {
        Self::encode(request.correlation_id, request.version, message)
    }

    /// Encodes an answer. Its head is of version 0, as that of all kinds and versions we offer.
    pub(super) fn encode(correlation_id: i32, version: i16, message: &impl Encodable) -> Result<Self, Refusal> {
        let mut builder = ResponseBuilder::new(correlation_id);
        if let Err(error) = message.encode(builder.fields(), version) {
            tracing::error!(version, %error, "an answer cannot be encoded");
            return Err(Refusal::Malformed);
        }
        Ok(builder.finish(None))
    }

    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }
}

/// An answer in the making.
#[derive(Debug)]
pub(super) struct ResponseBuilder {
    /// Complete parts, the first without its length.
    parts: Vec<Bytes>,
    fields: BytesMut,
    /// Bytes in `parts`.
    length: usize,
}

impl ResponseBuilder {
    pub(super) fn new(correlation_id: i32) -> Self {
        let mut fields = BytesMut::with_capacity(256);
        fields.put_i32(0); // the length, when it is known
        fields.put_i32(correlation_id);
        Self { parts: Vec::new(), fields, length: 0 }
    }

    /// Where fields go that are copied.
    pub(super) fn fields(&mut self) -> &mut BytesMut {
        &mut self.fields
    }

    /// Adds bytes that are not copied.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if bytes.len() <= COPIED {
            self.fields.put_slice(&bytes);
            return;
        }
        if !self.parts.is_empty() {
            self.flush();
        } else {
            // The first part is kept open for the length.
            let first = std::mem::take(&mut self.fields);
            self.length += first.len();
            self.parts.push(first.freeze());
        }
        self.length += bytes.len();
        self.parts.push(bytes);
    }

    pub(super) fn finish(mut self, held: Option<OwnedSemaphorePermit>) -> Response {
        if self.parts.is_empty() {
            let length = self.fields.len() - LENGTH;
            self.fields.range(0..LENGTH).copy_from_slice(&(length as u32).to_be_bytes());
            return Response { parts: vec![self.fields.freeze()], held };
        }
        self.flush();
        let length = (self.length - LENGTH) as u32;
        let mut first = BytesMut::from(std::mem::take(&mut self.parts[0])); // ours alone: nothing is copied
        first.range(0..LENGTH).copy_from_slice(&length.to_be_bytes());
        self.parts[0] = first.freeze();
        Response { parts: self.parts, held }
    }

    fn flush(&mut self) {
        if !self.fields.is_empty() {
            let fields = std::mem::take(&mut self.fields);
            self.length += fields.len();
            self.parts.push(fields.freeze());
        }
    }
}

/// Smaller pieces cost more to send apart than to copy.
const COPIED: usize = 512;
const LENGTH: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_counts_all_parts() {
        for pieces in [vec![], vec![10], vec![1000], vec![1000, 10, 1000, 1000]] {
            let mut builder = ResponseBuilder::new(7);
            let mut expected = 7i32.to_be_bytes().to_vec();
            for (number, piece) in pieces.iter().enumerate() {
                builder.fields().put_u8(number as u8);
                builder.push(vec![9; *piece].into());
                expected.push(number as u8);
                expected.extend(vec![9; *piece]);
            }
            let response = builder.finish(None);
            let all = response.parts.concat();
            assert_eq!(all[..4], (expected.len() as u32).to_be_bytes(), "{pieces:?}");
            assert_eq!(all[4..], expected, "{pieces:?}");
            assert_eq!(response.len(), all.len());
        }
    }
}

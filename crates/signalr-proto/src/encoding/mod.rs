//! Encodings: frame ⇄ `HubMessage`, one module each, which pass the same tables.

mod error;
pub mod json;
pub mod messagepack;

use serde::Serialize;

pub use self::error::{DecodeError, EncodeError, Fault, ValueError};
use crate::framing::Framing;
use crate::message::HubMessage;
use crate::payload::Payload;

/// Deepest nesting of arrays and objects in one message, the message itself included.
/// Source: the default of System.Text.Json, for both encodings.
pub const MAX_DEPTH: usize = 64;

/// How hub messages are written on a connection, chosen by the client in its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8 objects, each ended by [`RECORD_SEPARATOR`](crate::framing::RECORD_SEPARATOR).
    Json,
    /// MessagePack arrays, each behind its length.
    MessagePack,
}

/// What a transport must be able to carry. Source: ASP.NET Core `TransferFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferFormat {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

impl Encoding {
    /// All there are.
    pub const ALL: &'static [Self] = &[Self::Json, Self::MessagePack];

    /// The encoding called so in a handshake; case does not matter.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|encoding| name.eq_ignore_ascii_case(encoding.name()))
    }

    /// Name in the handshake.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
        }
    }

    /// What a transport must carry, and the kind of websocket frame that does.
    pub fn transfer_format(self) -> TransferFormat {
        match self {
            Self::Json => TransferFormat::Text,
            Self::MessagePack => TransferFormat::Binary,
        }
    }

    /// How its messages are set apart.
    pub fn framing(self) -> Framing {
        match self {
            Self::Json => Framing::Separator,
            Self::MessagePack => Framing::LengthPrefix,
        }
    }

    /// Reads one frame, without its separator or length prefix. `None`: a kind of message from the future, to be ignored.
    pub fn decode(self, frame: &[u8]) -> Result<Option<HubMessage<'_>>, DecodeError> {
        match self {
            Self::Json => json::decode(frame),
            Self::MessagePack => messagepack::decode(frame),
        }
    }

    /// Appends one whole message, separator or length prefix included.
    ///
    /// A payload in the other encoding is converted as [`AnyValue`](crate::value::AnyValue) is; one that has no form in
    /// this encoding becomes null, arguments an empty array.
    pub fn encode(self, message: &HubMessage<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json => json::encode(message, out),
            Self::MessagePack => messagepack::encode(message, out),
        }
    }

    /// Appends an invocation of `target`. `arguments` must serialise as a sequence: a tuple, an array, or `()` for none.
    ///
    /// On an error nothing is appended.
    pub fn encode_invocation<A: Serialize + ?Sized>(
        self,
        invocation_id: Option<&str>,
        target: &str,
        arguments: &A,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self {
            Self::Json => json::encode_invocation(invocation_id, target, arguments, out),
            Self::MessagePack => messagepack::encode_invocation(invocation_id, target, arguments, out),
        }
    }

    /// Appends a stream item. On an error nothing is appended.
    pub fn encode_stream_item<T: Serialize + ?Sized>(
        self,
        invocation_id: &str,
        item: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self {
            Self::Json => json::encode_stream_item(invocation_id, item, out),
            Self::MessagePack => messagepack::encode_stream_item(invocation_id, item, out),
        }
    }

    /// Appends the completion of a call that has a result, which is null for `()`. On an error nothing is appended.
    ///
    /// Completions with an error, and those of streams, hold no value and are written by [`encode`](Self::encode).
    pub fn encode_completion<T: Serialize + ?Sized>(
        self,
        invocation_id: &str,
        result: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self {
            Self::Json => json::encode_completion(invocation_id, result, out),
            Self::MessagePack => messagepack::encode_completion(invocation_id, result, out),
        }
    }

    /// One value by itself, as it stands in a message; [`payload`](Self::payload) reads it back.
    pub fn encode_value<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        match self {
            Self::Json => serde_json::to_writer(&mut out, value).map_err(ValueError::from)?,
            Self::MessagePack => messagepack::write_value(value, &mut out)?,
        }
        Ok(out)
    }

    /// One value as it stands in a message, from its bytes. They must be of exactly one value, as
    /// [`encode_value`](Self::encode_value) writes it; only text is checked here, for being UTF-8.
    pub fn payload(self, value: &[u8]) -> Result<Payload<'_>, DecodeError> {
        match self {
            Self::Json => {
                let text = std::str::from_utf8(value).map_err(|error| DecodeError::Malformed(error.to_string()))?;
                Ok(Payload::Json(text))
            }
            Self::MessagePack => Ok(Payload::MessagePack(value)),
        }
    }
}

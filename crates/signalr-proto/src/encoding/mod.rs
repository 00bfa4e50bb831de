//! Encodings: frame ⇄ `HubMessage`, one module each. MessagePack will stand beside JSON and pass the same tables.

pub mod json;

use serde::Serialize;

use crate::message::HubMessage;

/// How hub messages are written on a connection, chosen by the client in its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// UTF-8 objects, each ended by [`RECORD_SEPARATOR`](crate::framing::RECORD_SEPARATOR).
    Json,
}

impl Encoding {
    /// The encoding called so in a handshake; case does not matter.
    pub fn by_name(name: &str) -> Option<Self> {
        name.eq_ignore_ascii_case("json").then_some(Self::Json)
    }

    /// Name in the handshake.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
        }
    }

    /// Reads one frame, without its separator. `None`: a kind of message from the future, to be ignored.
    pub fn decode(self, frame: &[u8]) -> Result<Option<HubMessage<'_>>, DecodeError> {
        match self {
            Self::Json => json::decode(frame),
        }
    }

    /// Appends one whole message, separator included.
    pub fn encode(self, message: &HubMessage<'_>, out: &mut Vec<u8>) {
        match self {
            Self::Json => json::encode(message, out),
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
        }
    }

    /// One value by itself, as it stands in a message.
    pub fn encode_value<T: Serialize + ?Sized>(self, value: &T) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Json => Ok(serde_json::to_vec(value)?),
        }
    }
}

/// A frame that breaks the protocol; the connection ends with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a message in this encoding at all.
    #[error("Error reading JSON. {0}")]
    Malformed(String),
    /// Nested deeper than [`json::MAX_DEPTH`].
    #[error("The message is nested deeper than {0} levels.")]
    TooDeep(usize),
    /// A member that this kind of message needs.
    #[error("Missing required property '{0}'.")]
    Missing(&'static str),
    /// A member of the wrong kind.
    #[error("Expected '{member}' to be of type {expected}.")]
    WrongType {
        /// Its name.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A completion with both.
    #[error("The 'error' and 'result' properties are mutually exclusive.")]
    ErrorAndResult,
}

/// A value that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The value's own serialisation failed.
    #[error("cannot serialise: {0}")]
    Value(#[from] serde_json::Error),
    /// Arguments that are not a sequence.
    #[error("arguments must serialise as a sequence, such as a tuple")]
    NotASequence,
}

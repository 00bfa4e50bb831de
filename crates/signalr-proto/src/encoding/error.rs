//! Why a frame could not be read, or a value not be read or written.

use std::fmt;

use serde::de::{Expected, Unexpected};

/// A frame that breaks the protocol; the connection ends with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not an object.
    #[error("Error reading JSON. {0}")]
    Malformed(String),
    /// Not MessagePack.
    #[error("Error reading MessagePack. {0}")]
    MessagePack(Fault),
    /// Nested deeper than [`MAX_DEPTH`](crate::encoding::MAX_DEPTH).
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
    /// A completion that is neither error nor void nor result.
    #[error("Invalid invocation result kind.")]
    ResultKind,
}

/// What is wrong with bytes that should be MessagePack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A value, or what a length announces, is not all there.
    #[error("The data ends within a value.")]
    CutOff,
    /// The byte 0xC1, which begins no value.
    #[error("0xC1 is no value.")]
    Reserved,
    /// Something stands behind the value.
    #[error("More data follows the message.")]
    Trailing,
    /// Nested deeper than [`MAX_DEPTH`](crate::encoding::MAX_DEPTH).
    #[error("A value is nested too deep.")]
    TooDeep,
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooDeep => Self::TooDeep(super::MAX_DEPTH),
            other => Self::MessagePack(other),
        }
    }
}

/// A message that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The value's own serialisation failed.
    #[error("cannot serialise: {0}")]
    Value(#[from] ValueError),
    /// Arguments that are not a sequence.
    #[error("arguments must serialise as a sequence, such as a tuple")]
    NotASequence,
}

/// A value that does not fit a Rust type, or a Rust value that has no form in the encoding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(Box<str>);

impl ValueError {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string().into())
    }
}

/// Without serde_json's " at line 1 column 7", which counts in a text the caller never saw as such.
impl From<serde_json::Error> for ValueError {
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        let end = text.rfind(" at line ").unwrap_or(text.len());
        Self(text[..end].into())
    }
}

impl From<Fault> for ValueError {
    fn from(fault: Fault) -> Self {
        Self::new(fault)
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(text)
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self::new(text)
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match unexpected {
            // The word of both encodings, and of serde_json.
            Unexpected::Unit => Self::new(format_args!("invalid type: null, expected {expected}")),
            _ => Self::new(format_args!("invalid type: {unexpected}, expected {expected}")),
        }
    }
}

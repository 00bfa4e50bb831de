//! `AnyValue`: a value that passes through as it stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::encoding::messagepack::{RAW, Reader, from_json, to_json};
use crate::encoding::{DecodeError, Encoding, Fault, MAX_DEPTH, ValueError};
use crate::payload::Payload;

/// Any value, kept as the bytes it came as: digits of JSON numbers, MessagePack extensions of any type, map keys that are
/// no texts.
///
/// It deserialises from arguments and other payloads of both encodings, and from serde_json. Written in the encoding it
/// came in, it is the same bytes again, inside other values too. In the other one it is converted as well as can be:
///
/// - MessagePack's bytes become base64 text in JSON and timestamps ISO 8601 text, keys that are integers or booleans
///   their text, and numbers that are not finite null. Other extensions and other keys are an error.
/// - JSON's integers of up to 64 bits stay integers in MessagePack, all other numbers become doubles.
///
/// Formats other than serde_json and this crate's MessagePack are not served; nor are `#[serde(flatten)]` and untagged
/// enums, which take values apart before anybody sees them.
#[derive(Clone)]
pub struct AnyValue(Inner);

#[derive(Clone)]
enum Inner {
    Json(Box<RawValue>),
    /// Known to be one well-formed value.
    MessagePack(Box<[u8]>),
}

impl AnyValue {
    /// Copies a payload, after checking that it is exactly one value.
    pub fn new(payload: Payload<'_>) -> Result<Self, DecodeError> {
        match payload {
            Payload::Json(text) => match RawValue::from_string(text.to_owned()) {
                Ok(value) => Ok(Self(Inner::Json(value))),
                Err(error) => Err(DecodeError::Malformed(error.to_string())),
            },
            Payload::MessagePack(bytes) => {
                let mut reader = Reader::new(bytes);
                reader.value(MAX_DEPTH)?;
                if !reader.is_empty() {
                    return Err(Fault::Trailing.into());
                }
                Ok(Self(Inner::MessagePack(bytes.into())))
            }
        }
    }

    /// The value undecoded.
    pub fn payload(&self) -> Payload<'_> {
        match &self.0 {
            Inner::Json(value) => Payload::Json(value.get()),
            Inner::MessagePack(bytes) => Payload::MessagePack(bytes),
        }
    }

    /// The encoding it came in.
    pub fn encoding(&self) -> Encoding {
        self.payload().encoding()
    }

    /// The value as a Rust type, which may borrow from it.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, ValueError> {
        self.payload().decode()
    }
}

/// Two are equal if they are the same bytes.
impl PartialEq for AnyValue {
    fn eq(&self, other: &Self) -> bool {
        self.payload() == other.payload()
    }
}

impl Eq for AnyValue {}

impl fmt::Debug for AnyValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.payload().fmt(formatter)
    }
}

impl Serialize for AnyValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut converted = Vec::new();
        match (&self.0, serializer.is_human_readable()) {
            (Inner::Json(value), true) => value.serialize(serializer),
            (Inner::MessagePack(bytes), false) => serializer.serialize_newtype_struct(RAW, &Bytes(bytes)),
            (Inner::MessagePack(bytes), true) => {
                to_json(bytes, &mut converted).map_err(S::Error::custom)?;
                let text = String::from_utf8(converted).map_err(S::Error::custom)?;
                RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
            }
            (Inner::Json(value), false) => {
                from_json(value.get(), &mut converted).map_err(S::Error::custom)?;
                serializer.serialize_newtype_struct(RAW, &Bytes(&converted))
            }
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;

        impl Visitor<'_> for RawVisitor {
            type Value = AnyValue;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value of this crate's MessagePack")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<AnyValue, E> {
                AnyValue::new(Payload::MessagePack(bytes)).map_err(E::custom)
            }
        }

        if deserializer.is_human_readable() {
            return Box::<RawValue>::deserialize(deserializer).map(|value| Self(Inner::Json(value)));
        }
        deserializer.deserialize_newtype_struct(RAW, RawVisitor).map_err(D::Error::custom)
    }
}

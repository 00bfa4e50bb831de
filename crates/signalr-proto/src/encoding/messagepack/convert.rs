//! Values between the encodings, without a Rust type in the middle.
//!
//! | MessagePack | JSON |
//! |---|---|
//! | nil, booleans, integers, texts, arrays | the same |
//! | floats | numbers; null if not finite, as serde_json has it everywhere |
//! | bin | base64 text |
//! | timestamp extension | ISO 8601 text |
//! | other extensions, texts that are no UTF-8 | an error |
//! | maps | objects; keys that are integers or booleans become texts, others are an error |
//!
//! Back, numbers of JSON become integers if they are written as such and fit 64 bits, floats otherwise.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::read::{Reader, Token};
use super::{TIMESTAMP, write};
use crate::encoding::json::write_string;
use crate::encoding::{MAX_DEPTH, ValueError};
use crate::value::Timestamp;

/// Appends a MessagePack value as JSON text. On an error a part of it may have been appended.
pub(crate) fn to_json(value: &[u8], out: &mut Vec<u8>) -> Result<(), ValueError> {
    let mut reader = Reader::new(value);
    write_json(&mut reader, MAX_DEPTH, out)?;
    if reader.is_empty() { Ok(()) } else { Err(ValueError::new("more data follows the value")) }
}

fn write_json(reader: &mut Reader<'_>, depth: usize, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let inner = || depth.checked_sub(1).ok_or_else(|| ValueError::new("a value is nested too deep"));
    match reader.token()? {
        Token::Nil => out.extend_from_slice(b"null"),
        Token::Bool(value) => put(value, out)?,
        Token::Unsigned(value) => put(value, out)?,
        Token::Negative(value) => put(value, out)?,
        Token::F32(value) => put(value, out)?,
        Token::F64(value) => put(value, out)?,
        Token::Text(bytes) => write_string(std::str::from_utf8(bytes).map_err(ValueError::new)?, out),
        Token::Bin(bytes) => write_string(&BASE64.encode(bytes), out),
        Token::Extension(TIMESTAMP, data) => put(Timestamp::from_extension(data)?.to_string(), out)?,
        Token::Extension(kind, _) => {
            return Err(ValueError::new(format_args!("an extension of type {kind} has no form in JSON")));
        }
        Token::Array(count) => {
            out.push(b'[');
            for index in 0..count {
                if index > 0 {
                    out.push(b',');
                }
                write_json(reader, inner()?, out)?;
            }
            out.push(b']');
        }
        Token::Map(count) => {
            out.push(b'{');
            for index in 0..count {
                if index > 0 {
                    out.push(b',');
                }
                write_key(reader, out)?;
                out.push(b':');
                write_json(reader, inner()?, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_key(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
    match reader.token()? {
        Token::Text(bytes) => write_string(std::str::from_utf8(bytes).map_err(ValueError::new)?, out),
        Token::Unsigned(key) => put(key.to_string(), out)?,
        Token::Negative(key) => put(key.to_string(), out)?,
        Token::Bool(key) => put(key.to_string(), out)?,
        _ => return Err(ValueError::new("a map with such a key has no form in JSON")),
    }
    Ok(())
}

fn put<T: serde::Serialize>(value: T, out: &mut Vec<u8>) -> Result<(), ValueError> {
    Ok(serde_json::to_writer(out, &value)?)
}

/// Appends JSON text as a MessagePack value. On an error a part of it may have been appended.
pub(crate) fn from_json(text: &str, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    JsonVisitor(out).deserialize(&mut deserializer)?;
    Ok(deserializer.end()?)
}

struct JsonVisitor<'o>(&'o mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for JsonVisitor<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonVisitor<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        write::nil(self.0);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        write::boolean(value, self.0);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        write::unsigned(value, self.0);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        write::signed(value, self.0);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        write::f64(value, self.0);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        write::text(value, self.0);
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<(), S::Error> {
        let (start, mut count) = (write::open(self.0), 0);
        while items.next_element_seed(JsonVisitor(self.0))?.is_some() {
            count += 1;
        }
        write::close_array(start, count, self.0);
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        let (start, mut count) = (write::open(self.0), 0);
        while map.next_key_seed(JsonVisitor(self.0))?.is_some() {
            map.next_value_seed(JsonVisitor(self.0))?;
            count += 1;
        }
        write::close_map(start, count, self.0);
        Ok(())
    }
}

//! `Spelled`: an argument of a call as JSON text, whichever encoding it came in, so that each model is bound in one place.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{append, append_double, into_text};

/// JSON as it was written, or a MessagePack value spelt as JSON: bytes as base64, doubles with all their digits.
#[derive(Debug)]
pub(crate) struct Spelled(String);

impl Spelled {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Spelled {
    /// JSON is taken as text, since serde would make doubles of numbers with an exponent.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Ok(Self(Box::<str>::from(Box::<RawValue>::deserialize(deserializer)?).into_string()));
        }
        let mut out = Vec::new();
        Speller { out: &mut out, depth: MAX_DEPTH }.deserialize(deserializer)?;
        Ok(Self(into_text(out)))
    }
}

/// Levels of nesting in MessagePack; models need a fraction of it.
const MAX_DEPTH: usize = 128;

struct Speller<'a> {
    out: &'a mut Vec<u8>,
    depth: usize,
}

impl Speller<'_> {
    fn inner<E: Error>(&mut self) -> Result<Speller<'_>, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("the argument is nested too deeply"))?;
        Ok(Speller { out: self.out, depth })
    }
}

impl<'de> DeserializeSeed<'de> for Speller<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Speller<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value that JSON has too")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        append(self.out, &value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        append(self.out, &value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        append(self.out, &value);
        Ok(())
    }

    /// An integral double is spelt as that integer, since a time may have come as a double.
    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63
        if value.fract() == 0.0 && (-LIMIT..LIMIT).contains(&value) && value.to_bits() != (-0.0_f64).to_bits() {
            append(self.out, &(value as i64));
        } else {
            append_double(self.out, value);
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        append(self.out, text);
        Ok(())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<(), E> {
        append(self.out, &STANDARD.encode(bytes));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        self.out.push(b'[');
        let mut first = true;
        loop {
            let start = self.out.len();
            if !first {
                self.out.push(b',');
            }
            if items.next_element_seed(self.inner()?)?.is_none() {
                self.out.truncate(start);
                self.out.push(b']');
                return Ok(());
            }
            first = false;
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.out.push(b'{');
        let mut first = true;
        loop {
            let start = self.out.len();
            if !first {
                self.out.push(b',');
            }
            if members.next_key_seed(Name(self.out))?.is_none() {
                self.out.truncate(start);
                self.out.push(b'}');
                return Ok(());
            }
            self.out.push(b':');
            members.next_value_seed(self.inner()?)?;
            first = false;
        }
    }
}

/// A name in a map: JSON has only texts there.
struct Name<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string as the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<(), E> {
        append(self.0, name);
        Ok(())
    }
}

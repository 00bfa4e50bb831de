//! MessagePack → Rust values, by serde: texts and bytes borrowed, nesting bounded, no memory before the bytes for it.
//!
//! Beside what each type asks for by itself: bin fits a sequence of numbers as well as bytes, a variant without content
//! is its name, and an extension is what [`EXTENSION`] says.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::read::{Reader, Token};
use super::{EXTENSION, RAW, RAW_JSON, to_json};
use crate::encoding::{MAX_DEPTH, ValueError};

/// Reads values one after the other.
pub(crate) struct ValueReader<'de> {
    reader: Reader<'de>,
    depth: usize,
}

impl<'de> ValueReader<'de> {
    pub(crate) fn new(bytes: &'de [u8]) -> Self {
        Self { reader: Reader::new(bytes), depth: MAX_DEPTH }
    }

    /// Whether everything was read.
    pub(crate) fn end(&self) -> Result<(), ValueError> {
        if self.reader.is_empty() { Ok(()) } else { Err(ValueError::custom("more data follows the value")) }
    }

    /// Lets `read` take the entries of a container, all of them.
    fn within<T>(
        &mut self,
        entries: usize,
        read: impl FnOnce(&mut Entries<'_, 'de>) -> Result<T, ValueError>,
    ) -> Result<T, ValueError> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| ValueError::custom("a value is nested too deep"))?;
        let mut entries = Entries { reader: self, left: entries };
        let value = read(&mut entries)?;
        let left = entries.left;
        self.depth += 1;
        match left {
            0 => Ok(value),
            _ => Err(ValueError::custom(format_args!("{left} more element(s) than expected"))),
        }
    }

    fn visit<V: Visitor<'de>>(&mut self, token: Token<'de>, visitor: V) -> Result<V::Value, ValueError> {
        match token {
            Token::Nil => visitor.visit_unit(),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Negative(value) => visitor.visit_i64(value),
            Token::F32(value) => visitor.visit_f32(value),
            Token::F64(value) => visitor.visit_f64(value),
            Token::Text(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) => visitor.visit_borrowed_bytes(bytes),
            },
            Token::Bin(bytes) => visitor.visit_borrowed_bytes(bytes),
            Token::Extension(kind, data) => visitor.visit_newtype_struct(Extension { kind, data }),
            Token::Array(count) => self.within(count, |entries| visitor.visit_seq(entries)),
            Token::Map(count) => self.within(count, |entries| visitor.visit_map(entries)),
        }
    }

    /// A sequence, for which bytes do too.
    fn visit_sequence<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ValueError> {
        match self.reader.token()? {
            Token::Bin(bytes) => {
                let mut numbers = SeqDeserializer::<_, ValueError>::new(bytes.iter().copied());
                let value = visitor.visit_seq(&mut numbers)?;
                numbers.end()?;
                Ok(value)
            }
            token => self.visit(token, visitor),
        }
    }

    fn visit_raw_json<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ValueError> {
        let mut text = Vec::new();
        to_json(self.reader.value(self.depth)?, &mut text)?;
        let text = String::from_utf8(text).map_err(ValueError::new)?;
        visitor.visit_map(MapDeserializer::new(std::iter::once((RAW_JSON, text))))
    }
}

impl<'de> Deserializer<'de> for &mut ValueReader<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let token = self.reader.token()?;
        self.visit(token, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.reader.peek()? == Token::Nil {
            self.reader.token()?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match name {
            RAW => visitor.visit_borrowed_bytes(self.reader.value(self.depth)?),
            RAW_JSON => self.visit_raw_json(visitor),
            EXTENSION => self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.visit_sequence(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.visit_sequence(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        self.visit_sequence(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        match self.reader.token()? {
            Token::Text(name) => {
                let name = std::str::from_utf8(name).map_err(ValueError::new)?;
                visitor.visit_enum(IntoDeserializer::<ValueError>::into_deserializer(name))
            }
            Token::Map(1) => self.within(1, |entries| {
                entries.left = 0;
                visitor.visit_enum(Variant(&mut *entries.reader))
            }),
            Token::Unsigned(number) => Err(ValueError::invalid_type(Unexpected::Unsigned(number), &VARIANT)),
            Token::Nil => Err(ValueError::invalid_type(Unexpected::Unit, &VARIANT)),
            _ => Err(ValueError::invalid_type(Unexpected::Other("another kind of value"), &VARIANT)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.reader.value(self.depth)?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct map struct
        identifier
    }
}

/// The entries of an array or a map not yet read.
struct Entries<'r, 'de> {
    reader: &'r mut ValueReader<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for &mut Entries<'_, 'de> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ValueError> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(MOST_ANNOUNCED))
    }
}

impl<'de> MapAccess<'de> for &mut Entries<'_, 'de> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ValueError> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(MOST_ANNOUNCED))
    }
}

/// The one pair of a map that is a variant.
struct Variant<'r, 'de>(&'r mut ValueReader<'de>);

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = ValueError;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), ValueError> {
        Ok((seed.deserialize(&mut *self.0)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = ValueError;

    fn unit_variant(self) -> Result<(), ValueError> {
        serde::Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ValueError> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ValueError> {
        self.0.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, ValueError> {
        self.0.deserialize_map(visitor)
    }
}

/// An extension as the tuple of its type and its bytes.
struct Extension<'de> {
    kind: i8,
    data: &'de [u8],
}

impl<'de> Deserializer<'de> for Extension<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_seq(ExtensionParts { kind: Some(self.kind), data: Some(self.data) })
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct ExtensionParts<'de> {
    kind: Option<i8>,
    data: Option<&'de [u8]>,
}

impl<'de> SeqAccess<'de> for ExtensionParts<'de> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ValueError> {
        if let Some(kind) = self.kind.take() {
            return seed.deserialize(kind.into_deserializer()).map(Some);
        }
        self.data.take().map(|data| seed.deserialize(Bytes(data))).transpose()
    }
}

struct Bytes<'de>(&'de [u8]);

impl<'de> Deserializer<'de> for Bytes<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_borrowed_bytes(self.0)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

const VARIANT: &str = "the name of a variant, or a map of it to its content";

/// Elements a collection may make room for before they are read: an element may take much more memory than bytes.
const MOST_ANNOUNCED: usize = 64;

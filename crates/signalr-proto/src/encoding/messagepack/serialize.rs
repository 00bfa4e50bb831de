//! Rust values → MessagePack, by serde. Structs are maps with their members' names, integers as short as they go, bytes
//! bin; enums as serde has them everywhere: a variant without content its name, others a map of name to content.

use serde::ser::{self, Error, Serialize, Serializer};

use super::read::{Reader, Token};
use super::{EXTENSION, RAW, RAW_JSON, from_json, write};
use crate::encoding::ValueError;

/// Appends one value. On an error a part of it may have been appended.
pub(crate) fn write_value<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), ValueError> {
    value.serialize(ValueWriter { out })
}

struct ValueWriter<'o> {
    out: &'o mut Vec<u8>,
}

/// An array or a map under way.
struct Entries<'o> {
    out: &'o mut Vec<u8>,
    /// Where its head is to be, if that could not be written yet.
    start: Option<usize>,
    announced: Option<u32>,
    count: u32,
}

/// A struct: its members, or serde_json's `RawValue`, whose one member is JSON text.
enum Members<'o> {
    Entries(Entries<'o>),
    RawJson(&'o mut Vec<u8>),
}

impl<'o> Entries<'o> {
    fn array(out: &'o mut Vec<u8>, length: Option<usize>) -> Result<Self, ValueError> {
        Self::begin(out, length, write::array_head)
    }

    fn map(out: &'o mut Vec<u8>, length: Option<usize>) -> Result<Self, ValueError> {
        Self::begin(out, length, write::map_head)
    }

    fn begin(
        out: &'o mut Vec<u8>,
        length: Option<usize>,
        head: impl FnOnce(u32, &mut Vec<u8>),
    ) -> Result<Self, ValueError> {
        let announced = length.map(fits).transpose()?;
        let start = match announced {
            Some(count) => {
                head(count, out);
                None
            }
            None => Some(write::open(out)),
        };
        Ok(Self { out, start, announced, count: 0 })
    }

    fn entry<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.count = self.count.checked_add(1).ok_or_else(too_long)?;
        write_value(value, self.out)
    }

    fn end_array(self) -> Result<(), ValueError> {
        self.end(write::close_array)
    }

    fn end_map(self) -> Result<(), ValueError> {
        self.end(write::close_map)
    }

    fn end(self, close: impl FnOnce(usize, u32, &mut Vec<u8>)) -> Result<(), ValueError> {
        if let Some(start) = self.start {
            close(start, self.count, self.out);
        } else if self.announced != Some(self.count) {
            // The head is written and wrong: everything after it would be read as something else.
            return Err(ValueError::custom("a container serialises more or less than the length it has given"));
        }
        Ok(())
    }
}

impl<'o> ValueWriter<'o> {
    /// `{name: content}`, up to the content.
    fn variant(self, name: &str) -> Self {
        write::map_head(1, self.out);
        write::text(name, self.out);
        self
    }

    /// The bytes of a newtype, which are a whole value, without the head that makes them bin.
    fn raw<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ValueError> {
        let start = self.out.len();
        write_value(value, self.out)?;
        match Reader::new(&self.out[start..]).token() {
            Ok(Token::Bin(bytes)) => {
                let head = self.out.len() - start - bytes.len();
                self.out.drain(start..start + head);
                Ok(())
            }
            _ => Err(ValueError::custom("a raw value must be bytes")),
        }
    }

    fn extension<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ValueError> {
        let wrong = || ValueError::custom("an extension must be a tuple of its type, an i8, and its bytes");
        let mut tuple = Vec::new();
        write_value(value, &mut tuple)?;
        let mut reader = Reader::new(&tuple);
        let (Token::Array(2), kind, Token::Bin(data)) = (reader.token()?, reader.token()?, reader.token()?) else {
            return Err(wrong());
        };
        let kind = match kind {
            Token::Unsigned(kind) => i8::try_from(kind).map_err(|_| wrong())?,
            Token::Negative(kind) => i8::try_from(kind).map_err(|_| wrong())?,
            _ => return Err(wrong()),
        };
        write::extension(kind, data, self.out);
        Ok(())
    }
}

fn raw_json<T: Serialize + ?Sized>(text: &T, out: &mut Vec<u8>) -> Result<(), ValueError> {
    let mut value = Vec::new();
    write_value(text, &mut value)?;
    match Reader::new(&value).token()? {
        Token::Text(text) => from_json(std::str::from_utf8(text).map_err(ValueError::new)?, out),
        _ => Err(ValueError::custom("raw JSON must be text")),
    }
}

fn fits(length: usize) -> Result<u32, ValueError> {
    u32::try_from(length).map_err(|_| too_long())
}

fn too_long() -> ValueError {
    ValueError::custom("MessagePack holds no value of 4 GiB")
}

macro_rules! numbers {
    ($($method:ident $type:ty => $write:ident)*) => {$(
        fn $method(self, value: $type) -> Result<(), ValueError> {
            write::$write(value.into(), self.out);
            Ok(())
        }
    )*};
}

impl<'o> Serializer for ValueWriter<'o> {
    type Ok = ();
    type Error = ValueError;
    type SerializeSeq = Entries<'o>;
    type SerializeTuple = Entries<'o>;
    type SerializeTupleStruct = Entries<'o>;
    type SerializeTupleVariant = Entries<'o>;
    type SerializeMap = Entries<'o>;
    type SerializeStruct = Members<'o>;
    type SerializeStructVariant = Members<'o>;

    numbers! {
        serialize_bool bool => boolean
        serialize_u8 u8 => unsigned
        serialize_u16 u16 => unsigned
        serialize_u32 u32 => unsigned
        serialize_u64 u64 => unsigned
        serialize_i8 i8 => signed
        serialize_i16 i16 => signed
        serialize_i32 i32 => signed
        serialize_i64 i64 => signed
        serialize_f32 f32 => f32
        serialize_f64 f64 => f64
    }

    fn serialize_u128(self, value: u128) -> Result<(), ValueError> {
        self.serialize_u64(value.try_into().map_err(|_| ValueError::custom("an integer beyond 64 bits"))?)
    }

    fn serialize_i128(self, value: i128) -> Result<(), ValueError> {
        match u64::try_from(value) {
            Ok(value) => self.serialize_u64(value),
            Err(_) => {
                self.serialize_i64(value.try_into().map_err(|_| ValueError::custom("an integer beyond 64 bits"))?)
            }
        }
    }

    fn serialize_char(self, value: char) -> Result<(), ValueError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), ValueError> {
        fits(value.len())?;
        write::text(value, self.out);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), ValueError> {
        fits(value.len())?;
        write::bin(value, self.out);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), ValueError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), ValueError> {
        write::nil(self.out);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), ValueError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), ValueError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), ValueError> {
        match name {
            RAW => self.raw(value),
            EXTENSION => self.extension(value),
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), ValueError> {
        value.serialize(self.variant(variant))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Entries<'o>, ValueError> {
        Entries::array(self.out, length)
    }

    fn serialize_tuple(self, length: usize) -> Result<Entries<'o>, ValueError> {
        Entries::array(self.out, Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<Entries<'o>, ValueError> {
        Entries::array(self.out, Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Entries<'o>, ValueError> {
        Entries::array(self.variant(variant).out, Some(length))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Entries<'o>, ValueError> {
        Entries::map(self.out, length)
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Members<'o>, ValueError> {
        match name {
            RAW_JSON => Ok(Members::RawJson(self.out)),
            _ => Ok(Members::Entries(Entries::map(self.out, Some(length))?)),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Members<'o>, ValueError> {
        Ok(Members::Entries(Entries::map(self.variant(variant).out, Some(length))?))
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

macro_rules! arrays {
    ($($trait:ident $method:ident)*) => {$(
        impl ser::$trait for Entries<'_> {
            type Ok = ();
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
                self.entry(value)
            }

            fn end(self) -> Result<(), ValueError> {
                self.end_array()
            }
        }
    )*};
}

arrays! {
    SerializeSeq serialize_element
    SerializeTuple serialize_element
    SerializeTupleStruct serialize_field
    SerializeTupleVariant serialize_field
}

impl ser::SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.entry(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        write_value(value, self.out)
    }

    fn end(self) -> Result<(), ValueError> {
        self.end_map()
    }
}

macro_rules! structs {
    ($($trait:ident)*) => {$(
        impl ser::$trait for Members<'_> {
            type Ok = ();
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), ValueError> {
                match self {
                    Members::Entries(entries) => {
                        entries.entry(name)?;
                        write_value(value, entries.out)
                    }
                    Members::RawJson(out) => raw_json(value, out),
                }
            }

            fn end(self) -> Result<(), ValueError> {
                match self {
                    Members::Entries(entries) => entries.end_map(),
                    Members::RawJson(_) => Ok(()),
                }
            }
        }
    )*};
}

structs! { SerializeStruct SerializeStructVariant }

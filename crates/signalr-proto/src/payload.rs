//! Values that travel undecoded: `Payload`, `Arguments`, and the one trait that binds arguments to Rust types.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::encoding::messagepack::{Reader, Token, ValueReader};
use crate::encoding::{Encoding, ValueError};

/// One value as it stands in a message, in the encoding of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// JSON text of exactly one value.
    Json(&'a str),
    /// Exactly one MessagePack value.
    MessagePack(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// Null in the given encoding.
    pub fn null(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Json => Self::Json("null"),
            Encoding::MessagePack => Self::MessagePack(&[0xc0]),
        }
    }

    /// The encoding it is in.
    pub fn encoding(self) -> Encoding {
        match self {
            Self::Json(_) => Encoding::Json,
            Self::MessagePack(_) => Encoding::MessagePack,
        }
    }

    /// Decodes the value. Bytes that are not exactly one value are an error too.
    pub fn decode<T: Deserialize<'a>>(self) -> Result<T, ValueError> {
        match self {
            Self::Json(text) => Ok(serde_json::from_str(text)?),
            Self::MessagePack(bytes) => {
                let mut reader = ValueReader::new(bytes);
                let value = T::deserialize(&mut reader)?;
                reader.end()?;
                Ok(value)
            }
        }
    }
}

/// The positional arguments of a call: a [`Payload`] that holds an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments<'a>(Payload<'a>);

impl<'a> Arguments<'a> {
    /// Takes a value that is an array; `None` if it is not. What the array holds is not looked at.
    pub fn new(array: Payload<'a>) -> Option<Self> {
        let is_array = match array {
            Payload::Json(text) => text.trim_ascii_start().starts_with('['),
            Payload::MessagePack(bytes) => matches!(Reader::new(bytes).peek(), Ok(Token::Array(_))),
        };
        is_array.then_some(Self(array))
    }

    /// The array undecoded.
    pub fn payload(self) -> Payload<'a> {
        self.0
    }

    /// Binds all arguments to a tuple of types, by position. The count must match exactly.
    pub fn bind<T: FromArguments>(self) -> Result<T, BindError> {
        T::from_arguments(self)
    }

    fn count(self) -> usize {
        match self.0 {
            Payload::Json(_) => self.0.decode::<Vec<IgnoredAny>>().map_or(0, |items| items.len()),
            Payload::MessagePack(bytes) => match Reader::new(bytes).peek() {
                Ok(Token::Array(count)) => count,
                _ => 0,
            },
        }
    }
}

/// Tuples that the arguments of a call bind to, from any encoding: `()`, `(A,)` … up to eight types that implement
/// [`Deserialize`]; for what looks different in the encodings see [`value`](crate::value).
pub trait FromArguments: Sized {
    /// Binds by position; see [`Arguments::bind`].
    fn from_arguments(arguments: Arguments<'_>) -> Result<Self, BindError>;
}

/// Why arguments did not fit a method. Not a protocol error: the call is answered with it and the connection lives on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// Too many or too few.
    #[error("Invocation provides {provided} argument(s) but target expects {expected}.")]
    Count {
        /// Number in the call.
        provided: usize,
        /// Number the method takes.
        expected: usize,
    },
    /// One of them has the wrong type.
    #[error("Argument {} does not fit: {detail}", index + 1)]
    Type {
        /// Position, from 0.
        index: usize,
        /// What it should have been.
        detail: String,
    },
}

/// Reads a tuple element by element, noting how far it came.
struct TupleVisitor<'c, T> {
    position: &'c mut usize,
    tuple: PhantomData<T>,
}

macro_rules! tuples {
    ($(($count:literal $($name:ident)*))*) => {$(
        impl<$($name: DeserializeOwned),*> FromArguments for ($($name,)*) {
            fn from_arguments(arguments: Arguments<'_>) -> Result<Self, BindError> {
                bind_tuple(arguments, $count)
            }
        }

        impl<'de, $($name: DeserializeOwned),*> Visitor<'de> for TupleVisitor<'_, ($($name,)*)> {
            type Value = ($($name,)*);

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "an array of {} argument(s)", $count)
            }

            #[allow(non_snake_case, unused_mut, unused_variables)]
            fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Self::Value, S::Error> {
                $(
                    let Some($name) = items.next_element::<$name>()? else {
                        return Err(serde::de::Error::invalid_length(*self.position, &self));
                    };
                    *self.position += 1;
                )*
                Ok(($($name,)*))
            }
        }
    )*};
}

tuples! {
    (0)
    (1 A)
    (2 A B)
    (3 A B C)
    (4 A B C D)
    (5 A B C D E)
    (6 A B C D E F)
    (7 A B C D E F G)
    (8 A B C D E F G H)
}

fn bind_tuple<T>(arguments: Arguments<'_>, expected: usize) -> Result<T, BindError>
where
    T: FromArguments,
    for<'c, 'de> TupleVisitor<'c, T>: Visitor<'de, Value = T>,
{
    let mut position = 0;
    let visitor = TupleVisitor { position: &mut position, tuple: PhantomData };
    let bound = match arguments.0 {
        Payload::Json(text) => {
            serde_json::Deserializer::from_str(text).deserialize_seq(visitor).map_err(ValueError::from)
        }
        Payload::MessagePack(bytes) => ValueReader::new(bytes).deserialize_seq(visitor),
    };
    bound.map_err(|error| {
        // Only a failed call pays for counting: a wrong count explains more than the type error it may have caused.
        let provided = arguments.count();
        if provided == expected {
            BindError::Type { index: position, detail: error.to_string() }
        } else {
            BindError::Count { provided, expected }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same arguments in both encodings.
    const ROWS: &[(&str, &[u8])] = &[
        ("[1,\"a\",[true]]", &[0x93, 1, 0xa1, b'a', 0x91, 0xc3]),
        ("[]", &[0x90]),
        ("[null]", &[0x91, 0xc0]),
        ("[1,2]", &[0x92, 1, 2]),
        ("[1]", &[0x91, 1]),
        ("[\"no number\",2]", &[0x92, 0xa9, b'n', b'o', b' ', b'n', b'u', b'm', b'b', b'e', b'r', 2]),
        ("[\"topic\",5]", &[0x92, 0xa5, b't', b'o', b'p', b'i', b'c', 5]),
    ];

    fn both<T: FromArguments + PartialEq + fmt::Debug>(json: &str) -> Result<T, BindError> {
        let (_, bytes) = ROWS.iter().find(|(text, _)| *text == json).expect("in the table");
        let bound = Arguments::new(Payload::Json(json)).unwrap().bind();
        assert_eq!(Arguments::new(Payload::MessagePack(bytes)).unwrap().bind(), bound, "{json}");
        bound
    }

    #[test]
    fn arguments_bind_by_position() {
        assert_eq!(both("[1,\"a\",[true]]"), Ok((1_u8, "a".to_owned(), vec![true])));
        assert_eq!(both("[]"), Ok(()));
        assert_eq!(both("[null]"), Ok((None::<u8>,)));
    }

    #[test]
    fn a_wrong_count_is_told_with_both_numbers() {
        let bind = both::<(u8,)>("[1,2]");
        assert_eq!(bind, Err(BindError::Count { provided: 2, expected: 1 }));
        assert_eq!(bind.unwrap_err().to_string(), "Invocation provides 2 argument(s) but target expects 1.");
        assert_eq!(both::<(u8,)>("[]"), Err(BindError::Count { provided: 0, expected: 1 }));
        assert_eq!(both::<()>("[1]"), Err(BindError::Count { provided: 1, expected: 0 }));
        assert_eq!(
            both::<(u8,)>("[\"no number\",2]"),
            Err(BindError::Count { provided: 2, expected: 1 }),
            "a wrong count explains a wrong type"
        );
    }

    #[test]
    fn a_wrong_type_is_told_with_its_position() {
        let Err(BindError::Type { index, detail }) = both::<(String, String)>("[\"topic\",5]") else {
            panic!("a number is not a string")
        };
        assert_eq!((index, detail.as_str()), (1, "invalid type: integer `5`, expected a string"));
    }

    #[test]
    fn only_an_array_holds_arguments() {
        assert!(Arguments::new(Payload::Json(" [1]")).is_some());
        for other in ["{}", "1", "", "\"[\""] {
            assert!(Arguments::new(Payload::Json(other)).is_none(), "{other}");
        }
        for other in [&[0x80][..], &[1], &[], &[0xdd, 0xff, 0xff, 0xff, 0xff]] {
            assert!(Arguments::new(Payload::MessagePack(other)).is_none(), "{other:x?}");
        }
    }
}

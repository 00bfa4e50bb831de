//! Values that travel undecoded: `Payload`, `Arguments`, and the one trait that binds arguments to Rust types.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};

/// One value as it stands in a message, in the encoding of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// JSON text of exactly one value.
    Json(&'a str),
}

impl<'a> Payload<'a> {
    /// Decodes the value.
    pub fn decode<T: Deserialize<'a>>(self) -> Result<T, serde_json::Error> {
        match self {
            Self::Json(text) => serde_json::from_str(text),
        }
    }
}

/// The positional arguments of a call: a [`Payload`] that holds an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments<'a>(pub(crate) Payload<'a>);

impl<'a> Arguments<'a> {
    /// Takes JSON text that is known to be an array.
    pub(crate) fn json(array: &'a str) -> Self {
        Self(Payload::Json(array))
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
        self.0.decode::<Vec<IgnoredAny>>().map_or(0, |items| items.len())
    }
}

/// Tuples that the arguments of a call bind to, from any encoding: `()`, `(A,)` … up to eight types that implement
/// [`Deserialize`].
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
    let Payload::Json(text) = arguments.0;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let bound = deserializer.deserialize_seq(TupleVisitor { position: &mut position, tuple: PhantomData });
    bound.map_err(|error: serde_json::Error| {
        // Only a failed call pays for counting: a wrong count explains more than the type error it may have caused.
        let provided = arguments.count();
        if provided == expected {
            BindError::Type { index: position, detail: without_position(&error) }
        } else {
            BindError::Count { provided, expected }
        }
    })
}

/// The error's text without serde_json's " at line 1 column 7", which counts in a text the caller never saw as such.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_bind_by_position() {
        assert_eq!(Arguments::json("[1,\"a\",[true]]").bind(), Ok((1_u8, "a".to_owned(), vec![true])));
        assert_eq!(Arguments::json("[]").bind(), Ok(()));
        assert_eq!(Arguments::json("[null]").bind(), Ok((None::<u8>,)));
    }

    #[test]
    fn a_wrong_count_is_told_with_both_numbers() {
        let bind = Arguments::json("[1,2]").bind::<(u8,)>();
        assert_eq!(bind, Err(BindError::Count { provided: 2, expected: 1 }));
        assert_eq!(bind.unwrap_err().to_string(), "Invocation provides 2 argument(s) but target expects 1.");
        assert_eq!(Arguments::json("[]").bind::<(u8,)>(), Err(BindError::Count { provided: 0, expected: 1 }));
        assert_eq!(Arguments::json("[1]").bind::<()>(), Err(BindError::Count { provided: 1, expected: 0 }));
        assert_eq!(
            Arguments::json("[\"no number\",2]").bind::<(u8,)>(),
            Err(BindError::Count { provided: 2, expected: 1 }),
            "a wrong count explains a wrong type"
        );
    }

    #[test]
    fn a_wrong_type_is_told_with_its_position() {
        let Err(BindError::Type { index, detail }) = Arguments::json("[\"topic\",null]").bind::<(String, String)>()
        else {
            panic!("null is not a string")
        };
        assert_eq!((index, detail.as_str()), (1, "invalid type: null, expected a string"));
    }
}

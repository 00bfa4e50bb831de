//! JSON: writing it into memory, and the pieces that read it more leniently than serde_json does.

mod double;
mod integer;
mod node;
mod reader;
mod spelled;
mod text;

use serde::Serialize;

pub(crate) use double::append_double;
pub(crate) use integer::{TimestampSeed, parse_integral};
pub(crate) use node::{MAX_DEPTH, Node};
pub(crate) use reader::{Broken, Reader, Value};
pub(crate) use spelled::Spelled;
pub(crate) use text::{OptionalTextSeed, TextSeed, unquote};

/// Appends JSON text.
pub(crate) fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect(INFALLIBLE);
}

/// JSON text as a string.
pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect(INFALLIBLE)
}

/// What was appended as JSON is UTF-8.
pub(crate) fn into_text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("JSON that we write is UTF-8")
}

/// Whether the text is exactly one JSON value.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Memory takes every byte, and none of our types has map keys other than strings or fails to serialise.
const INFALLIBLE: &str = "our types always serialise into memory";

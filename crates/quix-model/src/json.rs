//! Writing JSON into memory, and the PascalCase form that events have on Kafka and in packages.

use serde::Serialize;

/// An event with the members and the order of Quix Streams' `EventDataRaw`; all four always written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EventJson<'a, T> {
    pub(crate) timestamp: i64,
    pub(crate) tags: &'a T,
    pub(crate) id: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
}

/// Appends JSON text.
pub(crate) fn append<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect(INFALLIBLE);
}

/// JSON text as a string.
pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect(INFALLIBLE)
}

/// Whether the text is exactly one JSON value.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Memory takes every byte, and none of our types has map keys other than strings or fails to serialise.
const INFALLIBLE: &str = "our types always serialise into memory";

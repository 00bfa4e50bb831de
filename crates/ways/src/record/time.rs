//! The time of a value, or what is there instead.

use quix_model::Time;

use super::RecordError;
use super::make::present;
use crate::json::{Json, Kind};

/// Nanoseconds since 1970 UTC; what is finer is cut off.
pub(super) fn time_of(time: &Time, value: Json<'_>) -> Result<i64, RecordError> {
    let expected = if time.unit.is_some() { "a number" } else { "a time of RFC 3339" };
    let there = present(value, "timestamp", &time.pointer)?;
    let nanoseconds = match (there.kind(), time.unit) {
        (Kind::Text, _) => there.string().and_then(|text| time.of_text(&text)),
        (Kind::Number, Some(_)) => time.of_number(there.text()),
        (found, _) => {
            let pointer = time.pointer.clone();
            return Err(RecordError::Type { setting: "timestamp", pointer, found, expected });
        }
    };
    nanoseconds.ok_or_else(|| RecordError::Time {
        pointer: time.pointer.clone(),
        found: there.text().chars().take(MAX_ECHO).collect(),
        expected: if time.unit.is_some() { "number" } else { "time of RFC 3339 with its zone" },
    })
}

/// Characters of a value that an error repeats.
const MAX_ECHO: usize = 50;

//! `Unit`: what the cells of a time column are, and the nanoseconds that one of them is.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::record;

/// How times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds since 1970 UTC, like all numbers here with digits behind a point if need be.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
    /// `2026-11-27T10:00:00.5Z`, with an offset instead of the Z, a blank instead of the T; without a zone it is UTC.
    Rfc3339,
}

impl Unit {
    /// Nanoseconds since 1970 UTC, exactly; what is finer is cut off. `None`: it is no time of this unit, or not one of the
    /// years 1677 to 2262.
    pub fn nanoseconds(self, text: &str) -> Option<i64> {
        let text = text.trim();
        let unit = match self {
            Self::S => record::Unit::Seconds,
            Self::Ms => record::Unit::Milliseconds,
            Self::Us => record::Unit::Microseconds,
            Self::Ns => record::Unit::Nanoseconds,
            Self::Rfc3339 => return rfc3339(text),
        };
        unit.nanoseconds(text)
    }

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
            Self::Rfc3339 => "rfc3339",
        }
    }
}

/// As in `is no time in …`.
impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::S => "seconds",
            Self::Ms => "milliseconds",
            Self::Us => "microseconds",
            Self::Ns => "nanoseconds",
            Self::Rfc3339 => "RFC 3339",
        })
    }
}

fn rfc3339(text: &str) -> Option<i64> {
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        TimeZone::UTC.to_timestamp(local).ok()
    });
    i64::try_from(timestamp?.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        const T: i64 = 1_697_025_689_418_406_001;
        for (unit, text, expected) in [
            (Unit::Ns, "1697025689418406001", Some(T)),
            (Unit::Us, "1697025689418406.001", Some(T)),
            (Unit::Ms, "1697025689418.406001", Some(T)),
            (Unit::S, "1697025689.418406001", Some(T)),
            (Unit::S, "1697025689.4184060019", Some(T)),
            (Unit::S, " 1.697025689418406001e9 ", Some(T)),
            (Unit::S, "1.6e9", Some(1_600_000_000_000_000_000)),
            (Unit::Ms, "0", Some(0)),
            (Unit::Ms, "-1", Some(-1_000_000)),
            (Unit::S, "-0.5", Some(-500_000_000)),
            (Unit::S, "5.", Some(5_000_000_000)),
            (Unit::Ns, "0.9", Some(0)),
            (Unit::S, "1e-30", Some(0)),
            (Unit::S, "0e999999", Some(0)),
            (Unit::Ns, "9223372036854775807", Some(i64::MAX)),
            (Unit::Ns, "9223372036854775808", None),
            (Unit::S, "9223372037", None),
            (Unit::S, "", None),
            (Unit::S, ".", None),
            (Unit::S, "-", None),
            (Unit::S, "1.2.3", None),
            (Unit::S, "1e", None),
            (Unit::S, "12:30", None),
            (Unit::S, "--1", None),
            (Unit::Rfc3339, "2023-10-11T12:01:29.418406001Z", Some(T)),
            (Unit::Rfc3339, "2023-10-11T14:01:29.418406001+02:00", Some(T)),
            (Unit::Rfc3339, "2023-10-11 12:01:29.418406001", Some(T)),
            (Unit::Rfc3339, "2023-10-11 12:01:29.418406001Z", Some(T)),
            (Unit::Rfc3339, "1970-01-01T00:00:00Z", Some(0)),
            (Unit::Rfc3339, "2023-02-30T00:00:00Z", None),
            (Unit::Rfc3339, "3023-10-11T12:01:29Z", None),
            (Unit::Rfc3339, "yesterday", None),
            (Unit::Rfc3339, "1697025689", None),
            (Unit::Rfc3339, "", None),
        ] {
            assert_eq!(unit.nanoseconds(text), expected, "{text:?} in {unit}");
        }
    }
}

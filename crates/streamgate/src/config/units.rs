//! Durations and sizes as people write them (`"15s"`, `"500ms"`, `"4MiB"`), and back again.

use std::time::Duration;

/// Why a text is no duration or no size; reads on from the setting's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a whole number with a unit of time.
    #[error("must be a duration such as \"15s\" or \"500ms\" (whole numbers of ms, s, m, h or d), not {0}")]
    NotADuration(String),
    /// Not a whole number with or without a unit of bytes.
    #[error("must be a size such as \"4MiB\" or a number of bytes (whole numbers of B, KiB, MiB or GiB), not {0}")]
    NotASize(String),
}

/// Reads `"15s"`, `"500ms"`, `"2m"`, `"1h"`, `"7d"`; whole numbers only, the unit is required.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    scaled(text, &DURATION_UNITS).map(Duration::from_millis).ok_or_else(|| UnitError::NotADuration(format!("{text:?}")))
}

/// Reads `"4MiB"`, `"64KiB"`, `"512B"`, `"512"`; whole numbers only.
pub fn parse_size(text: &str) -> Result<usize, UnitError> {
    scaled(text, &SIZE_UNITS)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| UnitError::NotASize(format!("{text:?}")))
}

/// The shortest exact text in days, hours, seconds or milliseconds; what [`parse_duration`] reads.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match duration.subsec_millis() {
        0 if seconds > 0 && seconds.is_multiple_of(DAY) => format!("{}d", seconds / DAY),
        0 if seconds > 0 && seconds.is_multiple_of(HOUR) => format!("{}h", seconds / HOUR),
        0 => format!("{seconds}s"),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// The shortest exact text in the largest unit that leaves no rest; what [`parse_size`] reads.
pub fn format_size(bytes: usize) -> String {
    for (unit, factor) in SIZE_UNITS.iter().rev().filter(|(unit, _)| !unit.is_empty()) {
        if let Ok(factor) = usize::try_from(*factor)
            && bytes >= factor
            && bytes.is_multiple_of(factor)
        {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start()).map(|(_, factor)| *factor)?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", HOUR * 1_000), ("d", DAY * 1_000)];
const SIZE_UNITS: [(&str, u64); 5] = [("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// For `#[serde(with = "units::duration")]`.
pub(crate) mod duration {
    use std::{fmt, time::Duration};

    use serde::{Deserializer, Serializer, de};

    use super::{UnitError, format_duration, parse_duration};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(*value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(Text)
    }

    struct Text;

    impl de::Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a duration such as \"15s\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
            parse_duration(text).map_err(E::custom)
        }

        /// A bare number could be seconds or milliseconds: nobody should have to guess which.
        fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
            Err(E::custom(UnitError::NotADuration(number.to_string())))
        }
    }
}

/// For `#[serde(with = "units::size")]`.
pub(crate) mod size {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    use super::{UnitError, format_size, parse_size};

    pub(crate) fn serialize<S: Serializer>(value: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_size(*value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_any(TextOrBytes)
    }

    struct TextOrBytes;

    impl de::Visitor<'_> for TextOrBytes {
        type Value = usize;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a size such as \"4MiB\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<usize, E> {
            parse_size(text).map_err(E::custom)
        }

        fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<usize, E> {
            usize::try_from(bytes).map_err(|_| E::custom(UnitError::NotASize(bytes.to_string())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("15s", Some(15_000)),
            ("500ms", Some(500)),
            (" 2m ", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("7d", Some(604_800_000)),
            ("10 s", Some(10_000)),
            ("0s", Some(0)),
            ("15", None),
            ("", None),
            ("s", None),
            ("1.5s", None),
            ("-1s", None),
            ("15S", None),
            ("15sec", None),
            ("1m30s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(parse_duration(text).ok(), milliseconds.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("4MiB", Some(4 << 20)),
            ("64 KiB", Some(64 << 10)),
            ("1GiB", Some(1 << 30)),
            ("512B", Some(512)),
            ("512", Some(512)),
            ("0", Some(0)),
            ("4MB", None),
            ("4mib", None),
            ("4.5MiB", None),
            ("-4MiB", None),
            ("MiB", None),
            ("", None),
            ("18446744073709551615GiB", None),
        ] {
            assert_eq!(parse_size(text).ok(), bytes, "{text}");
        }
    }

    #[test]
    fn texts_read_back_as_what_they_were() {
        for (milliseconds, text) in [
            (0, "0s"),
            (500, "500ms"),
            (1_500, "1500ms"),
            (90_000, "90s"),
            (120_000, "120s"),
            (7_200_000, "2h"),
            (604_800_000, "7d"),
        ] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(format_duration(duration), text);
            assert_eq!(parse_duration(text), Ok(duration));
        }
        for (bytes, text) in
            [(0, "0B"), (1, "1B"), (1024, "1KiB"), ((4 << 20) + (64 << 10), "4160KiB"), (8 << 20, "8MiB")]
        {
            assert_eq!(format_size(bytes), text);
            assert_eq!(parse_size(text), Ok(bytes));
        }
    }
}

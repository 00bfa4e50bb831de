//! `Time`: where the time of a value is, and how it is written there. Digits are counted, not calculated with.

use jiff::Timestamp;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::pointer::Pointer;

/// Where the time is; RFC 3339 without a unit, else a number (or a string of one) since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// Where.
    pub pointer: Pointer,
    /// Of the number.
    pub unit: Option<Unit>,
}

/// Of numbers that are times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `s`
    Seconds,
    /// `ms`
    Milliseconds,
    /// `us`
    Microseconds,
    /// `ns`
    Nanoseconds,
}

impl Time {
    /// Nanoseconds since 1970 UTC of what a string there says; what is finer is cut off. `None`: it is no such time, or none of
    /// the years 1678 to 2261.
    pub fn of_text(&self, text: &str) -> Option<i64> {
        match self.unit {
            None => rfc3339(text),
            Some(unit) => unit.nanoseconds(text.trim()),
        }
    }

    /// The same of the digits of a number there. `None` also without a unit.
    pub fn of_number(&self, digits: &str) -> Option<i64> {
        self.unit?.nanoseconds(digits)
    }
}

fn rfc3339(text: &str) -> Option<i64> {
    let is_rfc3339 = text.as_bytes().get(4) == Some(&b'-');
    let time: Timestamp = text.parse().ok().filter(|_| is_rfc3339)?;
    time.as_nanosecond().try_into().ok()
}

impl Unit {
    const ALL: [Self; 4] = [Self::Seconds, Self::Milliseconds, Self::Microseconds, Self::Nanoseconds];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        }
    }

    /// Nanoseconds of a decimal number of this unit, every digit exact; what is finer is cut off, towards zero. `None`: it is
    /// no number, or more than a 64-bit integer holds.
    pub fn nanoseconds(self, number: &str) -> Option<i64> {
        let (negative, number) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (mantissa, exponent) = match number.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (number, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let mut digits = whole.bytes().chain(fraction.bytes());
        // Where the point is after it was moved to behind the nanoseconds.
        let kept = whole.len() as i64 + i64::from(exponent) + self.digits();
        let mut value: i128 = 0;
        for _ in 0..kept {
            let digit = match digits.next() {
                Some(digit) => digit - b'0',
                None if value == 0 => break,
                None => 0,
            };
            value = value * 10 + i128::from(digit);
            if value > MOST {
                return None;
            }
        }
        i64::try_from(if negative { -value } else { value }).ok()
    }

    /// Decimal places that nanoseconds have more.
    fn digits(self) -> i64 {
        match self {
            Self::Seconds => 9,
            Self::Milliseconds => 6,
            Self::Microseconds => 3,
            Self::Nanoseconds => 0,
        }
    }
}

/// As it stands in settings.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Pointer(String),
    Counted(Counted),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    pointer: String,
    unit: String,
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = || de::Error::custom(EXPECTED);
        let (pointer, unit) = match Written::deserialize(deserializer).map_err(|_| wrong())? {
            Written::Pointer(pointer) => (pointer, None),
            Written::Counted(Counted { pointer, unit }) => {
                let unit = Unit::ALL.into_iter().find(|known| known.name() == unit).ok_or_else(wrong)?;
                (pointer, Some(unit))
            }
        };
        Ok(Self { pointer: pointer.parse().map_err(de::Error::custom)?, unit })
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(unit) = self.unit else { return self.pointer.serialize(serializer) };
        let mut table = serializer.serialize_struct("Time", 2)?;
        table.serialize_field("pointer", &self.pointer)?;
        table.serialize_field("unit", unit.name())?;
        table.end()
    }
}

const EXPECTED: &str = "must be \"/pointer\" or { pointer = \"/t\", unit = \"ms\" } with a unit s, ms, us or ns";

/// Beyond it no further digit is looked at.
const MOST: i128 = 1 << 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_keep_every_digit() {
        for (unit, number, nanoseconds) in [
            (Unit::Seconds, "1697025689", Some(1_697_025_689_000_000_000)),
            (Unit::Seconds, "1697025689.418406001", Some(1_697_025_689_418_406_001)),
            (Unit::Seconds, "1697025689.4184060019", Some(1_697_025_689_418_406_001)),
            (Unit::Seconds, "-0.5", Some(-500_000_000)),
            (Unit::Seconds, "0", Some(0)),
            (Unit::Seconds, "0e999999999", Some(0)),
            (Unit::Seconds, "1e-9", Some(1)),
            (Unit::Seconds, "1e-10", Some(0)),
            (Unit::Milliseconds, "1697025689418.25", Some(1_697_025_689_418_250_000)),
            (Unit::Milliseconds, "1.697025689418E12", Some(1_697_025_689_418_000_000)),
            (Unit::Microseconds, "1e+3", Some(1_000_000)),
            (Unit::Nanoseconds, "9223372036854775807", Some(i64::MAX)),
            (Unit::Nanoseconds, "-9223372036854775808", Some(i64::MIN)),
            (Unit::Nanoseconds, "9223372036854775808", None),
            (Unit::Seconds, "9223372037", None),
            (Unit::Seconds, "1e999999999", None),
            (Unit::Seconds, "1e99999999999", None),
            (Unit::Seconds, "", None),
            (Unit::Seconds, ".5", None),
            (Unit::Seconds, "0x10", None),
            (Unit::Seconds, "1 2", None),
            (Unit::Seconds, "+1", None),
        ] {
            assert_eq!(unit.nanoseconds(number), nanoseconds, "{number} {}", unit.name());
        }
    }

    #[test]
    fn times_of_rfc_3339_have_a_zone() {
        for (text, nanoseconds) in [
            ("2023-10-11T12:01:29.418406001Z", Some(1_697_025_689_418_406_001)),
            ("2023-10-11T14:01:29.418406001+02:00", Some(1_697_025_689_418_406_001)),
            ("2023-10-11t12:01:29z", Some(1_697_025_689_000_000_000)),
            ("2023-10-11 12:01:29Z", Some(1_697_025_689_000_000_000)),
            ("1969-12-31T23:59:59Z", Some(-1_000_000_000)),
            ("2023-10-11T12:01:29", None),
            ("2023-10-11", None),
            ("9999-12-31T23:59:59Z", None),
            ("-002023-10-11T12:01:29Z", None),
            ("yesterday", None),
        ] {
            assert_eq!(rfc3339(text), nanoseconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn numbers_of_every_unit_read_back(nanoseconds in any::<i64>(), unit in proptest::sample::select(&Unit::ALL[..])) {
            let scale = 10_i128.pow(unit.digits() as u32);
            let (whole, rest) = (i128::from(nanoseconds).abs() / scale, i128::from(nanoseconds).abs() % scale);
            let sign = if nanoseconds < 0 { "-" } else { "" };
            let width = unit.digits() as usize;
            let number = if width == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:0width$}") };
            prop_assert_eq!(unit.nanoseconds(&number), Some(nanoseconds));
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), unit in proptest::sample::select(&Unit::ALL[..])) {
            let _ = unit.nanoseconds(&text);
        }
    }
}

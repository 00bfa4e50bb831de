//! Exact 64-bit integers from JSON numbers, also from `1.6e18` and `1.0`, with no double on the way.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, Unexpected, Visitor};
use serde_json::value::RawValue;

/// Reads the `timestamp` of a client's event.
///
/// JSON is read as text, since a double would lose digits of a number with a fraction or exponent. That needs
/// serde_json; other formats that call themselves human-readable are refused. Binary formats bring integers as such.
pub(crate) struct TimestampSeed;

impl<'de> DeserializeSeed<'de> for TimestampSeed {
    type Value = i64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<i64, D::Error> {
        if !deserializer.is_human_readable() {
            return deserializer.deserialize_any(self);
        }
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        parse_integral(raw.get()).ok_or_else(|| {
            let given: String = raw.get().chars().take(SHOWN_CHARACTERS).collect();
            D::Error::custom(format_args!("the event's `timestamp` must be a 64-bit integer, not {given}"))
        })
    }
}

/// How much of a wrong timestamp is quoted in the error.
const SHOWN_CHARACTERS: usize = 40;

impl Visitor<'_> for TimestampSeed {
    type Value = i64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a 64-bit integer as the event's `timestamp`")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i64, E> {
        Ok(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<i64, E> {
        i64::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<i64, E> {
        const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63
        if value.fract() == 0.0 && (-LIMIT..LIMIT).contains(&value) {
            Ok(value as i64) // integral and in range, so exact
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }
}

/// The value of a decimal number if it is integral and fits: `12`, `1.0`, `1.6e18`, `-20E-1`.
pub(crate) fn parse_integral(number: &str) -> Option<i64> {
    number.parse().ok().or_else(|| parse_with_point_or_exponent(number))
}

fn parse_with_point_or_exponent(number: &str) -> Option<i64> {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if ![whole, fraction, exponent_digits].into_iter().all(is_digits) {
        return None;
    }

    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let zeros = digits.len() - significant.len();
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // An exponent beyond i64 puts any number of digits that fits into memory out of range or below one.
    let exponent: i64 = exponent.parse().ok()?;
    let shift = exponent.checked_sub(fraction.len() as i64)?.checked_add(zeros as i64)?;
    let factor = 10_i128.checked_pow(u32::try_from(shift).ok()?)?;
    let magnitude = significant.parse::<i128>().ok()?.checked_mul(factor)?;
    i64::try_from(if negative { -magnitude } else { magnitude }).ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integral_numbers_are_exact() {
        for (number, value) in [
            ("0", 0),
            ("-0", 0),
            ("-0.0", 0),
            ("0e99999999999999999999", 0),
            ("1697025689418406001", 1_697_025_689_418_406_001),
            ("1697025689418406001.0", 1_697_025_689_418_406_001),
            ("1.697025689418406001e18", 1_697_025_689_418_406_001),
            ("1.6e18", 1_600_000_000_000_000_000),
            ("1.6E+18", 1_600_000_000_000_000_000),
            ("1.0", 1),
            ("-20e-1", -2),
            ("100000000000000000000000000000e-29", 1),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("9223372036854775807.000", i64::MAX),
            ("-9.223372036854775808e18", i64::MIN),
        ] {
            assert_eq!(parse_integral(number), Some(value), "{number}");
        }
    }

    #[test]
    fn other_numbers_and_texts_are_none() {
        for text in [
            "1.5",
            "1e-1",
            "9223372036854775808",
            "-9223372036854775809",
            "1e19",
            "1e400",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "9.3e18",
            "",
            "-",
            "x",
            "1.",
            ".1",
            "1e",
            "1e+",
            "1.2.3",
            "true",
            "null",
            "\"1\"",
            "2024-02-29T12:30:15Z",
            "1_0",
            "NaN",
            "--1",
            "1e--1",
            "1.-0",
        ] {
            assert_eq!(parse_integral(text), None, "{text}");
        }
    }

    #[test]
    fn binary_formats_bring_integers_and_integral_doubles() {
        type Check = serde::de::value::Error;
        assert_eq!(TimestampSeed.visit_u64::<Check>(7), Ok(7));
        assert_eq!(TimestampSeed.visit_f64::<Check>(1.6e18), Ok(1_600_000_000_000_000_000));
        assert_eq!(TimestampSeed.visit_f64::<Check>(-9_223_372_036_854_775_808.0), Ok(i64::MIN));
        assert!(TimestampSeed.visit_u64::<Check>(u64::MAX).is_err());
        for refused in [9_223_372_036_854_775_808.0, 1.5, f64::NAN, f64::INFINITY] {
            assert!(TimestampSeed.visit_f64::<Check>(refused).is_err(), "{refused}");
        }
    }
}

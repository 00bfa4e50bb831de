//! Durations and rates as the settings write them: `"4s"`, `"30/min"`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// So many in a span of time, written `"10/s"`, `"30/min"` or `"1000/h"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At least 1.
    pub times: u32,
    /// A second, a minute or an hour.
    pub per: Duration,
}

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration such as \"500ms\", \"4s\", \"5m\", \"24h\" or \"7d\", not {0:?}")]
pub struct NotASpan(String);

/// Why a text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a rate such as \"10/s\", \"30/min\" or \"1000/h\", not {0:?}")]
pub struct NotARate(String);

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let not_a_span = || NotASpan(text.to_owned());
        let digits = text.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().map_err(|_| not_a_span())?;
        let unit = SPANS.iter().find(|(name, _)| *name == &text[digits..]).ok_or_else(not_a_span)?;
        let milliseconds = number.checked_mul(unit.1).filter(|all| *all <= LONGEST).ok_or_else(not_a_span)?;
        Ok(Self(Duration::from_millis(milliseconds)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis() as u64;
        let fitting = |(_, unit): &&(&str, u64)| milliseconds.is_multiple_of(*unit);
        let (name, unit) = SPANS.iter().rev().filter(|_| milliseconds > 0).find(fitting).unwrap_or(&SPANS[1]);
        write!(f, "{}{name}", milliseconds / unit)
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let rate = text.split_once('/').and_then(|(times, per)| {
            let (_, seconds) = PERS.iter().find(|(name, _)| *name == per)?;
            let times = times.parse().ok().filter(|times| *times > 0)?;
            Some(Self { times, per: Duration::from_secs(*seconds) })
        });
        rate.ok_or_else(|| NotARate(text.to_owned()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PERS.iter().find(|(_, seconds)| *seconds == self.per.as_secs()).map_or("s", |(name, _)| name);
        write!(f, "{}/{name}", self.times)
    }
}

macro_rules! written_as_text {
    ($($kind:ident)+) => {$(
        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

written_as_text!(Span Rate);

/// In milliseconds, from the smallest on.
const SPANS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// In seconds.
const PERS: [(&str, u64); 3] = [("s", 1), ("min", 60), ("h", 3600)];

/// A hundred years of milliseconds: what is longer is a mistake, and would overflow when added to a time.
const LONGEST: u64 = 100 * 366 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown_in_the_largest_unit_that_fits() {
        for (text, milliseconds, shown) in [
            ("500ms", 500, "500ms"),
            ("4s", 4000, "4s"),
            ("90s", 90_000, "90s"),
            ("300s", 300_000, "5m"),
            ("24h", 86_400_000, "1d"),
            ("0ms", 0, "0s"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0.as_millis(), span.to_string().as_str()), (milliseconds, shown), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-1s", "1.5s", "5min", "99999999999999999999s", "40000d"] {
            assert_eq!(text.parse::<Span>(), Err(NotASpan(text.to_owned())));
        }
    }

    #[test]
    fn rates_are_read_and_shown() {
        for (text, times, seconds) in [("10/s", 10, 1), ("30/min", 30, 60), ("1000/h", 1000, 3600)] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.times, rate.per.as_secs(), rate.to_string().as_str()), (times, seconds, text));
        }
        for text in ["", "5", "0/s", "-1/s", "5/m", "5/", "/s"] {
            assert_eq!(text.parse::<Rate>(), Err(NotARate(text.to_owned())));
        }
    }
}

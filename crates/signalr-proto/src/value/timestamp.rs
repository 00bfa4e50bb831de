//! `Timestamp`: an instant, ISO 8601 text in JSON and the timestamp extension in MessagePack.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use super::Binary;
use crate::encoding::ValueError;
use crate::encoding::messagepack::{EXTENSION, TIMESTAMP};

/// An instant to the nanosecond, in UTC, from year 0 to 9999.
///
/// In JSON it is text as `2000-01-01T00:00:00Z`, with as many digits of a fraction as it has; read with any offset, and
/// without one as UTC. In MessagePack it is the extension of type −1 in its shortest form; its text is read as well. For
/// dates that shall come back letter by letter use [`AnyValue`](super::AnyValue).
/// Sources: ASP.NET Core's `DateTime` in both of its hub protocols; the MessagePack specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanoseconds: u32,
}

/// Not an instant, or not one between the years 0 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a date and time between the years 0 and 9999")]
pub struct TimestampError;

impl Timestamp {
    /// Seconds since 1970, negative before it, and nanoseconds after that second, below 1 000 000 000.
    pub fn new(seconds: i64, nanoseconds: u32) -> Result<Self, TimestampError> {
        let is_valid = (FIRST..=LAST).contains(&seconds) && nanoseconds < 1_000_000_000;
        if is_valid { Ok(Self { seconds, nanoseconds }) } else { Err(TimestampError) }
    }

    /// Whole seconds since 1970, rounded down.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds after [`seconds`](Self::seconds).
    pub fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }

    /// ```text
    ///  4 bytes   seconds: u32
    ///  8 bytes   nanoseconds: 30 bits, seconds: 34 bits
    /// 12 bytes   nanoseconds: u32, seconds: i64
    /// ```
    pub(crate) fn from_extension(data: &[u8]) -> Result<Self, ValueError> {
        let (seconds, nanoseconds) = match data.len() {
            4 => (number(data) as i64, 0),
            8 => ((number(data) & 0x3_FFFF_FFFF) as i64, (number(data) >> 34) as u32),
            12 => (number(&data[4..]) as i64, number(&data[..4]) as u32),
            _ => return Err(ValueError::new("a timestamp extension has 4, 8 or 12 bytes")),
        };
        Self::new(seconds, nanoseconds).map_err(ValueError::new)
    }

    fn to_extension(self) -> Binary {
        let mut data = Vec::with_capacity(12);
        match (u32::try_from(self.seconds), u64::try_from(self.seconds)) {
            (Ok(seconds), _) if self.nanoseconds == 0 => data.extend_from_slice(&seconds.to_be_bytes()),
            (_, Ok(seconds)) if seconds >> 34 == 0 => {
                data.extend_from_slice(&(u64::from(self.nanoseconds) << 34 | seconds).to_be_bytes());
            }
            _ => {
                data.extend_from_slice(&self.nanoseconds.to_be_bytes());
                data.extend_from_slice(&self.seconds.to_be_bytes());
            }
        }
        Binary(data)
    }
}

/// Up to eight bytes, the highest first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = TimestampError;

    fn try_from(time: SystemTime) -> Result<Self, TimestampError> {
        let whole = |duration: Duration| i64::try_from(duration.as_secs()).map_err(|_| TimestampError);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self::new(whole(after)?, after.subsec_nanos()),
            Err(before) => match before.duration() {
                before if before.subsec_nanos() == 0 => Self::new(-whole(before)?, 0),
                before => Self::new(-whole(before)? - 1, 1_000_000_000 - before.subsec_nanos()),
            },
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.seconds.div_euclid(DAY));
        let second = self.seconds.rem_euclid(DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanoseconds > 0 {
            let digits = format!("{:09}", self.nanoseconds);
            write!(formatter, ".{}", digits.trim_end_matches('0'))?;
        }
        formatter.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Reads `YYYY-MM-DDThh:mm:ss`, a fraction of up to nine digits that count, and `Z`, an offset as `+hh:mm`, or nothing.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let (time, rest) = text.as_bytes().split_at_checked(19).ok_or(TimestampError)?;
        let marks = [4, 7, 10, 13, 16].map(|index| time[index]);
        let date_of_text = (digits(&time[0..4])?, digits(&time[5..7])?, digits(&time[8..10])?);
        let (hour, minute, second) = (digits(&time[11..13])?, digits(&time[14..16])?, digits(&time[17..19])?);
        let days = days(date_of_text);
        if marks != *b"--T::" || hour > 23 || minute > 59 || second > 59 || date(days) != date_of_text {
            return Err(TimestampError);
        }
        let (nanoseconds, zone) = match rest {
            [b'.', rest @ ..] => {
                let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                (fraction(&rest[..length])?, &rest[length..])
            }
            _ => (0, rest),
        };
        let seconds = days * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
        Self::new(seconds, nanoseconds)
    }
}

fn digits(text: &[u8]) -> Result<i64, TimestampError> {
    text.iter().try_fold(0, |number, byte| match byte {
        b'0'..=b'9' => Ok(number * 10 + i64::from(byte - b'0')),
        _ => Err(TimestampError),
    })
}

/// Nanoseconds; digits beyond them are cut off.
fn fraction(text: &[u8]) -> Result<u32, TimestampError> {
    if text.is_empty() {
        return Err(TimestampError);
    }
    let digit = |index: usize| text.get(index).map_or(0, |byte| u32::from(byte - b'0'));
    Ok((0..9).fold(0, |number, index| number * 10 + digit(index)))
}

fn offset(zone: &[u8]) -> Result<i64, TimestampError> {
    match zone {
        [] | [b'Z'] => Ok(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            if hours > 23 || minutes > 59 {
                return Err(TimestampError);
            }
            let seconds = hours * 3600 + minutes * 60;
            Ok(if *sign == b'+' { seconds } else { -seconds })
        }
        _ => Err(TimestampError),
    }
}

/// Days since 1970-01-01 of a date by the Gregorian calendar. Years are counted from March, so that a leap day is the last.
fn days((year, month, day): (i64, i64, i64)) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - DAYS_TO_1970
}

/// Year, month and day of a number of days since 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_1970;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    // A day is taken out for each leap day before it, and put back for those left out at centuries.
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = (day * 5 + 2) / 153;
    let day = day - (month * 153 + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_newtype_struct(EXTENSION, &(TIMESTAMP, self.to_extension()))
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(TimestampVisitor)
        } else {
            deserializer.deserialize_newtype_struct(EXTENSION, TimestampVisitor)
        }
    }
}

struct TimestampVisitor;

impl<'de> Visitor<'de> for TimestampVisitor {
    type Value = Timestamp;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a date and time")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, extension: D) -> Result<Timestamp, D::Error> {
        match <(i8, Binary)>::deserialize(extension)? {
            (TIMESTAMP, data) => Timestamp::from_extension(&data.0).map_err(D::Error::custom),
            (kind, _) => Err(D::Error::custom(format_args!("an extension of type {kind}, expected a timestamp"))),
        }
    }
}

const DAY: i64 = 86_400;

/// Days of 400 years, after which the calendar repeats.
const ERA: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// 0000-01-01T00:00:00Z.
const FIRST: i64 = -62_167_219_200;

/// 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &[(&str, i64, u32, &[u8])] = &[
        ("2000-01-01T00:00:00Z", 946_684_800, 0, &[0x38, 0x6d, 0x43, 0x80]),
        ("1970-01-01T00:00:00Z", 0, 0, &[0, 0, 0, 0]),
        ("2106-02-07T06:28:16Z", 4_294_967_296, 0, &[0, 0, 0, 1, 0, 0, 0, 0]),
        ("2514-05-30T01:53:03Z", (1 << 34) - 1, 0, &[0, 0, 0, 3, 255, 255, 255, 255]),
        ("2514-05-30T01:53:04Z", 1 << 34, 0, &[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
        ("1970-01-01T00:00:01.5Z", 1, 500_000_000, &[0x77, 0x35, 0x94, 0, 0, 0, 0, 1]),
        (
            "2024-02-29T23:59:59.123456789Z",
            1_709_251_199,
            123_456_789,
            &[0x1d, 0x6f, 0x34, 0x54, 0x65, 0xe1, 0x1a, 0x7f],
        ),
        ("1969-12-31T23:59:59Z", -1, 0, &[0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
        ("0000-01-01T00:00:00Z", FIRST, 0, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xf1, 0x86, 0x8b, 0x84, 0]),
        (
            "9999-12-31T23:59:59.999999999Z",
            LAST,
            999_999_999,
            &[0x3b, 0x9a, 0xc9, 0xff, 0, 0, 0, 0x3a, 0xff, 0xf4, 0x41, 0x7f],
        ),
    ];

    #[test]
    fn instants_are_text_and_extension_both_ways() {
        for (text, seconds, nanoseconds, data) in ROWS {
            let instant = Timestamp::new(*seconds, *nanoseconds).unwrap();
            assert_eq!(instant.to_string(), *text);
            assert_eq!(text.parse(), Ok(instant));
            assert_eq!(instant.to_extension().0, *data, "{text}");
            assert_eq!(Timestamp::from_extension(data), Ok(instant), "{text}");
        }
    }

    #[test]
    fn other_ways_to_write_an_instant_are_read() {
        for (text, canonical) in [
            ("2000-01-01T02:30:00+02:30", "2000-01-01T00:00:00Z"),
            ("1999-12-31T23:00:00.000-01:00", "2000-01-01T00:00:00Z"),
            ("2000-01-01T00:00:00", "2000-01-01T00:00:00Z"),
            ("2000-01-01T00:00:00.1234567899999Z", "2000-01-01T00:00:00.123456789Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), canonical);
        }
        for text in [
            "",
            "2000-01-01",
            "2000-13-01T00:00:00Z",
            "2000-00-01T00:00:00Z",
            "2001-02-29T00:00:00Z",
            "2000-01-01T24:00:00Z",
            "2000-01-01 00:00:00Z",
            "2000-01-01T00:00:00.Z",
            "2000-01-01T00:00:00+1",
            "2000-01-01T00:00:00+24:00",
            "2000-01-01T00:00:00Zx",
            "+200-01-01T00:00:00Z",
            "0000-01-01T00:00:00+00:01",
            "2000-01-01T00:00:0ü",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    #[test]
    fn every_day_is_a_date_and_back() {
        for day in FIRST / DAY..=LAST / DAY {
            let (year, month, day_of_month) = date(day);
            assert_eq!(days((year, month, day_of_month)), day);
            assert!((1..=12).contains(&month) && (1..=31).contains(&day_of_month));
        }
    }

    #[test]
    fn extensions_of_other_sizes_and_instants_out_of_range_are_refused() {
        for data in [&[][..], &[0; 5], &[0xff; 12], &[0xff; 8]] {
            assert!(Timestamp::from_extension(data).is_err());
        }
        assert!(Timestamp::new(0, 1_000_000_000).is_err());
    }

    #[test]
    fn times_of_the_system_are_instants() {
        let at = |offset: i64| match offset {
            0.. => UNIX_EPOCH + Duration::from_millis(offset as u64),
            _ => UNIX_EPOCH - Duration::from_millis(offset.unsigned_abs()),
        };
        for (milliseconds, text) in
            [(1_500, "1970-01-01T00:00:01.5Z"), (-1_500, "1969-12-31T23:59:58.5Z"), (-1_000, "1969-12-31T23:59:59Z")]
        {
            assert_eq!(Timestamp::try_from(at(milliseconds)).unwrap().to_string(), text);
        }
    }
}

//! `Cron`: times by a pattern of cron, in UTC.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use croner::errors::CronError;
use croner::{CivilDateTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, tz::Offset};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Five fields, or six with seconds before them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    pattern: Box<croner::Cron>,
}

impl Cron {
    /// How long from `now` to the next time, if there is one.
    pub(super) fn until_next(&self, now: SystemTime) -> Option<Duration> {
        let now = Timestamp::try_from(now).ok()?;
        let civil = Utc(Offset::UTC.to_datetime(now));
        let Utc(next) = self.pattern.find_next_occurrence(&civil, false).ok()?;
        let next = Offset::UTC.to_timestamp(next).ok()?;
        Duration::try_from(next.duration_since(now)).ok()
    }
}

impl<'de> Deserialize<'de> for Cron {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            Ok(pattern) => Ok(Self { text, pattern: Box::new(pattern) }),
            Err(error) => Err(de::Error::custom(format!(
                "must be a pattern of cron such as \"0 */5 * * * *\", not {text:?}: {error}"
            ))),
        }
    }
}

impl Serialize for Cron {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// What the clocks of UTC show. The crate has no library of dates of its own; ours is jiff.
#[derive(Debug, Clone, Copy)]
struct Utc(DateTime);

impl CronDateTime for Utc {
    fn to_civil(&self) -> CivilDateTime {
        let Self(at) = self;
        let [year, month, day, hour, minute, second] = [
            at.year().into(),
            at.month().into(),
            at.day().into(),
            at.hour().into(),
            at.minute().into(),
            i32::from(at.second()),
        ];
        let [month, day, hour, minute, second] = [month, day, hour, minute, second].map(|part: i32| part as u32);
        CivilDateTime::from_ymd_hms_opt(year, month, day, hour, minute, second).expect("jiff's parts are in range")
    }

    fn civil_weekday(&self) -> Weekday {
        Weekday::from_days_from_sunday(self.0.weekday().to_sunday_zero_offset() as u32)
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let year = i16::try_from(civil.year()).map_err(|_| CronError::InvalidDate)?;
        let [month, day, hour, minute, second] =
            [civil.month(), civil.day(), civil.hour(), civil.minute(), civil.second()].map(|part| part as i8);
        let at = DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| CronError::InvalidDate)?;
        Ok(Resolution::Single(Self(at)))
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        self.0.checked_add(SignedDuration::from_secs(seconds)).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_pattern() {
        for (pattern, now, next) in [
            ("0 */5 * * * *", "2026-11-27T10:01:30.5Z", "2026-11-27T10:05:00Z"),
            ("*/5 * * * *", "2026-11-27T10:05:00Z", "2026-11-27T10:10:00Z"),
            ("*/10 * * * * *", "2026-11-27T10:00:59Z", "2026-11-27T10:01:00Z"),
            ("0 3 * * MON", "2026-11-27T10:00:00Z", "2026-11-30T03:00:00Z"),
            ("0 0 29 2 *", "2026-11-27T10:00:00Z", "2028-02-29T00:00:00Z"),
        ] {
            let cron: Cron = toml::Value::from(pattern).try_into().unwrap();
            let at = |text: &str| {
                let since = text.parse::<Timestamp>().unwrap().as_nanosecond();
                SystemTime::UNIX_EPOCH + Duration::from_nanos(since as u64)
            };
            let wait = cron.until_next(at(now)).unwrap();
            assert_eq!(at(now) + wait, at(next), "{pattern}");
        }
        let error = toml::Value::from("often").try_into::<Cron>().unwrap_err().to_string();
        assert!(error.starts_with("must be a pattern of cron such as"), "{error}");
    }
}

//! Broker times as the APIs show them.

use jiff::Timestamp;

/// Milliseconds since 1970 as ISO 8601 in UTC, such as `2023-10-11T10:32:54.123Z`: browsers would read a time without
/// zone as local. A time that no calendar has, or none, is the beginning of 1970.
pub(crate) fn date_time(timestamp_ms: Option<i64>) -> String {
    let time = timestamp_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_say_so() {
        assert_eq!(date_time(Some(1_697_020_374_123)), "2023-10-11T10:32:54.123Z");
        assert_eq!(date_time(Some(1_697_020_374_000)), "2023-10-11T10:32:54Z");
        assert_eq!(date_time(None), "1970-01-01T00:00:00Z");
        assert_eq!(date_time(Some(i64::MAX)), "1970-01-01T00:00:00Z");
    }
}

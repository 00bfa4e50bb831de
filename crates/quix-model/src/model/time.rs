//! Times of recording: ISO 8601 in, UTC with `Z` out.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// The time in UTC, such as `2024-02-29T12:30:15.123456Z`, with at most seven digits of a second and none that are zero:
/// more is beyond .NET. A time without zone is taken for UTC. `None` for what is no time of the years 1 to 9999.
pub(crate) fn utc(text: &str) -> Option<String> {
    let text = text.trim();
    let time = text.parse::<Timestamp>().ok().or_else(|| {
        let naive = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0))).ok()?;
        TimeZone::UTC.to_timestamp(naive).ok()
    })?;
    let civil = TimeZone::UTC.to_datetime(time);
    if civil.year() < 1 {
        return None;
    }
    let whole = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second()
    );
    let fraction = format!("{:07}", civil.subsec_nanosecond() / 100);
    let fraction = fraction.trim_end_matches('0');
    Some(if fraction.is_empty() { format!("{whole}Z") } else { format!("{whole}.{fraction}Z") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_utc() {
        for (text, time) in [
            ("2024-02-29T12:30:15.123456", Some("2024-02-29T12:30:15.123456Z")),
            ("2024-02-29T12:30:15.123456Z", Some("2024-02-29T12:30:15.123456Z")),
            ("2024-02-29T12:30:15+02:00", Some("2024-02-29T10:30:15Z")),
            ("2022-04-08T09:00:39.3971666999Z", None),
            ("2022-04-08T09:00:39.397166699Z", Some("2022-04-08T09:00:39.3971666Z")),
            ("2022-04-08T09:00:39.500Z", Some("2022-04-08T09:00:39.5Z")),
            ("1969-12-31T23:59:59.25Z", Some("1969-12-31T23:59:59.25Z")),
            ("2024-02-29", Some("2024-02-29T00:00:00Z")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z")),
            ("0000-01-01T00:00:00Z", None),
            ("yesterday", None),
            ("", None),
            ("2023-02-29T00:00:00Z", None),
        ] {
            assert_eq!(utc(text).as_deref(), time, "{text}");
        }
    }
}

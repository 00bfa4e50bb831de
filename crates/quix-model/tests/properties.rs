//! What holds for any events and any bytes.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use quix_model::{EventData, Events, Package, ReadLimits, write_events};
use serde_json::Value;
use serde_json::value::RawValue;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_as_the_same_events(events in vec(event(), 0..4)) {
        let bytes = write_events(&events);
        let package = package(b"s", &[], &bytes);
        let package = package.content();
        prop_assert_eq!(package.problem, None);
        let read: Events = serde_json::from_str(&package.value).unwrap();
        prop_assert_eq!(read.0, events);
        // Nothing was rebuilt: the value lies in the record.
        prop_assert_eq!(package.value.as_bytes(), &bytes[32..32 + package.value.len()]);
        prop_assert!(matches!(package.value, std::borrow::Cow::Borrowed(_)));
    }

    #[test]
    fn another_spelling_gives_the_same_package(events in vec(event(), 0..4)) {
        let bytes = write_events(&events);
        let spelt: Value = serde_json::from_slice(&bytes).unwrap();
        let respelt = serde_json::to_vec_pretty(&spelt).unwrap();
        let respelt = String::from_utf8(respelt).unwrap().replace("\"Timestamp\": ", "\"timestamp\": ");
        // An id or value that holds the quoted name would be changed too; such texts are escaped, so they do not match.
        let package_of_respelt = package(b"s", &[], respelt.as_bytes());
        let read: Vec<Value> = serde_json::from_str(&package_of_respelt.content().value).unwrap();
        let expected: Vec<Value> = serde_json::from_str(&package(b"s", &[], &bytes).content().value).unwrap();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_bytes_are_a_package_of_json(key in vec(any::<u8>(), 0..9), value in vec(any::<u8>(), 0..200)) {
        for first in [&b""[..], b"{", b"<", b"\x01", b"{\"C\":\"JT\",\"K\":\"EventData[]\",\"V\":"] {
            holds_json(&key, &[], &[first, &value].concat())?;
        }
    }

    #[test]
    fn damaged_records_are_packages_of_json(
        events in vec(event(), 0..3),
        form in 0..4_usize,
        cut in any::<prop::sample::Index>(),
        hits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        truncate in any::<bool>(),
    ) {
        let legacy = write_events(&events);
        let (headers, mut bytes) = in_form(form, &legacy);
        for (place, byte) in hits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if truncate {
            bytes.truncate(cut.index(bytes.len()));
        }
        holds_json(b"s", &headers, &bytes)?;
    }

    #[test]
    fn integral_timestamps_survive_a_detour_through_exponents(timestamp in any::<i64>()) {
        let digits = timestamp.unsigned_abs().to_string();
        let sign = if timestamp < 0 { "-" } else { "" };
        let json = format!(
            r#"{{"id":"","timestamp":{sign}{}.{}0e{}}}"#,
            &digits[..1],
            &digits[1..],
            digits.len() - 1
        );
        prop_assert_eq!(serde_json::from_str::<EventData>(&json).unwrap().timestamp, timestamp);
    }
}

type Headers = Vec<(&'static str, Option<&'static [u8]>)>;

/// The events of an envelope in one of the forms: JSON envelope, headers, binary envelope, blanks before the end.
fn in_form(form: usize, legacy: &[u8]) -> (Headers, Vec<u8>) {
    let envelope: Value = serde_json::from_slice(legacy).unwrap();
    let body = envelope["V"].to_string();
    match form {
        0 => (Headers::new(), legacy.to_vec()),
        1 => (vec![("__Q_ModelKey", Some(b"EventData[]")), ("__Q_CodecId", Some(b"JT"))], body.into_bytes()),
        2 => {
            let length = i32::try_from(body.len()).unwrap().to_le_bytes();
            let head = b"\x01\x02JT\x0bEventData[]\x01\0\0\0\0";
            (Headers::new(), [&head[..], &length, body.as_bytes()].concat())
        }
        _ => (Headers::new(), serde_json::to_vec_pretty(&envelope).unwrap()),
    }
}

fn holds_json(
    key: &[u8],
    headers: &[(&'static str, Option<&'static [u8]>)],
    value: &[u8],
) -> Result<(), TestCaseError> {
    let package = package(key, headers, value);
    let package = package.content();
    prop_assert!(serde_json::from_str::<&RawValue>(&package.value).is_ok(), "{}", package.value);
    if &*package.type_name == "QuixStreams.Telemetry.Models.EventDataRaw[]" {
        let events: Vec<Value> = serde_json::from_str(&package.value).unwrap();
        for event in events {
            for member in ["Timestamp", "Tags", "Id", "Value"] {
                prop_assert!(event.get(member).is_some(), "{} in {}", member, package.value);
            }
            prop_assert!(event["Timestamp"].is_i64() && event["Tags"].is_object());
        }
    }
    Ok(())
}

fn package<'a>(key: &'a [u8], headers: &[(&'a str, Option<&'a [u8]>)], value: &'a [u8]) -> Package<'a> {
    Package::read_whole(ReadLimits::default(), Some(key), headers.iter().copied(), Some(value)).unwrap()
}

fn event() -> impl Strategy<Value = EventData> {
    (any::<i64>(), vec((text(), option::of(text())), 0..12), text(), option::of(text()))
        .prop_map(|(timestamp, tags, id, value)| EventData { timestamp, tags: tags.into_iter().collect(), id, value })
}

/// Short texts with what JSON escapes, what it does not, and more than one plane of Unicode.
fn text() -> impl Strategy<Value = String> {
    vec(
        prop_oneof![
            4 => proptest::char::range('a', 'd'),
            2 => prop::sample::select(vec!['"', '\\', '\n', '\u{1}', '/', '\u{7f}', '\u{2028}', 'č', '🚀', '\u{FFFD}']),
            1 => any::<char>(),
        ],
        0..6,
    )
    .prop_map(String::from_iter)
}

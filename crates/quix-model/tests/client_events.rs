//! Events as clients send them: what is taken, what is refused and in which words; and how they are written to Kafka.

#![allow(clippy::unwrap_used)]

use quix_model::{EventData, Events, Tags, write_events, write_events_into};

#[test]
fn an_array_and_one_object_are_both_events() {
    let one = r#"{"id":"a","timestamp":1,"value":"v","tags":{"t":"x"}}"#;
    let expected =
        [EventData { timestamp: 1, tags: tags([("t", Some("x"))]), id: "a".to_owned(), value: Some("v".to_owned()) }];
    assert_eq!(*events(one), expected);
    assert_eq!(*events(&format!("[{one}]")), expected);
    assert_eq!(*events("[]"), []);
}

#[test]
fn members_are_taken_in_any_case_unknown_ones_ignored_and_the_last_wins() {
    let expected = event(r#"{"timestamp":1,"tags":{"T":"x"},"id":"b","value":"w"}"#);
    for json in [
        r#"{"Timestamp":1,"Tags":{"T":"x"},"Id":"b","Value":"w"}"#,
        r#"{"TIMESTAMP":1,"tAGS":{"T":"x"},"iD":"b","vaLue":"w"}"#,
        r#"{"extra":[{"id":5}],"value":"w","id":"b","timestamp":1,"tags":{"T":"x"},"more":null}"#,
        r#"{"id":"a","Id":"b","timestamp":7,"Timestamp":1,"value":"v","VALUE":"w","tags":{"x":"y"},"Tags":{"T":"x"}}"#,
        r#"{"\u0069d":"b","timestamp":1,"value":"w","tags":{"T":"old","T":"x"}}"#,
    ] {
        assert_eq!(event(json), expected, "{json}");
    }
    assert_eq!(event(r#"{"id":"a","timestamp":1,"value":"v","value":null}"#).value, None);
    assert_eq!(event(r#"{"id":"a","timestamp":1,"tags":{"t":"x"},"tags":null}"#).tags, Tags::default());
}

#[test]
fn missing_and_null_tags_and_value_are_empty() {
    for json in [r#"{"id":"a","timestamp":1}"#, r#"{"id":"a","timestamp":1,"tags":null,"value":null}"#] {
        let event = event(json);
        assert!(event.tags.is_empty(), "{json}");
        assert_eq!(event.value, None, "{json}");
    }
    assert_eq!(event(r#"{"id":"a","timestamp":1,"tags":{"t":null}}"#).tags.get("t"), Some(None));
}

#[test]
fn timestamps_are_exact_and_never_converted() {
    for (written, timestamp) in [
        ("1697025689418406001", 1_697_025_689_418_406_001),
        ("1.697025689418406001e18", 1_697_025_689_418_406_001),
        ("1697025689418406001.0", 1_697_025_689_418_406_001),
        ("1.6e18", 1_600_000_000_000_000_000),
        ("1.0", 1),
        ("0", 0),
        ("-5", -5),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ] {
        let json = format!(r#"[{{"id":"a","timestamp": {written} }}]"#);
        assert_eq!(events(&json)[0].timestamp, timestamp, "{written}");
    }
}

#[test]
fn an_event_is_read_from_a_json_value_too() {
    let value = serde_json::json!([{"id": "a", "timestamp": 1697025689418406001_i64, "tags": {"t": null}}]);
    let events: Events = serde_json::from_value(value).unwrap();
    assert_eq!(events[0].timestamp, 1_697_025_689_418_406_001);
}

#[test]
fn lone_surrogates_become_replacement_characters_everywhere() {
    let event = event(
        r#"{"i\ud800":1,"id":"a\ud800","timestamp":1,"value":"\udfffz\ud83d\ude80","tags":{"\ud800t":"\ud800\n"}}"#,
    );
    assert_eq!(event.id, "a\u{FFFD}");
    assert_eq!(event.value.as_deref(), Some("\u{FFFD}z🚀"));
    assert_eq!(event.tags, tags([("\u{FFFD}t", Some("\u{FFFD}\n"))]));
}

#[test]
fn refusals_name_the_member() {
    for (json, error) in [
        ("null", "invalid type: null, expected an array of events or one event"),
        ("5", "invalid type: integer `5`, expected an array of events or one event"),
        ("[5]", "invalid type: integer `5`, expected an event: an object with `id`, `timestamp`, `value` and `tags`"),
        (r#"{"timestamp":1}"#, "the event has no `id`"),
        (r#"{"id":"a"}"#, "the event has no `timestamp`"),
        (r#"{"id":null,"timestamp":1}"#, "invalid type: null, expected a string as the event's `id`"),
        (r#"{"id":7,"timestamp":1}"#, "invalid type: integer `7`, expected a string as the event's `id`"),
        (r#"{"id":["x"],"timestamp":1}"#, "invalid type: sequence, expected a string as the event's `id`"),
        (
            r#"{"id":"a","timestamp":1,"value":12.5}"#,
            "invalid type: floating point `12.5`, expected a string or null as the event's `value`",
        ),
        (
            r#"{"id":"a","timestamp":1,"value":{"x":1}}"#,
            "invalid type: map, expected a string or null as the event's `value`",
        ),
        (
            r#"{"id":"a","timestamp":1,"tags":{"t":1}}"#,
            "invalid type: integer `1`, expected a string or null in the event's `tags`",
        ),
        (
            r#"{"id":"a","timestamp":1,"tags":["t"]}"#,
            "invalid type: sequence, expected an object of strings as the event's `tags`",
        ),
        (r#"{"id":"a","timestamp":1.5}"#, "the event's `timestamp` must be a 64-bit integer, not 1.5"),
        (
            r#"{"id":"a","timestamp":9223372036854775808}"#,
            "the event's `timestamp` must be a 64-bit integer, not 9223372036854775808",
        ),
        (r#"{"id":"a","timestamp":"1"}"#, "the event's `timestamp` must be a 64-bit integer, not \"1\""),
        (r#"{"id":"a","timestamp":null}"#, "the event's `timestamp` must be a 64-bit integer, not null"),
        (
            r#"{"id":"a","timestamp":"0123456789012345678901234567890123456789012345"}"#,
            "the event's `timestamp` must be a 64-bit integer, not \"012345678901234567890123456789012345678",
        ),
    ] {
        let told = serde_json::from_str::<Events>(json).unwrap_err().to_string();
        let told = told.split(" at line ").next().unwrap();
        assert_eq!(told, error, "{json}");
    }
}

#[test]
fn an_envelope_has_every_member_and_byte_offsets() {
    for (json, envelope) in [
        ("[]", r#"{"C":"JT","K":"EventData[]","V":[],"S":32,"E":34}"#),
        (
            r#"{"id":"","timestamp":0,"value":""}"#,
            r#"{"C":"JT","K":"EventData[]","V":[{"Timestamp":0,"Tags":{},"Id":"","Value":""}],"S":32,"E":78}"#,
        ),
        (
            r#"{"id":"ev","timestamp":1700000000000000000,"value":"čau","tags":{"t":"1"}}"#,
            r#"{"C":"JT","K":"EventData[]","V":[{"Timestamp":1700000000000000000,"Tags":{"t":"1"},"Id":"ev","Value":"čau"}],"S":32,"E":109}"#,
        ),
        (
            r#"[{"id":"a","timestamp":-1,"tags":{"z":null,"a":"1"}},{"id":"b\n\"\u0001/<\u2028","timestamp":2,"value":null}]"#,
            "{\"C\":\"JT\",\"K\":\"EventData[]\",\"V\":[\
             {\"Timestamp\":-1,\"Tags\":{\"z\":null,\"a\":\"1\"},\"Id\":\"a\",\"Value\":null},\
             {\"Timestamp\":2,\"Tags\":{},\"Id\":\"b\\n\\\"\\u0001/<\u{2028}\",\"Value\":null}],\"S\":32,\"E\":161}",
        ),
    ] {
        let bytes = write_events(&events(json));
        assert_eq!(str::from_utf8(&bytes).unwrap(), envelope);
    }
}

#[test]
fn offsets_count_from_the_start_of_the_envelope_whatever_the_buffer_holds() {
    let events = events(r#"{"id":"a","timestamp":1}"#);
    let mut buffer = b"before".to_vec();
    write_events_into(&mut buffer, &events);
    assert_eq!(buffer.strip_prefix(b"before").unwrap(), write_events(&events));
}

fn events(json: &str) -> Events {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn event(json: &str) -> EventData {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn tags<const N: usize>(pairs: [(&str, Option<&str>); N]) -> Tags {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect()
}

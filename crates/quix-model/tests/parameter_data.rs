//! Parameter data as clients send it: what is taken, what is refused and in which words, and what is written of it.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use quix_model::{Outgoing, ParameterData, WriteError, WriteSettings};
use serde::Serialize;
use serde::ser::Serializer;
use signalr_proto::Encoding;

const FULL: &str = r#"{"epoch":100,"timestamps":[1,-2],"numericValues":{"Speed":[7,null],"x":[-0.5,1e3]},"stringValues":{"s":[null,"č"]},"binaryValues":{"b":["/w==",null]},"tagValues":{"T":["a",null]}}"#;
const WRITTEN: &str = r#"{"Timestamps":[101,98],"NumericValues":{"Speed":[7.0,null],"x":[-0.5,1000.0]},"StringValues":{"s":[null,"č"]},"BinaryValues":{"b":["/w==",null]},"TagValues":{"T":["a",null]}}"#;

#[test]
fn a_call_becomes_one_envelope() {
    let expected = format!(r#"{{"C":"JT","K":"ParameterData","V":{WRITTEN},"S":34,"E":{}}}"#, 34 + WRITTEN.len());
    assert_eq!(written(FULL), expected);
}

#[test]
fn missing_and_null_maps_are_empty_and_unknown_members_ignored() {
    let expected = r#"{"Timestamps":[1],"NumericValues":{},"StringValues":{},"BinaryValues":{},"TagValues":{}}"#;
    for json in [
        r#"{"timestamps":[1]}"#,
        r#"{"epoch":null,"timestamps":[1],"numericValues":null,"stringValues":null,"binaryValues":null,"tagValues":null}"#,
        r#"{"timestamps":[1],"numericValues":{"n":null},"more":[{"timestamps":[2]}]}"#,
        r#"{"timestamps":[5,6],"Timestamps":[1],"tagValues":{"t":["x"]},"TAGVALUES":{}}"#,
    ] {
        assert_eq!(body(&written(json)), expected, "{json}");
    }
    let twice = r#"{"timestamps":[1],"numericValues":{"a":[1],"b":[2],"a":[3]}}"#;
    assert!(written(twice).contains(r#""NumericValues":{"a":[3.0],"b":[2.0]}"#));
}

#[test]
fn numbers_keep_their_digits() {
    for (timestamps, kept) in [
        ("1697025689418406001", "1697025689418406001"),
        ("1.697025689418406001e18", "1697025689418406001"),
        ("1.6e18,1.0,-0", "1600000000000000000,1,0"),
        ("9223372036854775807,-9223372036854775808", "9223372036854775807,-9223372036854775808"),
    ] {
        assert!(written(&format!("{{\"timestamps\":[{timestamps}]}}")).contains(&format!("\"Timestamps\":[{kept}]")));
    }
    let numbers = "0.1,-0.0,5e-324,1.7976931348623157e308,9007199254740993,\"NaN\",\"Infinity\",\"-Infinity\",3.141592653589793,0.10000000000000009";
    let kept = "0.1,-0.0,5E-324,1.7976931348623157E+308,9007199254740992.0,\"NaN\",\"Infinity\",\"-Infinity\",3.141592653589793,0.10000000000000009";
    let json = format!(r#"{{"timestamps":[1,2,3,4,5,6,7,8,9,10],"numericValues":{{"n":[{numbers}]}}}}"#);
    assert!(written(&json).contains(&format!("\"n\":[{kept}]")), "{}", written(&json));
}

#[test]
fn refusals_name_the_member() {
    for (json, error) in [
        ("[]", "the parameter data must be an object, not an array"),
        ("null", "the parameter data must be an object, not null"),
        ("{}", "the parameter data has no `timestamps`"),
        (r#"{"timestamps":null}"#, "the parameter data has no `timestamps`"),
        (r#"{"timestamps":5}"#, "`timestamps` must be an array, not 5"),
        (r#"{"timestamps":[1.5]}"#, "each of the `timestamps` must be a 64-bit integer, not 1.5"),
        (r#"{"timestamps":["1"]}"#, "each of the `timestamps` must be a 64-bit integer, not \"1\""),
        (r#"{"timestamps":[null]}"#, "each of the `timestamps` must be a 64-bit integer, not null"),
        (
            r#"{"timestamps":[9223372036854775808]}"#,
            "each of the `timestamps` must be a 64-bit integer, not 9223372036854775808",
        ),
        (r#"{"epoch":"x","timestamps":[]}"#, "`epoch` must be a 64-bit integer, not \"x\""),
        (r#"{"timestamps":[],"numericValues":[]}"#, "`numericValues` must be an object of arrays, not an array"),
        (r#"{"timestamps":[],"numericValues":{"n":5}}"#, "`numericValues.n` must be an array, not 5"),
        (
            r#"{"timestamps":[1],"numericValues":{"n":[true]}}"#,
            "each value of `numericValues.n` must be a number or null, not true",
        ),
        (
            r#"{"timestamps":[1],"numericValues":{"n":["7.5"]}}"#,
            "each value of `numericValues.n` must be a number or null, not \"7.5\"",
        ),
        (
            r#"{"timestamps":[1],"stringValues":{"s":[12]}}"#,
            "each value of `stringValues.s` must be a string or null, not 12",
        ),
        (
            r#"{"timestamps":[1],"tagValues":{"t":[{"a":1}]}}"#,
            "each value of `tagValues.t` must be a string or null, not an object",
        ),
        (
            r#"{"timestamps":[1],"binaryValues":{"b":["%%%"]}}"#,
            "each value of `binaryValues.b` must be base64 or null, not \"%%%\"",
        ),
        (
            r#"{"timestamps":[1,2],"tagValues":{"t":["1"]}}"#,
            "`tagValues.t` has 1 values for 2 timestamps: they must be as many",
        ),
        (
            r#"{"timestamps":[1],"numericValues":{"n":[1,2]}}"#,
            "`numericValues.n` has 2 values for 1 timestamps: they must be as many",
        ),
        (
            r#"{"timestamps":[1],"numericValues":{"n":[1e400]}}"#,
            "each value of `numericValues.n` must be a number or null, not 1e400",
        ),
    ] {
        let told = serde_json::from_str::<ParameterData>(json).unwrap_err().to_string();
        assert_eq!(told.split(" at line ").next().unwrap(), error, "{json}");
    }
}

#[test]
fn what_breaks_readers_is_refused_unless_a_topic_allows_it() {
    let refused = |json: &str, settings: &WriteSettings| {
        settings.records(Outgoing::ParameterData(&parsed(json)), "s", 0).unwrap_err()
    };
    let strict = WriteSettings::default();
    for (json, id) in [
        (r#"{"timestamps":[1],"numericValues":{"Timestamp":[1]}}"#, "Timestamp"),
        (r#"{"timestamps":[1],"binaryValues":{"Tags":[null]}}"#, "Tags"),
    ] {
        assert_eq!(refused(json, &strict), WriteError::ReservedParameter(id));
        let lenient = WriteSettings { allow_reserved_parameters: true, ..strict.clone() };
        assert!(lenient.records(Outgoing::ParameterData(&parsed(json)), "s", 0).is_ok());
    }
    assert!(
        strict
            .records(Outgoing::ParameterData(&parsed(r#"{"timestamps":[1],"tagValues":{"Tags":["a"]}}"#)), "s", 0)
            .is_ok()
    );
    assert_eq!(
        refused(r#"{"epoch":9223372036854775807,"timestamps":[0,1]}"#, &strict),
        WriteError::EpochOverflow { epoch: i64::MAX, timestamp: 1 }
    );
    let short = quix_model::Timeseries {
        timestamps: vec![1],
        tags: vec![quix_model::Column { id: "t".into(), values: vec![] }],
        ..Default::default()
    };
    let error = strict.records(Outgoing::ParameterData(&short), "s", 0).unwrap_err();
    assert_eq!(error, WriteError::Length { id: "t".to_owned(), length: 0, rows: 1 });
}

#[test]
fn messagepack_gives_the_same_bytes_as_json() {
    struct Bytes;
    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(b"\xff")
        }
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Sent {
        epoch: f64,
        timestamps: (i64, f64, u64),
        numeric_values: std::collections::BTreeMap<&'static str, (f64, f64, Option<u8>)>,
        binary_values: std::collections::BTreeMap<&'static str, (Bytes, &'static str, ())>,
        string_values: Option<()>,
    }
    let sent = Sent {
        epoch: 0.0,
        timestamps: (1_697_025_689_418_406_001, 1.6e18, 7),
        numeric_values: [("n", (f64::NAN, -0.0, Some(7)))].into(),
        binary_values: [("b", (Bytes, "/w==", ()))].into(),
        string_values: None,
    };
    let bytes = Encoding::MessagePack.encode_value(&sent).unwrap();
    let data: ParameterData = Encoding::MessagePack.payload(&bytes).unwrap().decode().unwrap();
    let expected = r#"{"Timestamps":[1697025689418406001,1600000000000000000,7],"NumericValues":{"n":["NaN",-0.0,7.0]},"StringValues":{},"BinaryValues":{"b":["/w==","/w==",null]},"TagValues":{}}"#;
    let records = WriteSettings::default().records(Outgoing::ParameterData(&data), "s", 0).unwrap();
    assert_eq!(body(str::from_utf8(&records[0].value).unwrap()), expected);

    let bytes = Encoding::MessagePack.encode_value(&serde_json::from_str::<serde_json::Value>(FULL).unwrap()).unwrap();
    let data: ParameterData = Encoding::MessagePack.payload(&bytes).unwrap().decode().unwrap();
    assert_eq!(data, parsed(FULL));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names_in_any_case_give_the_same_bytes(flips in any::<u64>(), order in any::<u64>()) {
        let names = ["epoch", "timestamps", "numericValues", "stringValues", "binaryValues", "tagValues"];
        let whole: serde_json::Map<String, serde_json::Value> = serde_json::from_str(FULL).unwrap();
        let mut flip = flips;
        let mut members: Vec<String> = names
            .iter()
            .map(|name| {
                let cased: String = name
                    .chars()
                    .map(|letter| {
                        flip = flip.rotate_left(1);
                        if flip & 1 == 1 { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }
                    })
                    .collect();
                format!("\"{cased}\":{}", whole[*name])
            })
            .collect();
        let turn = order as usize % members.len();
        members.rotate_left(turn);
        prop_assert_eq!(written(&format!("{{{}}}", members.join(","))), written(FULL));
    }
}

fn parsed(json: &str) -> ParameterData {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn written(json: &str) -> String {
    let mut records = WriteSettings::default().records(Outgoing::ParameterData(&parsed(json)), "s", 0).unwrap();
    assert_eq!(records.len(), 1);
    String::from_utf8(records.remove(0).value).unwrap()
}

/// `V` of an envelope.
fn body(envelope: &str) -> &str {
    let end = envelope.rfind(",\"S\":").unwrap();
    &envelope[34..end]
}

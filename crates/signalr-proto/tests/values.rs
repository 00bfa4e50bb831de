//! Values in both encodings: what Rust types become and are read from, and those that pass through untouched.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use signalr_proto::value::{AnyValue, Binary, Timestamp};
use signalr_proto::{Encoding, HubMessage, Payload};

const MESSAGE_PACK: Encoding = Encoding::MessagePack;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn write<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    MESSAGE_PACK.encode_value(value).unwrap()
}

fn read<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, String> {
    Payload::MessagePack(value).decode().map_err(|error| error.to_string())
}

fn json<T: Serialize + ?Sized>(value: &T) -> String {
    String::from_utf8(Encoding::Json.encode_value(value).unwrap()).unwrap()
}

#[track_caller]
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, hex: &str) {
    assert_eq!(write(&value), bytes(hex), "{value:?}");
    assert_eq!(read(&bytes(hex)), Ok(value));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Point {
    x: i32,
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Empty,
    Circle(f64),
    Line(i8, i8),
    Box { w: u8 },
}

#[test]
fn rust_types_have_one_form_each() {
    both_ways((), "c0");
    both_ways(true, "c3");
    both_ways(Some(5_u8), "05");
    both_ways(None::<u8>, "c0");
    both_ways(-1_i64, "ff");
    both_ways(200_i32, "ccc8");
    both_ways(-200_i16, "d1ff38");
    both_ways(u64::MAX, "cfffffffffffffffff");
    both_ways(i128::from(i64::MIN), "d38000000000000000");
    both_ways(u128::from(u64::MAX), "cfffffffffffffffff");
    both_ways(1.5_f32, "ca3fc00000");
    both_ways(1.5_f64, "cb3ff8000000000000");
    both_ways('ü', "a2c3bc");
    both_ways("x".repeat(32), &format!("d920{}", "78".repeat(32)));
    both_ways(vec![1, 2], "920102");
    both_ways((1, "a".to_owned()), "9201a161");
    both_ways(BTreeMap::from([(-5, true)]), "81fbc3");
    both_ways(Point { x: 1, name: None, tags: vec![] }, "82 a158 01 a44e616d65 c0");
    both_ways(
        Point { x: 1, name: Some("n".into()), tags: vec!["t".into()] },
        "83 a158 01 a44e616d65 a16e a454616773 91a174",
    );
    both_ways(Shape::Empty, "a5456d707479");
    both_ways(Shape::Circle(1.5), "81 a6436972636c65 cb3ff8000000000000");
    both_ways(Shape::Line(1, -1), "81 a44c696e65 9201ff");
    both_ways(Shape::Box { w: 7 }, "81 a3426f78 81a17707");
    both_ways(serde_json::json!({"a": [1, -1, null, 1.5, "t", {}]}), "81a161 96 01 ff c0 cb3ff8000000000000 a174 80");
    assert!(MESSAGE_PACK.encode_value(&(1_u128 << 64)).is_err());
    assert!(MESSAGE_PACK.encode_value(&(i128::from(i64::MIN) - 1)).is_err());
}

#[test]
fn types_are_read_from_all_that_means_them() {
    assert_eq!(read(&bytes("82 a158 cd0001 a5657874726191c70102ff")), Ok(Point { x: 1, name: None, tags: vec![] }));
    assert_eq!(read(&bytes("d300000000000000c8")), Ok(200_u8));
    assert_eq!(read(&bytes("05")), Ok(5.0_f64));
    assert_eq!(read(&bytes("ca3fc00000")), Ok(1.5_f64));
    assert_eq!(read(&bytes("c4030102ff")), Ok(vec![1_u8, 2, 255]), "bin as numbers");
    assert_eq!(read(&bytes("930102ff")), Err::<Vec<u8>, _>("invalid value: integer `-1`, expected u8".to_owned()));
    assert_eq!(read(&bytes("a161")), Ok("a"));
    assert_eq!(read(&bytes("81 a5456d707479 c0")), Ok(Shape::Empty), "a variant as a map");
    assert_eq!(read(&bytes("8201a1610203")).map(|map: HashMap<u8, AnyValue>| map.len()), Ok(2));
}

#[test]
fn what_does_not_fit_is_told_as_for_json() {
    let rows: [(&str, Result<(), String>, &str); 9] = [
        ("null to text", read::<String>(&bytes("c0")).map(drop), "invalid type: null, expected a string"),
        ("text not UTF-8", read::<String>(&bytes("a1ff")).map(drop), "invalid value: byte array, expected a string"),
        ("number to bool", read::<bool>(&bytes("01")).map(drop), "invalid type: integer `1`, expected a boolean"),
        ("too large", read::<u8>(&bytes("cd012c")).map(drop), "invalid value: integer `300`, expected u8"),
        ("missing member", read::<Point>(&bytes("80")).map(drop), "missing field `X`"),
        (
            "no variant",
            read::<Shape>(&bytes("01")).map(drop),
            "invalid type: integer `1`, expected the name of a variant, or a map of it to its content",
        ),
        (
            "unknown variant",
            read::<Shape>(&bytes("a141")).map(drop),
            "unknown variant `A`, expected one of `Empty`, `Circle`, `Line`, `Box`",
        ),
        ("more elements", read::<(u8,)>(&bytes("920102")).map(drop), "1 more element(s) than expected"),
        ("more values", read::<u8>(&bytes("0102")).map(drop), "more data follows the value"),
    ];
    for (name, result, text) in rows {
        assert_eq!(result, Err(text.to_owned()), "{name}");
    }
}

#[test]
fn lengths_that_are_known_late_or_wrong() {
    struct Lines(usize, Option<usize>);

    impl Serialize for Lines {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            let mut lines = serializer.serialize_seq(self.1)?;
            for line in 0..self.0 {
                lines.serialize_element(&(line as u8))?;
            }
            lines.end()
        }
    }

    for count in [0, 3, 15, 16, 70_000] {
        let written = write(&Lines(count, None));
        assert_eq!(written, write(&Lines(count, Some(count))), "{count}");
        assert_eq!(read::<Vec<u8>>(&written).unwrap().len(), count);
    }
    assert!(MESSAGE_PACK.encode_value(&Lines(3, Some(2))).is_err(), "it would break what follows");

    #[derive(Serialize)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        more: BTreeMap<String, u8>,
    }
    let more = (0..20).map(|number| (format!("m{number:02}"), number)).collect();
    assert_eq!(read::<HashMap<String, u8>>(&write(&Flat { a: 1, more })).unwrap().len(), 21);
}

#[test]
fn any_messagepack_value_comes_back_as_the_same_bytes() {
    for hex in [
        "c0",
        "cf0000000000000005",
        "d300000000000000fb",
        "ca7fc00001",
        "a1ff",
        "d6ff386d4380",
        "c7020500ff",
        "d80500000000000000000000000000000000",
        "83 c0 01 92 0102 c3 cb3ff8000000000000 d40107",
        "de0001 a161 dc0001 d9 01 62",
    ] {
        let sent = bytes(hex);
        let value: AnyValue = read(&sent).unwrap();
        assert_eq!(write(&value), sent, "{hex}");
        let inside = [&[0x92, 0x01][..], &sent].concat();
        let (one, value): (u8, Option<AnyValue>) = read(&inside).unwrap();
        assert_eq!(one, 1);
        assert_eq!(write(&(1, value)), inside, "{hex} inside");
        let mut call = Vec::new();
        MESSAGE_PACK
            .encode_invocation(None, "t", &(AnyValue::new(Payload::MessagePack(&sent)).unwrap(),), &mut call)
            .unwrap();
        let Ok(Some(HubMessage::Invocation(call))) = MESSAGE_PACK.decode(&call[1..]) else { panic!("{hex}") };
        assert_eq!(call.arguments.bind::<(AnyValue,)>().unwrap().0.payload(), Payload::MessagePack(&sent));
    }
    assert!(AnyValue::new(Payload::MessagePack(&[1, 2])).is_err());
    assert!(AnyValue::new(Payload::MessagePack(&[0x91])).is_err());
    assert!(AnyValue::new(Payload::Json("1 2")).is_err());
}

#[test]
fn any_json_value_comes_back_as_the_same_text() {
    for text in ["1.10", "123456789012345678901234567890", "1e2", r#"{"b":"\u0041","a":[ 1 ]}"#, "null"] {
        let value: AnyValue = Payload::Json(text).decode().unwrap();
        assert_eq!(json(&value), text);
        assert_eq!(json(&(1, Some(value))), format!("[1,{text}]"));
    }
    let value: AnyValue = serde_json::from_value(serde_json::json!({"a": 1})).unwrap();
    assert_eq!(value.decode::<HashMap<String, u8>>().unwrap()["a"], 1);
}

#[test]
fn values_of_the_other_encoding_are_converted_or_refused() {
    for (hex, text) in [
        ("94 c0 c3 ff cfffffffffffffffff", "[null,true,-1,18446744073709551615]"),
        ("92 cb3ff8000000000000 cb7ff8000000000000", "[1.5,null]"),
        ("c403010203", r#""AQID""#),
        ("d6ff386d4380", r#""2000-01-01T00:00:00Z""#),
        ("84 a122 01 05 02 fb 03 c3 04", r#"{"\"":1,"5":2,"-5":3,"true":4}"#),
    ] {
        let value: AnyValue = read(&bytes(hex)).unwrap();
        assert_eq!(json(&value), text, "{hex}");
        assert_eq!(read::<Box<RawValue>>(&bytes(hex)).unwrap().get(), text, "{hex}");
    }
    for hex in ["c7020500ff", "a1ff", "81c001", "8190 01", "c7030100ff00", "d5ff0000"] {
        let value: AnyValue = read(&bytes(hex)).unwrap();
        assert!(Encoding::Json.encode_value(&value).is_err(), "{hex}");
        assert!(read::<Box<RawValue>>(&bytes(hex)).is_err(), "{hex}");
    }
    for (text, hex) in [
        ("[null,true,-1,18446744073709551615]", "94 c0 c3 ff cfffffffffffffffff"),
        ("1.0", "cb3ff0000000000000"),
        (r#"{"b":"\u0041","a":{}}"#, "82 a162 a141 a161 80"),
        ("18446744073709551616", "cb43f0000000000000"),
    ] {
        let value: AnyValue = Payload::Json(text).decode().unwrap();
        assert_eq!(write(&value), bytes(hex), "{text}");
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(write(&raw), bytes(hex), "raw {text}");
        assert_eq!(write(&[&raw]), [vec![0x91], bytes(hex)].concat(), "raw {text} inside");
    }
}

/// The object that the official tests echo.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Complex {
    byte_array: Binary,
    date_time: Timestamp,
}

#[test]
fn bytes_and_instants_look_different_in_the_encodings() {
    let complex = || Complex { byte_array: vec![1, 2, 3].into(), date_time: Timestamp::new(946_684_800, 0).unwrap() };
    let text = r#"{"ByteArray":"AQID","DateTime":"2000-01-01T00:00:00Z"}"#;
    assert_eq!(json(&complex()), text);
    assert_eq!(Payload::Json(text).decode(), Ok(complex()));
    both_ways(complex(), "82 a9427974654172726179 c403010203 a84461746554696d65 d6ff386d4380");
    both_ways(Timestamp::new(1, 5).unwrap(), "d7ff 0000001400000001");
    both_ways(Timestamp::new(-1, 5).unwrap(), "c70cff 00000005 ffffffffffffffff");
    assert_eq!(read::<Timestamp>(&write("2000-01-01T00:00:00Z")), Ok(complex().date_time), "text as well");
    assert_eq!(read::<Binary>(&bytes("93010203")), Ok(vec![1, 2, 3].into()));
    for hex in ["d601386d4380", "d5ff0000", "01", "c0"] {
        assert!(read::<Timestamp>(&bytes(hex)).is_err(), "{hex}");
    }
    assert!(Payload::Json("\"AQI\"").decode::<Binary>().is_err());
    assert!(Payload::Json("1").decode::<Timestamp>().is_err());
}

#[test]
fn extensions_are_a_newtype_of_type_and_bytes() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "_ExtStruct")]
    struct Extension((i8, Binary));

    both_ways(Extension((5, vec![0, 255].into())), "d50500ff");
    both_ways(Extension((-128, vec![7].into())), "d48007");
    assert!(read::<serde_json::Value>(&bytes("d48007")).is_err());
}

/// Any MessagePack value, in any of its forms.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let sized = |marker: u8, data: Vec<u8>| [vec![marker, data.len() as u8], data].concat();
    let data = || prop::collection::vec(any::<u8>(), 0..20);
    let leaf = prop_oneof![
        prop::sample::select(vec![vec![0xc0], vec![0xc2], vec![0xc3], vec![0x07], vec![0xe0]]),
        any::<[u8; 8]>().prop_map(|number| [&[0xcf][..], &number].concat()),
        any::<[u8; 8]>().prop_map(|number| [&[0xd3][..], &number].concat()),
        any::<[u8; 8]>().prop_map(|number| [&[0xcb][..], &number].concat()),
        any::<[u8; 4]>().prop_map(|number| [&[0xca][..], &number].concat()),
        any::<[u8; 2]>().prop_map(|number| [&[0xd1][..], &number].concat()),
        data().prop_map(move |data| sized(0xd9, data)),
        data().prop_map(move |data| sized(0xc4, data)),
        (any::<u8>(), data()).prop_map(|(kind, data)| [vec![0xc7, data.len() as u8, kind], data].concat()),
    ];
    leaf.prop_recursive(5, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| [
                vec![0xdc, 0, items.len() as u8],
                items.concat()
            ]
            .concat()),
            prop::collection::vec((inner.clone(), inner), 0..6).prop_map(|pairs| {
                let values: Vec<u8> = pairs.iter().flat_map(|(key, value)| [&key[..], value].concat()).collect();
                [vec![0x80 | pairs.len() as u8], values].concat()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_passes_through(value in any_value()) {
        let any: AnyValue = read(&value).unwrap();
        prop_assert_eq!(write(&any), &value[..]);
        if let Ok(text) = Encoding::Json.encode_value(&any) {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok());
        }
    }

    #[test]
    fn another_implementation_reads_and_writes_the_same(value in any_value()) {
        let ours = read::<rmpv::Value>(&value);
        let theirs = rmpv::decode::read_value(&mut &value[..]).unwrap();
        if let Ok(ours) = ours {
            prop_assert_eq!(format!("{ours}"), format!("{theirs}"));
            let mut written = Vec::new();
            rmpv::encode::write_value(&mut written, &ours).unwrap();
            prop_assert_eq!(write(&ours), written);
        }
    }

    #[test]
    fn json_becomes_messagepack_and_json_again(number in any::<i64>(), text in any::<String>(), eighths in any::<i32>()) {
        let value = serde_json::json!({"n": [number, text, f64::from(eighths) / 8.0, null, {"k": true}]});
        let text = value.to_string();
        let packed = write(&Payload::Json(&text).decode::<AnyValue>().unwrap());
        let back: AnyValue = read(&packed).unwrap();
        prop_assert_eq!(json(&back), text);
    }
}

//! Each kind of message in both encodings, both ways, by one table; and any message there and back.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use proptest::prelude::*;
use signalr_proto::framing::Framing;
use signalr_proto::{Arguments, EncodeError, Encoding, HubMessage, Invocation, Outcome, Payload};

/// Name, JSON text, MessagePack as hex with its length prefix. The first of each kind are the vectors of the specification.
const ROWS: &[(&str, &str, &str)] = &[
    (
        "invocation with id",
        r#"{"type":1,"invocationId":"7","target":"Move","arguments":[3,"up"]}"#,
        "10 96 01 80 a137 a44d6f7665 92 03 a27570 90",
    ),
    (
        "invocation without id",
        r#"{"type":1,"target":"Log","arguments":["hi"]}"#,
        "0d 96 01 80 c0 a34c6f67 91 a26869 90",
    ),
    (
        "invocation with upload streams",
        r#"{"type":1,"invocationId":"2","target":"Sum","arguments":[],"streamIds":["0","1"]}"#,
        "0f 96 01 80 a132 a353756d 90 92a130a131",
    ),
    ("stream item", r#"{"type":2,"invocationId":"4","item":[1,2]}"#, "08 94 02 80 a134 920102"),
    ("null stream item", r#"{"type":2,"invocationId":"4","item":null}"#, "06 94 02 80 a134 c0"),
    ("completion with error", r#"{"type":3,"invocationId":"7","error":"no"}"#, "09 95 03 80 a137 01 a26e6f"),
    ("completion of a stream", r#"{"type":3,"invocationId":"7"}"#, "06 94 03 80 a137 02"),
    ("completion of a void call", r#"{"type":3,"invocationId":"7","result":null}"#, "07 95 03 80 a137 03 c0"),
    ("completion with result", r#"{"type":3,"invocationId":"7","result":5}"#, "07 95 03 80 a137 03 05"),
    (
        "stream invocation",
        r#"{"type":4,"invocationId":"8","target":"Tick","arguments":[]}"#,
        "0c 96 04 80 a138 a45469636b 90 90",
    ),
    (
        "stream invocation with upload streams",
        r#"{"type":4,"invocationId":"8","target":"Up","arguments":[1],"streamIds":["9"]}"#,
        "0d 96 04 80 a138 a25570 9101 91a139",
    ),
    ("cancel", r#"{"type":5,"invocationId":"8"}"#, "05 93 05 80 a138"),
    ("ping", r#"{"type":6}"#, "02 91 06"),
    ("close", r#"{"type":7}"#, "04 93 07 c0 c2"),
    ("close with error and reconnect", r#"{"type":7,"error":"bye","allowReconnect":true}"#, "07 93 07 a3627965 c3"),
    ("ack", r#"{"type":8,"sequenceId":300}"#, "05 92 08 cd012c"),
    ("sequence", r#"{"type":9,"sequenceId":7}"#, "03 92 09 07"),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn encode(encoding: Encoding, message: &HubMessage<'_>) -> Vec<u8> {
    let mut out = b"before".to_vec();
    encoding.encode(message, &mut out);
    out.split_off(6)
}

/// A message as it stands on the wire, without what sets it apart.
fn body(encoding: Encoding, wire: &[u8]) -> &[u8] {
    match encoding.framing() {
        Framing::Separator => wire.strip_suffix(b"\x1e").unwrap(),
        Framing::LengthPrefix => &wire[1 + wire.iter().position(|byte| byte & 0x80 == 0).unwrap()..],
    }
}

#[test]
fn each_kind_is_written_as_clients_expect_and_reads_back() {
    for (name, json, hex) in ROWS {
        for (encoding, wire) in
            [(Encoding::Json, format!("{json}\x1e").into_bytes()), (Encoding::MessagePack, bytes(hex))]
        {
            let message = encoding.decode(body(encoding, &wire)).unwrap().unwrap();
            assert_eq!(encode(encoding, &message), wire, "{name}, {encoding:?}");
        }
    }
}

#[test]
fn both_encodings_say_the_same() {
    for (name, json, hex) in ROWS {
        let (binary, text) = (bytes(hex), format!("{json}\x1e"));
        let from_json = Encoding::Json.decode(json.as_bytes()).unwrap().unwrap();
        let from_binary = Encoding::MessagePack.decode(&binary[1..]).unwrap().unwrap();
        assert_eq!(encode(Encoding::MessagePack, &from_json), binary, "{name}: JSON's values as MessagePack");
        assert_eq!(encode(Encoding::Json, &from_binary), text.into_bytes(), "{name}: MessagePack's values as JSON");
    }
}

#[test]
fn kinds_are_told_apart() {
    let id = || Cow::Borrowed("1");
    for encoding in Encoding::ALL.iter().copied() {
        let null = Payload::null(encoding);
        let call = || Invocation {
            invocation_id: Some(id()),
            target: "t".into(),
            arguments: Arguments::new(match encoding {
                Encoding::Json => Payload::Json("[]"),
                _ => Payload::MessagePack(&[0x90]),
            })
            .unwrap(),
            stream_ids: vec!["2".into()],
        };
        for message in [
            HubMessage::Invocation(call()),
            HubMessage::Invocation(Invocation { invocation_id: None, ..call() }),
            HubMessage::StreamItem { invocation_id: id(), item: null },
            HubMessage::Completion { invocation_id: id(), outcome: Outcome::Void },
            HubMessage::Completion { invocation_id: id(), outcome: Outcome::Result(null) },
            HubMessage::Completion { invocation_id: id(), outcome: Outcome::Error("no".into()) },
            HubMessage::StreamInvocation(call()),
            HubMessage::CancelInvocation { invocation_id: id() },
            HubMessage::Ping,
            HubMessage::Close { error: None, allow_reconnect: true },
            HubMessage::Close { error: Some("e".into()), allow_reconnect: false },
            HubMessage::Ack { sequence_id: u64::MAX },
            HubMessage::Sequence { sequence_id: 0 },
        ] {
            let wire = encode(encoding, &message);
            assert_eq!(encoding.decode(body(encoding, &wire)), Ok(Some(message)), "{encoding:?}");
        }
    }
}

type Write<'w> = &'w dyn Fn(&mut Vec<u8>) -> Result<(), EncodeError>;

#[test]
fn messages_with_typed_values_are_those_with_payloads() {
    for encoding in Encoding::ALL.iter().copied() {
        let rows: [(&str, Write<'_>); 5] = [
            ("invocation with id", &|out| encoding.encode_invocation(Some("7"), "Move", &(3, "up"), out)),
            ("invocation without id", &|out| encoding.encode_invocation(None, "Log", &["hi"], out)),
            ("stream item", &|out| encoding.encode_stream_item("4", &[1, 2], out)),
            ("completion of a void call", &|out| encoding.encode_completion("7", &(), out)),
            ("completion with result", &|out| encoding.encode_completion("7", &5_i64, out)),
        ];
        for (name, write) in rows {
            let (_, json, hex) = ROWS.iter().find(|row| row.0 == name).unwrap();
            let mut out = b"before".to_vec();
            write(&mut out).unwrap();
            let expected = if encoding == Encoding::Json { format!("{json}\x1e").into_bytes() } else { bytes(hex) };
            assert_eq!(out[6..], expected, "{name}, {encoding:?}");
        }
        let mut out = Vec::new();
        encoding.encode_invocation(None, "None", &(), &mut out).unwrap();
        let Ok(Some(HubMessage::Invocation(call))) = encoding.decode(body(encoding, &out)) else { panic!() };
        assert_eq!(call.arguments.bind(), Ok(()));
    }
}

#[test]
fn a_message_that_cannot_be_written_leaves_nothing_behind() {
    struct Unwritable;

    impl serde::Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no form"))
        }
    }

    for encoding in Encoding::ALL.iter().copied() {
        let mut out = b"before".to_vec();
        for not_a_sequence in
            [&"text" as &dyn erased::Arguments, &7, &Some(1), &std::collections::BTreeMap::from([(1, 2)])]
        {
            let written = not_a_sequence.invocation(encoding, &mut out);
            assert!(matches!(written, Err(EncodeError::NotASequence)));
        }
        let written = encoding.encode_invocation(None, "a", &(1, Unwritable), &mut out);
        assert_eq!(written.unwrap_err().to_string(), "cannot serialise: no form");
        assert!(encoding.encode_stream_item("1", &Unwritable, &mut out).is_err());
        assert!(encoding.encode_completion("1", &Unwritable, &mut out).is_err());
        assert_eq!(out, b"before", "{encoding:?}");
    }
}

mod erased {
    use super::{EncodeError, Encoding};

    pub(crate) trait Arguments {
        fn invocation(&self, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), EncodeError>;
    }

    impl<T: serde::Serialize> Arguments for T {
        fn invocation(&self, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), EncodeError> {
            encoding.encode_invocation(None, "a", self, out)
        }
    }
}

#[test]
fn values_without_a_form_in_the_other_encoding_leave_a_readable_message() {
    let surrogate = r#"{"type":1,"target":"t","arguments":["\ud800"]}"#;
    let extension = b"\x96\x01\x80\xc0\xa1t\x91\xd4\x05\x00\x90";
    let item = b"\x94\x02\x80\xa11\xd4\x05\x00";
    for (encoding, frame, other, expected) in [
        (Encoding::Json, surrogate.as_bytes(), Encoding::MessagePack, &b"\x08\x96\x01\x80\xc0\xa1t\x90\x90"[..]),
        (Encoding::MessagePack, extension, Encoding::Json, b"{\"type\":1,\"target\":\"t\",\"arguments\":[]}\x1e"),
        (Encoding::MessagePack, item, Encoding::Json, b"{\"type\":2,\"invocationId\":\"1\",\"item\":null}\x1e"),
    ] {
        assert_eq!(encode(other, &encoding.decode(frame).unwrap().unwrap()), expected);
    }
}

#[test]
fn messages_of_any_length_have_the_right_prefix() {
    for length in
        [0, 50, 100, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 130, 16_350, 16_370, 16_390, 70_000]
    {
        let text = "x".repeat(length);
        let mut out = Vec::new();
        Encoding::MessagePack.encode_invocation(None, "t", &(&text,), &mut out).unwrap();
        let frame = body(Encoding::MessagePack, &out);
        let Ok(Some(HubMessage::Invocation(call))) = Encoding::MessagePack.decode(frame) else { panic!("{length}") };
        assert_eq!(call.arguments.bind(), Ok((text,)));
        let prefix = &out[..out.len() - frame.len()];
        let announced = prefix.iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
        assert_eq!(announced, frame.len());
    }
}

/// A value, as its bytes in one encoding.
fn values(encoding: Encoding) -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-1e300..1e300).prop_map(|number: f64| number.into()),
        any::<String>().prop_map(Into::into),
    ];
    let tree = leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    });
    tree.prop_map(move |value| encoding.encode_value(&value).unwrap())
}

fn arrays(encoding: Encoding) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(values(encoding), 0..20).prop_map(move |items| match encoding {
        Encoding::Json => [b"[", &items.join(&b","[..])[..], b"]"].concat(),
        _ => {
            let head = if items.len() < 16 { vec![0x90 | items.len() as u8] } else { vec![0xdc, 0, items.len() as u8] };
            [head, items.concat()].concat()
        }
    })
}

/// What makes up any message: kind, three texts, whether there is an id, a value, an array, stream ids, a number.
type Parts = (u8, (String, String), bool, Vec<u8>, Vec<u8>, Vec<String>, u64);

fn parts(encoding: Encoding) -> impl Strategy<Value = Parts> {
    let texts = ("[^\\x00]{1,40}", any::<String>());
    let ids = prop::collection::vec(any::<String>(), 0..4);
    (0..12_u8, texts, any::<bool>(), values(encoding), arrays(encoding), ids, any::<u64>())
}

fn message(encoding: Encoding, (kind, (id, text), flag, value, array, ids, number): &Parts) -> HubMessage<'_> {
    let invocation_id = || Cow::Borrowed(&**id);
    let call = |has_id| Invocation {
        invocation_id: Some(invocation_id()).filter(|_| has_id),
        target: text.into(),
        arguments: Arguments::new(encoding.payload(array).unwrap()).unwrap(),
        stream_ids: ids.iter().map(Into::into).collect(),
    };
    let value = encoding.payload(value).unwrap();
    let completion = |outcome| HubMessage::Completion { invocation_id: invocation_id(), outcome };
    match kind {
        0 => HubMessage::Ping,
        1 => HubMessage::Invocation(call(*flag)),
        2 => HubMessage::StreamItem { invocation_id: invocation_id(), item: value },
        3 => completion(Outcome::Result(value)),
        4 => HubMessage::StreamInvocation(call(true)),
        5 => HubMessage::CancelInvocation { invocation_id: invocation_id() },
        6 => completion(Outcome::Error(text.into())),
        7 => HubMessage::Close { error: Some(text.into()).filter(|_| number % 2 == 0), allow_reconnect: *flag },
        8 => HubMessage::Ack { sequence_id: *number },
        9 => HubMessage::Sequence { sequence_id: *number },
        _ => completion(Outcome::Void),
    }
}

fn there_and_back(encoding: Encoding, parts: &Parts) -> Result<(), TestCaseError> {
    let message = message(encoding, parts);
    let wire = encode(encoding, &message);
    let read = encoding.decode(body(encoding, &wire));
    prop_assert_eq!(read, Ok(Some(message)));
    Ok(())
}

proptest! {
    #[test]
    fn any_message_is_the_same_after_json(parts in parts(Encoding::Json)) {
        there_and_back(Encoding::Json, &parts)?;
    }

    #[test]
    fn any_message_is_the_same_after_messagepack(parts in parts(Encoding::MessagePack)) {
        there_and_back(Encoding::MessagePack, &parts)?;
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for encoding in Encoding::ALL {
            let _ = encoding.decode(&bytes);
        }
    }

    #[test]
    fn no_spoiled_message_makes_a_decoder_panic(
        parts in parts(Encoding::MessagePack),
        spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for encoding in [Encoding::MessagePack, Encoding::Json] {
            let mut wire = encode(encoding, &message(Encoding::MessagePack, &parts));
            for (at, byte) in &spoils {
                let at = at.index(wire.len());
                wire[at] = *byte;
            }
            if let Ok(Some(HubMessage::Invocation(call))) = encoding.decode(&wire[1..]) {
                let _ = call.arguments.bind::<(serde_json::Value, Option<String>)>();
                let _ = call.arguments.payload().decode::<signalr_proto::value::AnyValue>();
            }
        }
    }
}

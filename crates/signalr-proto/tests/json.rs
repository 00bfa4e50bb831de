//! The JSON encoding as tables: each kind of message in its wire forms, both ways, and what is refused.

#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use proptest::prelude::*;
use signalr_proto::{DecodeError, Encoding, HubMessage, Outcome, Payload};

/// What is written for each message, and reads back as the same.
const CANONICAL: &[(&str, &str)] = &[
    ("invocation without id", r#"{"type":1,"target":"log","arguments":["hi"]}"#),
    ("invocation with id", r#"{"type":1,"invocationId":"7","target":"Move","arguments":[3,"up"]}"#),
    (
        "invocation with upload streams",
        r#"{"type":1,"invocationId":"2","target":"Sum","arguments":[],"streamIds":["0","1"]}"#,
    ),
    ("stream item", r#"{"type":2,"invocationId":"4","item":[1,2]}"#),
    ("null stream item", r#"{"type":2,"invocationId":"4","item":null}"#),
    ("completion with result", r#"{"type":3,"invocationId":"7","result":5}"#),
    ("completion of a call without result", r#"{"type":3,"invocationId":"7","result":null}"#),
    ("completion of a stream", r#"{"type":3,"invocationId":"7"}"#),
    ("completion with error", r#"{"type":3,"invocationId":"7","error":"no"}"#),
    ("stream invocation", r#"{"type":4,"invocationId":"8","target":"Tick","arguments":[]}"#),
    ("cancel", r#"{"type":5,"invocationId":"8"}"#),
    ("ping", r#"{"type":6}"#),
    ("close", r#"{"type":7}"#),
    ("close with error and reconnect", r#"{"type":7,"error":"bye","allowReconnect":true}"#),
    ("ack", r#"{"type":8,"sequenceId":300}"#),
    ("sequence", r#"{"type":9,"sequenceId":7}"#),
];

/// Other ways clients write the same: (as sent, as we would write it).
const ACCEPTED: &[(&str, &str, &str)] = &[
    (
        "arguments before target",
        r#"{"type":1,"arguments":["hi"],"target":"log"}"#,
        r#"{"type":1,"target":"log","arguments":["hi"]}"#,
    ),
    (
        "type last, blanks",
        "{ \"target\" : \"log\",\n\"arguments\" : [ ] , \"type\" : 1 }",
        r#"{"type":1,"target":"log","arguments":[ ]}"#,
    ),
    (
        "unknown members",
        r#"{"type":1,"x":{"target":[1]},"target":"log","arguments":[],"Target":"no"}"#,
        r#"{"type":1,"target":"log","arguments":[]}"#,
    ),
    (
        "headers",
        r#"{"type":1,"headers":{"traceparent":"00-1"},"target":"log","arguments":[]}"#,
        r#"{"type":1,"target":"log","arguments":[]}"#,
    ),
    (
        "an empty id means none",
        r#"{"type":1,"invocationId":"","target":"log","arguments":[]}"#,
        r#"{"type":1,"target":"log","arguments":[]}"#,
    ),
    ("escapes", r#"{"type":1,"target":"\u006cog","arguments":[]}"#, r#"{"type":1,"target":"log","arguments":[]}"#),
    ("the last of equal names counts", r#"{"type":6,"type":5,"invocationId":"1"}"#, r#"{"type":5,"invocationId":"1"}"#),
    ("close with null error", r#"{"type":7,"error":null,"allowReconnect":false}"#, r#"{"type":7}"#),
];

const REFUSED: &[(&str, &str, DecodeError)] = &[
    ("no type", r#"{"target":"a","arguments":[]}"#, DecodeError::Missing("type")),
    ("type not a number", r#"{"type":"1"}"#, wrong("type", "Number")),
    ("type null", r#"{"type":null}"#, wrong("type", "Number")),
    ("no target", r#"{"type":1,"arguments":[]}"#, DecodeError::Missing("target")),
    ("target not a string", r#"{"type":1,"target":3,"arguments":[]}"#, wrong("target", "String")),
    ("target null", r#"{"type":1,"target":null,"arguments":[]}"#, wrong("target", "String")),
    ("id null", r#"{"type":1,"invocationId":null,"target":"a","arguments":[]}"#, wrong("invocationId", "String")),
    ("id a number", r#"{"type":1,"invocationId":4,"target":"a","arguments":[]}"#, wrong("invocationId", "String")),
    ("no arguments", r#"{"type":1,"target":"a"}"#, DecodeError::Missing("arguments")),
    ("arguments an object", r#"{"type":1,"target":"a","arguments":{}}"#, wrong("arguments", "Array")),
    ("arguments null", r#"{"type":1,"target":"a","arguments":null}"#, wrong("arguments", "Array")),
    ("a null stream id", r#"{"type":1,"target":"a","arguments":[],"streamIds":[null]}"#, wrong("streamIds", "String")),
    (
        "stream ids not an array",
        r#"{"type":1,"target":"a","arguments":[],"streamIds":"0"}"#,
        wrong("streamIds", "Array"),
    ),
    (
        "header not a string",
        r#"{"type":1,"target":"a","arguments":[],"headers":{"k":1}}"#,
        wrong("headers", "Object of Strings"),
    ),
    ("item missing", r#"{"type":2,"invocationId":"1"}"#, DecodeError::Missing("item")),
    ("item without id", r#"{"type":2,"item":1}"#, DecodeError::Missing("invocationId")),
    ("completion without id", r#"{"type":3,"result":1}"#, DecodeError::Missing("invocationId")),
    ("result and error", r#"{"type":3,"invocationId":"1","result":1,"error":"x"}"#, DecodeError::ErrorAndResult),
    ("error not a string", r#"{"type":3,"invocationId":"1","error":1}"#, wrong("error", "String")),
    ("stream invocation without id", r#"{"type":4,"target":"a","arguments":[]}"#, DecodeError::Missing("invocationId")),
    ("cancel without id", r#"{"type":5}"#, DecodeError::Missing("invocationId")),
    ("allowReconnect a string", r#"{"type":7,"allowReconnect":"yes"}"#, wrong("allowReconnect", "Boolean")),
    ("ack without number", r#"{"type":8}"#, DecodeError::Missing("sequenceId")),
    ("sequence negative", r#"{"type":9,"sequenceId":-1}"#, wrong("sequenceId", "Number")),
];

const NOT_JSON: &[&str] = &[
    "",
    "hello",
    "[]",
    "1",
    "null",
    "\"text\"",
    "{",
    "{\"type\":6",
    "{\"type\":6}}",
    "{\"type\":6,}",
    "{type:6}",
    "{\"type\":6} x",
    "{\"type\":6}//",
    "{'type':6}",
];

const fn wrong(member: &'static str, expected: &'static str) -> DecodeError {
    DecodeError::WrongType { member, expected }
}

fn decode(text: &str) -> Result<Option<HubMessage<'_>>, DecodeError> {
    Encoding::Json.decode(text.as_bytes())
}

fn encode(message: &HubMessage<'_>) -> String {
    let mut out = Vec::new();
    Encoding::Json.encode(message, &mut out);
    assert_eq!(out.pop(), Some(0x1E), "each message ends with the separator");
    String::from_utf8(out).unwrap()
}

#[test]
fn each_kind_is_written_as_clients_expect_and_reads_back() {
    for (name, text) in CANONICAL {
        let message = decode(text).unwrap().unwrap_or_else(|| panic!("{name} is known"));
        assert_eq!(encode(&message), *text, "{name}");
    }
}

#[test]
fn kinds_are_told_apart() {
    let id = || Cow::Borrowed("1");
    assert_eq!(decode(r#"{"type":6}"#), Ok(Some(HubMessage::Ping)));
    assert_eq!(
        decode(r#"{"type":3,"invocationId":"1"}"#),
        Ok(Some(HubMessage::Completion { invocation_id: id(), outcome: Outcome::Void }))
    );
    assert_eq!(
        decode(r#"{"type":3,"invocationId":"1","result":null}"#),
        Ok(Some(HubMessage::Completion { invocation_id: id(), outcome: Outcome::Result(Payload::Json("null")) }))
    );
    assert_eq!(
        decode(r#"{"type":5,"invocationId":"1"}"#),
        Ok(Some(HubMessage::CancelInvocation { invocation_id: id() }))
    );
    assert!(matches!(
        decode(r#"{"type":4,"invocationId":"1","target":"t","arguments":[]}"#),
        Ok(Some(HubMessage::StreamInvocation(call))) if call.target == "t"
    ));
}

#[test]
fn clients_may_write_the_same_otherwise() {
    for (name, text, canonical) in ACCEPTED {
        assert_eq!(
            decode(text).map(|message| message.map(|message| encode(&message))),
            Ok(Some((*canonical).into())),
            "{name}"
        );
    }
}

#[test]
fn kinds_of_the_future_are_ignored() {
    for text in [r#"{"type":10}"#, r#"{"type":0,"target":1}"#, r#"{"type":-3}"#, r#"{"type":99,"invocationId":"x"}"#] {
        assert_eq!(decode(text), Ok(None), "{text}");
    }
}

#[test]
fn what_breaks_the_protocol_is_refused_with_its_reason() {
    for (name, text, error) in REFUSED {
        assert_eq!(decode(text), Err(error.clone()), "{name}");
    }
    for text in NOT_JSON {
        assert!(matches!(decode(text), Err(DecodeError::Malformed(_))), "{text}");
    }
    assert!(matches!(Encoding::Json.decode(b"{\"type\":1,\"target\":\"\xff\"}"), Err(DecodeError::Malformed(_))));
}

#[test]
fn nesting_is_bounded_and_brackets_in_strings_do_not_count() {
    let nested = |levels: usize| {
        format!(r#"{{"type":1,"target":"a","arguments":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
    };
    assert!(decode(&nested(63)).is_ok(), "64 levels with the message itself");
    assert_eq!(decode(&nested(64)), Err(DecodeError::TooDeep(64)));
    let text = format!(r#"{{"type":1,"target":"a","arguments":["\"{}"]}}"#, "[".repeat(100));
    assert!(decode(&text).is_ok());
}

#[test]
fn typed_arguments_and_results_are_written_in_place() {
    let mut out = Vec::new();
    Encoding::Json.encode_invocation(None, "Add", &(1, "two"), &mut out).unwrap();
    Encoding::Json.encode_invocation(Some("s1"), "None", &(), &mut out).unwrap();
    let expected = "{\"type\":1,\"target\":\"Add\",\"arguments\":[1,\"two\"]}\x1e\
                    {\"type\":1,\"invocationId\":\"s1\",\"target\":\"None\",\"arguments\":[]}\x1e";
    assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
    assert!(Encoding::Json.encode_invocation(None, "Bad", &"not a sequence", &mut out).is_err());
    assert_eq!(out.len(), expected.len(), "a failed message leaves nothing behind");
}

fn messages() -> impl Strategy<Value = String> {
    let text = || any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
    let id = || prop::option::of("[^\\x00]{1,8}".prop_map(|id: String| serde_json::to_string(&id).unwrap()));
    let value = || {
        prop_oneof![
            text(),
            any::<i64>().prop_map(|n| n.to_string()),
            Just("null".to_owned()),
            Just("{\"a\":[1]}".to_owned())
        ]
    };
    prop_oneof![
        (id(), text(), prop::collection::vec(value(), 0..4)).prop_map(|(id, target, arguments)| {
            let id = id.map(|id| format!("\"invocationId\":{id},")).unwrap_or_default();
            format!("{{\"type\":1,{id}\"target\":{target},\"arguments\":[{}]}}", arguments.join(","))
        }),
        (text(), value()).prop_map(|(id, item)| format!("{{\"type\":2,\"invocationId\":{id},\"item\":{item}}}")),
        (text(), value()).prop_map(|(id, result)| format!("{{\"type\":3,\"invocationId\":{id},\"result\":{result}}}")),
        (text(), text()).prop_map(|(id, error)| format!("{{\"type\":3,\"invocationId\":{id},\"error\":{error}}}")),
        text().prop_map(|id| format!("{{\"type\":5,\"invocationId\":{id}}}")),
        Just("{\"type\":6}".to_owned()),
        any::<u64>().prop_map(|id| format!("{{\"type\":8,\"sequenceId\":{id}}}")),
    ]
}

proptest! {
    #[test]
    fn encode_then_decode_is_the_identity(text in messages()) {
        let message = decode(&text).unwrap().unwrap();
        let written = encode(&message);
        prop_assert_eq!(decode(&written).unwrap().unwrap(), message);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Encoding::Json.decode(&bytes);
    }
}

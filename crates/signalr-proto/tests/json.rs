//! What is JSON's own: other ways clients write a message, and what is refused. `messages.rs` has what is common.

#![allow(clippy::unwrap_used)]

use signalr_proto::{DecodeError, Encoding, HubMessage};

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
}

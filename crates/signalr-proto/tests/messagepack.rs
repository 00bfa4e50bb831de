//! What is MessagePack's own: other ways clients write a message, what is refused, and the bounds of what is read.
//! `messages.rs` has what is common.

#![allow(clippy::unwrap_used)]

use signalr_proto::encoding::Fault;
use signalr_proto::{DecodeError, Encoding, HubMessage, Payload};

/// Other ways clients write the same: (name, as sent, as we write it), without length prefixes.
const ACCEPTED: &[(&str, &str, &str)] = &[
    (
        "invocation of an older client, without stream ids",
        "95 01 80 a137 a44d6f7665 92 03 a27570",
        "96 01 80 a137 a44d6f7665 92 03 a27570 90",
    ),
    ("headers", "96 01 81a16ba176 a132 a353756d 90 92a130a131", "96 01 80 a132 a353756d 90 92a130a131"),
    ("an empty id means none", "96 01 80 a0 a161 90 90", "96 01 80 c0 a161 90 90"),
    ("stream invocation without stream ids", "95 04 80 a131 a161 90", "96 04 80 a131 a161 90 90"),
    ("invocation longer than any yet", "98 01 80 c0 a161 90 90 81a161c0 07", "96 01 80 c0 a161 90 90"),
    ("item longer than any yet", "95 02 80 a131 05 c7020500ff", "94 02 80 a131 05"),
    ("completion longer than any yet", "96 03 80 a131 03 05 c0", "95 03 80 a131 03 05"),
    ("void completion with a value", "95 03 80 a131 02 c0", "94 03 80 a131 02"),
    ("cancel longer than any yet", "94 05 80 a131 c0", "93 05 80 a131"),
    ("ping longer than any yet", "92 06 80", "91 06"),
    ("close as JavaScript writes it", "92 07 c0", "93 07 c0 c2"),
    ("close longer than any yet", "94 07 a178 c3 c0", "93 07 a178 c3"),
    ("ack longer than any yet", "93 08 01 01", "92 08 01"),
    ("kinds and numbers of any width", "dc0002 d20000000a 01", ""),
    ("a type in 64 bits", "91 d30000000000000006", "91 06"),
    ("a result kind in 16 bits", "95 03 80 a131 cd0003 05", "95 03 80 a131 03 05"),
    ("a sequence number in 64 bits", "92 08 cf000000000000012c", "92 08 cd012c"),
    ("an array in 32 bits", "dd00000001 06", "91 06"),
    ("texts in 8, 16 and 32 bits", "96 01 de0000 d90137 da000161 90 91db0000000130", "96 01 80 a137 a161 90 91a130"),
    (
        "values as they came",
        "94 02 80 a131 df00000001 cd0001 d6ff00000000",
        "94 02 80 a131 df00000001 cd0001 d6ff00000000",
    ),
    ("a type of the future", "92 0a c0", ""),
    ("type 0", "91 00", ""),
    ("a negative type", "92 ff c0", ""),
];

const REFUSED: &[(&str, &str, DecodeError)] = &[
    ("nothing", "", DecodeError::MessagePack(Fault::CutOff)),
    ("no array", "80", wrong("message", "Array")),
    ("nil", "c0", wrong("message", "Array")),
    ("no type", "90", DecodeError::Missing("type")),
    ("type not a number", "91 a131", wrong("type", "Number")),
    ("type nil", "91 c0", wrong("type", "Number")),
    ("type a float", "91 cb3ff0000000000000", wrong("type", "Number")),
    ("no headers", "91 01", DecodeError::Missing("headers")),
    ("headers nil", "96 01 c0 c0 a161 90 90", wrong("headers", "Object of Strings")),
    ("header not a string", "96 01 81a16b01 c0 a161 90 90", wrong("headers", "Object of Strings")),
    ("header nil", "96 01 81a16bc0 c0 a161 90 90", wrong("headers", "Object of Strings")),
    ("header name not a string", "96 01 8101a16b c0 a161 90 90", wrong("headers", "Object of Strings")),
    ("id a number", "96 01 80 07 a161 90 90", wrong("invocationId", "String")),
    ("id not UTF-8", "96 01 80 a1ff a161 90 90", wrong("invocationId", "String")),
    ("no target", "93 01 80 c0", DecodeError::Missing("target")),
    ("target not a string", "96 01 80 c0 03 90 90", wrong("target", "String")),
    ("target bytes", "96 01 80 c0 c40161 90 90", wrong("target", "String")),
    ("target nil", "96 01 80 c0 c0 90 90", wrong("target", "String")),
    ("target not UTF-8", "96 01 80 c0 a1ff 90 90", wrong("target", "String")),
    ("no arguments", "94 01 80 c0 a161", DecodeError::Missing("arguments")),
    ("arguments a map", "96 01 80 c0 a161 80 90", wrong("arguments", "Array")),
    ("arguments nil", "96 01 80 c0 a161 c0 90", wrong("arguments", "Array")),
    ("arguments bytes", "96 01 80 c0 a161 c400 90", wrong("arguments", "Array")),
    ("stream ids nil", "96 01 80 c0 a161 90 c0", wrong("streamIds", "Array")),
    ("a nil stream id", "96 01 80 c0 a161 90 91c0", wrong("streamIds", "String")),
    ("no item", "93 02 80 a131", DecodeError::Missing("item")),
    ("item without id", "94 02 80 c0 01", wrong("invocationId", "String")),
    ("completion without id", "94 03 80 c0 02", wrong("invocationId", "String")),
    ("no result kind", "93 03 80 a131", DecodeError::Missing("resultKind")),
    ("result kind 0", "95 03 80 a131 00 c0", DecodeError::ResultKind),
    ("result kind 4", "95 03 80 a131 04 c0", DecodeError::ResultKind),
    ("result kind negative", "95 03 80 a131 ff c0", DecodeError::ResultKind),
    ("result kind a text", "95 03 80 a131 a131 c0", wrong("resultKind", "Number")),
    ("no error", "94 03 80 a131 01", DecodeError::Missing("error")),
    ("error nil", "95 03 80 a131 01 c0", wrong("error", "String")),
    ("no result", "94 03 80 a131 03", DecodeError::Missing("result")),
    ("stream invocation without id", "96 04 80 c0 a161 90 90", wrong("invocationId", "String")),
    ("cancel without id", "92 05 80", DecodeError::Missing("invocationId")),
    ("close without error", "91 07", DecodeError::Missing("error")),
    ("close with a number", "93 07 01 c2", wrong("error", "String")),
    ("allowReconnect nil", "93 07 c0 c0", wrong("allowReconnect", "Boolean")),
    ("ack without number", "91 08", DecodeError::Missing("sequenceId")),
    ("sequence negative", "92 09 ff", wrong("sequenceId", "Number")),
    ("sequence a float", "92 09 ca3f800000", wrong("sequenceId", "Number")),
    ("more behind the message", "91 06 c0", DecodeError::MessagePack(Fault::Trailing)),
    ("a message longer than its elements", "93 06 80", DecodeError::MessagePack(Fault::CutOff)),
    ("an argument cut off", "96 01 80 c0 a161 92 01", DecodeError::MessagePack(Fault::CutOff)),
    ("no value at all", "94 02 80 a131 c1", DecodeError::MessagePack(Fault::Reserved)),
    ("no value deep inside", "96 01 80 c0 a161 91 81a161c1 90", DecodeError::MessagePack(Fault::Reserved)),
    ("a broken message of the future", "92 0a a561", DecodeError::MessagePack(Fault::CutOff)),
    ("an array longer than the data", "96 01 80 c0 a161 ddffffffff 01", DecodeError::MessagePack(Fault::CutOff)),
    ("a map longer than the data", "94 02 80 a131 df7fffffff 0101", DecodeError::MessagePack(Fault::CutOff)),
    ("a text longer than the data", "94 02 80 a131 dbffffffff 61", DecodeError::MessagePack(Fault::CutOff)),
    ("bytes longer than the data", "94 02 80 a131 c6ffffffff 61", DecodeError::MessagePack(Fault::CutOff)),
    ("an extension longer than the data", "94 02 80 a131 c9ffffffff 01 61", DecodeError::MessagePack(Fault::CutOff)),
    ("more stream ids than data", "96 01 80 c0 a161 90 ddffffffff", DecodeError::MessagePack(Fault::CutOff)),
    ("more headers than data", "96 01 dfffffffff c0 a161 90", DecodeError::MessagePack(Fault::CutOff)),
];

const fn wrong(member: &'static str, expected: &'static str) -> DecodeError {
    DecodeError::WrongType { member, expected }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn decode(frame: &[u8]) -> Result<Option<HubMessage<'_>>, DecodeError> {
    Encoding::MessagePack.decode(frame)
}

#[test]
fn clients_may_write_the_same_otherwise() {
    for (name, sent, canonical) in ACCEPTED {
        let sent = bytes(sent);
        let message = decode(&sent).unwrap_or_else(|error| panic!("{name}: {error}"));
        let written = message.map(|message| {
            let mut out = Vec::new();
            Encoding::MessagePack.encode(&message, &mut out);
            out.split_off(1)
        });
        assert_eq!(written.unwrap_or_default(), bytes(canonical), "{name}");
    }
}

#[test]
fn what_breaks_the_protocol_is_refused_with_its_reason() {
    for (name, frame, error) in REFUSED {
        assert_eq!(decode(&bytes(frame)), Err(error.clone()), "{name}");
    }
}

#[test]
fn every_message_cut_off_anywhere_is_refused() {
    for (_, sent, _) in ACCEPTED {
        let sent = bytes(sent);
        for end in 0..sent.len() {
            assert!(decode(&sent[..end]).is_err(), "{sent:x?} up to {end}");
        }
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| {
        let arguments = [vec![0x91; levels - 1], vec![0x90]].concat();
        [&bytes("96 01 80 c0 a161")[..], &arguments, &[0x90]].concat()
    };
    let deepest = nested(63);
    let Ok(Some(HubMessage::Invocation(call))) = decode(&deepest) else { panic!("64 levels with the message itself") };
    assert!(call.arguments.bind::<(serde_json::Value,)>().is_ok());
    assert_eq!(decode(&nested(64)), Err(DecodeError::TooDeep(64)));
    assert_eq!(decode(&nested(1_000_000)), Err(DecodeError::TooDeep(64)), "and the stack holds");
    let maps = [bytes("94 02 80 a131"), [0x81, 1].repeat(1_000_000), vec![0xc0]].concat();
    assert_eq!(decode(&maps), Err(DecodeError::TooDeep(64)));
    let future = [bytes("92 0a"), vec![0x91; 1_000_000], vec![0xc0]].concat();
    assert_eq!(decode(&future), Err(DecodeError::TooDeep(64)));
}

#[test]
fn a_payload_nobody_checked_does_not_overflow_the_stack_either() {
    let deep = [vec![0x91; 1_000_000], vec![0xc0]].concat();
    let payload = Payload::MessagePack(&deep);
    assert!(payload.decode::<serde_json::Value>().is_err());
    assert!(payload.decode::<serde::de::IgnoredAny>().is_err());
    assert!(payload.decode::<signalr_proto::value::AnyValue>().is_err());
    assert!(payload.decode::<Box<serde_json::value::RawValue>>().is_err());
    let mut converted = Vec::new();
    Encoding::Json.encode(&HubMessage::StreamItem { invocation_id: "1".into(), item: payload }, &mut converted);
    assert_eq!(converted, b"{\"type\":2,\"invocationId\":\"1\",\"item\":null}\x1e");
    let json = "[".repeat(100_000);
    assert!(Payload::Json(&json).decode::<serde_json::Value>().is_err());
}

#[test]
fn texts_are_borrowed() {
    let frame = bytes("96 01 80 a137 a44d6f7665 92 03 a27570 91a130");
    let Ok(Some(HubMessage::Invocation(call))) = decode(&frame) else { panic!("an invocation") };
    let range = frame.as_ptr_range();
    let Payload::MessagePack(arguments) = call.arguments.payload() else { panic!("in its encoding") };
    for part in
        [call.target.as_ptr(), call.invocation_id.unwrap().as_ptr(), call.stream_ids[0].as_ptr(), arguments.as_ptr()]
    {
        assert!(range.contains(&part));
    }
    assert_eq!(Payload::MessagePack(&frame[12..15]).decode::<&str>().unwrap(), "up");
}

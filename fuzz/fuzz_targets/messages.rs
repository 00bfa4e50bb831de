//! Any bytes as a message in one encoding: what is read is written and read again as the same, its values bind or say why
//! not, and what passes through does so untouched.

use serde_json::value::RawValue;
use signalr_proto::framing::Framing;
use signalr_proto::value::{AnyValue, Binary, Timestamp};
use signalr_proto::{Encoding, HubMessage, Outcome, Payload};

pub fn read(encoding: Encoding, frame: &[u8]) {
    let Ok(Some(message)) = encoding.decode(frame) else { return };
    let written = write(encoding, &message);
    // A stream invocation with an empty id, which the other side takes for none.
    let has_no_id = matches!(&message, HubMessage::StreamInvocation(call) if call.invocation_id.is_none());
    if !has_no_id {
        assert_eq!(encoding.decode(body(encoding, &written)), Ok(Some(message.clone())));
    }
    for other in Encoding::ALL {
        let converted = write(*other, &message);
        assert!(has_no_id || matches!(other.decode(body(*other, &converted)), Ok(Some(_))));
    }
    match &message {
        HubMessage::Invocation(call) | HubMessage::StreamInvocation(call) => {
            let _ = call.arguments.bind::<(String, Option<i64>, f64)>();
            let _ = call.arguments.bind::<(Binary,)>();
            let _ = call.arguments.bind::<(Timestamp, serde_json::Value)>();
            let _ = call.arguments.bind::<(AnyValue, Box<RawValue>)>();
            value(call.arguments.payload());
        }
        HubMessage::StreamItem { item, .. } => value(*item),
        HubMessage::Completion { outcome: Outcome::Result(result), .. } => value(*result),
        _ => {}
    }
}

fn value(payload: Payload<'_>) {
    let _ = payload.decode::<serde_json::Value>();
    let _ = payload.decode::<Timestamp>();
    let _ = payload.decode::<Vec<u8>>();
    let any: AnyValue = payload.decode().expect("the value of a message is any value");
    assert_eq!(any.payload(), payload);
    let again = payload.encoding().encode_value(&any).expect("the same encoding");
    assert_eq!(payload.encoding().payload(&again), Ok(payload));
}

fn write(encoding: Encoding, message: &HubMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encoding.encode(message, &mut out);
    out
}

fn body(encoding: Encoding, wire: &[u8]) -> &[u8] {
    match encoding.framing() {
        Framing::Separator => &wire[..wire.len() - 1],
        Framing::LengthPrefix => {
            let prefix = 1 + wire.iter().position(|byte| byte & 0x80 == 0).expect("a prefix ends");
            &wire[prefix..]
        }
    }
}

//! `HubMessage` → JSON text, as ASP.NET Core writes it: optional members left out, never null.

use serde::Serialize;

use crate::encoding::messagepack::to_json;
use crate::encoding::{EncodeError, ValueError};
use crate::framing::RECORD_SEPARATOR;
use crate::message::{HubMessage, Invocation, Outcome};
use crate::payload::Payload;

/// Appends one whole message, separator included.
pub fn encode(message: &HubMessage<'_>, out: &mut Vec<u8>) {
    match message {
        HubMessage::Invocation(call) => write_call(1, call, out),
        HubMessage::StreamItem { invocation_id, item } => {
            begin(2, Some(invocation_id), out);
            write_member("item", *item, out);
        }
        HubMessage::Completion { invocation_id, outcome } => {
            begin(3, Some(invocation_id), out);
            match outcome {
                Outcome::Result(value) => write_member("result", *value, out),
                Outcome::Error(error) => write_text("error", error, out),
                Outcome::Void => {}
            }
        }
        HubMessage::StreamInvocation(call) => write_call(4, call, out),
        HubMessage::CancelInvocation { invocation_id } => begin(5, Some(invocation_id), out),
        HubMessage::Ping => begin(6, None, out),
        HubMessage::Close { error, allow_reconnect } => {
            begin(7, None, out);
            if let Some(error) = error {
                write_text("error", error, out);
            }
            if *allow_reconnect {
                out.extend_from_slice(b",\"allowReconnect\":true");
            }
        }
        HubMessage::Ack { sequence_id } => write_sequence(8, *sequence_id, out),
        HubMessage::Sequence { sequence_id } => write_sequence(9, *sequence_id, out),
    }
    end(out);
}

/// Appends an invocation with typed arguments; see [`Encoding::encode_invocation`](crate::Encoding::encode_invocation).
pub fn encode_invocation<A: Serialize + ?Sized>(
    invocation_id: Option<&str>,
    target: &str,
    arguments: &A,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = out.len();
    begin(1, invocation_id, out);
    write_text("target", target, out);
    out.extend_from_slice(b",\"arguments\":");
    let written = write_arguments(arguments, out);
    match written {
        Ok(()) => end(out),
        Err(_) => out.truncate(start),
    }
    written
}

/// Appends a stream item; see [`Encoding::encode_stream_item`](crate::Encoding::encode_stream_item).
pub fn encode_stream_item<T: Serialize + ?Sized>(
    invocation_id: &str,
    item: &T,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    encode_with_value((2, invocation_id), ("item", item), out)
}

/// Appends a completion with a result; see [`Encoding::encode_completion`](crate::Encoding::encode_completion).
pub fn encode_completion<T: Serialize + ?Sized>(
    invocation_id: &str,
    result: &T,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    encode_with_value((3, invocation_id), ("result", result), out)
}

fn encode_with_value<T: Serialize + ?Sized>(
    (kind, invocation_id): (u8, &str),
    (member, value): (&str, &T),
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = out.len();
    begin(kind, Some(invocation_id), out);
    write_name(member, out);
    match serde_json::to_writer(&mut *out, value) {
        Ok(()) => {
            end(out);
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(ValueError::from(error).into())
        }
    }
}

/// Appends a JSON string.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a string always serialises, and a Vec takes every write");
}

fn write_call(kind: u8, call: &Invocation<'_>, out: &mut Vec<u8>) {
    begin(kind, call.invocation_id.as_deref(), out);
    write_text("target", &call.target, out);
    write_name("arguments", out);
    write_payload(call.arguments.payload(), b"[]", out);
    if !call.stream_ids.is_empty() {
        out.extend_from_slice(b",\"streamIds\":[");
        for (index, id) in call.stream_ids.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_string(id, out);
        }
        out.push(b']');
    }
}

fn write_arguments<A: Serialize + ?Sized>(arguments: &A, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    serde_json::to_writer(&mut *out, arguments).map_err(ValueError::from)?;
    match &out[start..] {
        [b'[', ..] => Ok(()),
        b"null" => {
            out.truncate(start);
            out.extend_from_slice(b"[]");
            Ok(())
        }
        _ => Err(EncodeError::NotASequence),
    }
}

fn write_sequence(kind: u8, sequence_id: u64, out: &mut Vec<u8>) {
    begin(kind, None, out);
    out.extend_from_slice(b",\"sequenceId\":");
    out.extend_from_slice(sequence_id.to_string().as_bytes());
}

fn begin(kind: u8, invocation_id: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":");
    out.push(b'0' + kind);
    if let Some(id) = invocation_id {
        write_text("invocationId", id, out);
    }
}

fn write_text(member: &str, text: &str, out: &mut Vec<u8>) {
    write_name(member, out);
    write_string(text, out);
}

fn write_member(member: &str, value: Payload<'_>, out: &mut Vec<u8>) {
    write_name(member, out);
    write_payload(value, b"null", out);
}

/// Writes a value, or what stands for one that has no form in JSON.
fn write_payload(value: Payload<'_>, otherwise: &[u8], out: &mut Vec<u8>) {
    match value {
        Payload::Json(text) => out.extend_from_slice(text.as_bytes()),
        Payload::MessagePack(bytes) => {
            let start = out.len();
            if to_json(bytes, out).is_err() {
                out.truncate(start);
                out.extend_from_slice(otherwise);
            }
        }
    }
}

fn write_name(member: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(member.as_bytes());
    out.extend_from_slice(b"\":");
}

fn end(out: &mut Vec<u8>) {
    out.push(b'}');
    out.push(RECORD_SEPARATOR);
}

//! `HubMessage` → MessagePack array behind its length, as ASP.NET Core writes it: headers always there and empty, an
//! invocation with all six elements, a Close with all three.

use serde::Serialize;

use super::read::{Reader, Token};
use super::{from_json, write, write_value};
use crate::encoding::{EncodeError, ValueError};
use crate::framing::{LengthPrefix, MAX_BODY};
use crate::message::{HubMessage, Invocation, Outcome};
use crate::payload::Payload;

/// Appends one whole message, length prefix included.
pub fn encode(message: &HubMessage<'_>, out: &mut Vec<u8>) {
    let body = Body::begin(out);
    match message {
        HubMessage::Invocation(call) => write_call(1, call, out),
        HubMessage::StreamItem { invocation_id, item } => {
            begin(4, 2, Some(invocation_id), out);
            write_payload(*item, NIL, out);
        }
        HubMessage::Completion { invocation_id, outcome } => write_completion(invocation_id, outcome, out),
        HubMessage::StreamInvocation(call) => write_call(4, call, out),
        HubMessage::CancelInvocation { invocation_id } => begin(3, 5, Some(invocation_id), out),
        HubMessage::Ping => out.extend_from_slice(&[0x91, 6]),
        HubMessage::Close { error, allow_reconnect } => {
            out.extend_from_slice(&[0x93, 7]);
            write_id(error.as_deref(), out);
            write::boolean(*allow_reconnect, out);
        }
        HubMessage::Ack { sequence_id } => write_sequence(8, *sequence_id, out),
        HubMessage::Sequence { sequence_id } => write_sequence(9, *sequence_id, out),
    }
    body.end(out);
}

/// Appends an invocation with typed arguments; see [`Encoding::encode_invocation`](crate::Encoding::encode_invocation).
pub fn encode_invocation<A: Serialize + ?Sized>(
    invocation_id: Option<&str>,
    target: &str,
    arguments: &A,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let body = Body::begin(out);
    begin(6, 1, invocation_id, out);
    write::text(target, out);
    let written = write_arguments(arguments, out);
    // No stream ids.
    out.push(EMPTY_ARRAY);
    body.end_if(written, out)
}

/// Appends a stream item; see [`Encoding::encode_stream_item`](crate::Encoding::encode_stream_item).
pub fn encode_stream_item<T: Serialize + ?Sized>(
    invocation_id: &str,
    item: &T,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let body = Body::begin(out);
    begin(4, 2, Some(invocation_id), out);
    let written = write_value(item, out).map_err(EncodeError::from);
    body.end_if(written, out)
}

/// Appends a completion with a result; see [`Encoding::encode_completion`](crate::Encoding::encode_completion).
pub fn encode_completion<T: Serialize + ?Sized>(
    invocation_id: &str,
    result: &T,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let body = Body::begin(out);
    begin(5, 3, Some(invocation_id), out);
    out.push(RESULT);
    let written = write_value(result, out).map_err(EncodeError::from);
    body.end_if(written, out)
}

/// A message under way: one byte is kept for its length, which is enough for most; longer ones are moved once.
struct Body {
    start: usize,
}

impl Body {
    fn begin(out: &mut Vec<u8>) -> Self {
        Self { start: write::open(out) }
    }

    fn end(self, out: &mut Vec<u8>) {
        let prefix = LengthPrefix::of(out.len() - self.start - 1);
        write::put_head(self.start, prefix.as_bytes(), out);
    }

    /// Takes it back if there was an error.
    fn end_if(self, written: Result<(), EncodeError>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let written = written.and_then(|()| match out.len() - self.start - 1 {
            0..=MAX_BODY => Ok(()),
            _ => Err(ValueError::new("a message holds no more than 2 GiB").into()),
        });
        match written {
            Ok(()) => self.end(out),
            Err(_) => out.truncate(self.start),
        }
        written
    }
}

fn write_arguments<A: Serialize + ?Sized>(arguments: &A, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    write_value(arguments, out)?;
    match Reader::new(&out[start..]).peek() {
        Ok(Token::Array(_)) => Ok(()),
        Ok(Token::Nil) => {
            out[start] = EMPTY_ARRAY;
            Ok(())
        }
        _ => Err(EncodeError::NotASequence),
    }
}

fn write_call(kind: u8, call: &Invocation<'_>, out: &mut Vec<u8>) {
    begin(6, kind, call.invocation_id.as_deref(), out);
    write::text(&call.target, out);
    write_payload(call.arguments.payload(), EMPTY_ARRAY, out);
    write::array_head(call.stream_ids.len() as u32, out);
    for id in &call.stream_ids {
        write::text(id, out);
    }
}

fn write_completion(invocation_id: &str, outcome: &Outcome<'_>, out: &mut Vec<u8>) {
    begin(if *outcome == Outcome::Void { 4 } else { 5 }, 3, Some(invocation_id), out);
    match outcome {
        Outcome::Error(error) => {
            out.push(ERROR);
            write::text(error, out);
        }
        Outcome::Void => out.push(VOID),
        Outcome::Result(value) => {
            out.push(RESULT);
            write_payload(*value, NIL, out);
        }
    }
}

fn write_sequence(kind: u8, sequence_id: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x92, kind]);
    write::unsigned(sequence_id, out);
}

/// Writes what all messages about a call begin with; the array has `count` elements, at most 15.
fn begin(count: u8, kind: u8, invocation_id: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x90 | count, kind, 0x80]);
    write_id(invocation_id, out);
}

fn write_id(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) => write::text(text, out),
        None => write::nil(out),
    }
}

/// Writes a value, or what stands for one that has no form in MessagePack.
fn write_payload(value: Payload<'_>, otherwise: u8, out: &mut Vec<u8>) {
    match value {
        Payload::MessagePack(bytes) => out.extend_from_slice(bytes),
        Payload::Json(text) => {
            let start = out.len();
            if from_json(text, out).is_err() {
                out.truncate(start);
                out.push(otherwise);
            }
        }
    }
}

const NIL: u8 = 0xc0;
const EMPTY_ARRAY: u8 = 0x90;

const ERROR: u8 = 1;
const VOID: u8 = 2;
const RESULT: u8 = 3;

//! JSON text → `HubMessage`. Members come in any order, unknown ones and unknown types are ignored.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::encoding::{DecodeError, MAX_DEPTH};
use crate::message::{HubMessage, Invocation, Outcome};
use crate::payload::{Arguments, Payload};

/// Reads one frame, without its separator; `None` for a type number of the future.
pub fn decode(frame: &[u8]) -> Result<Option<HubMessage<'_>>, DecodeError> {
    if is_too_deep(frame) {
        return Err(DecodeError::TooDeep(MAX_DEPTH));
    }
    let members: Members<'_> =
        serde_json::from_slice(frame).map_err(|error| DecodeError::Malformed(error.to_string()))?;
    members.check_headers()?;
    Ok(Some(match members.message_type()? {
        1 => HubMessage::Invocation(members.invocation()?),
        2 => HubMessage::StreamItem {
            invocation_id: members.required_id()?,
            item: Payload::Json(members.item.ok_or(DecodeError::Missing("item"))?.get()),
        },
        3 => members.completion()?,
        4 => {
            members.required_id()?;
            HubMessage::StreamInvocation(members.invocation()?)
        }
        5 => HubMessage::CancelInvocation { invocation_id: members.required_id()? },
        6 => HubMessage::Ping,
        7 => members.close()?,
        8 => HubMessage::Ack { sequence_id: members.sequence_id()? },
        9 => HubMessage::Sequence { sequence_id: members.sequence_id()? },
        _ => return Ok(None),
    }))
}

/// All members that any message has, each as the text it came as. The last of equal names counts.
#[derive(Default)]
struct Members<'a> {
    kind: Option<&'a RawValue>,
    invocation_id: Option<&'a RawValue>,
    target: Option<&'a RawValue>,
    arguments: Option<&'a RawValue>,
    stream_ids: Option<&'a RawValue>,
    headers: Option<&'a RawValue>,
    item: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
    allow_reconnect: Option<&'a RawValue>,
    sequence_id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Member {
    Type,
    InvocationId,
    Target,
    Arguments,
    StreamIds,
    Headers,
    Item,
    Result,
    Error,
    AllowReconnect,
    SequenceId,
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Members::default();
                while let Some(member) = map.next_key::<Member>()? {
                    let slot = match member {
                        Member::Type => &mut members.kind,
                        Member::InvocationId => &mut members.invocation_id,
                        Member::Target => &mut members.target,
                        Member::Arguments => &mut members.arguments,
                        Member::StreamIds => &mut members.stream_ids,
                        Member::Headers => &mut members.headers,
                        Member::Item => &mut members.item,
                        Member::Result => &mut members.result,
                        Member::Error => &mut members.error,
                        Member::AllowReconnect => &mut members.allow_reconnect,
                        Member::SequenceId => &mut members.sequence_id,
                        Member::Unknown => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    *slot = Some(map.next_value()?);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'a> Members<'a> {
    fn message_type(&self) -> Result<i64, DecodeError> {
        let kind = self.kind.ok_or(DecodeError::Missing("type"))?;
        typed(kind, "type", "Number")
    }

    fn invocation(&self) -> Result<Invocation<'a>, DecodeError> {
        let arguments = self.arguments.ok_or(DecodeError::Missing("arguments"))?.get();
        let arguments = Arguments::new(Payload::Json(arguments))
            .ok_or(DecodeError::WrongType { member: "arguments", expected: "Array" })?;
        Ok(Invocation {
            invocation_id: self.id()?.filter(|id| !id.is_empty()),
            target: text(self.target.ok_or(DecodeError::Missing("target"))?, "target")?,
            arguments,
            stream_ids: self.stream_ids()?,
        })
    }

    fn completion(&self) -> Result<HubMessage<'a>, DecodeError> {
        let outcome = match (self.result, self.error) {
            (Some(_), Some(_)) => return Err(DecodeError::ErrorAndResult),
            (Some(result), None) => Outcome::Result(Payload::Json(result.get())),
            (None, Some(error)) => Outcome::Error(text(error, "error")?),
            (None, None) => Outcome::Void,
        };
        Ok(HubMessage::Completion { invocation_id: self.required_id()?, outcome })
    }

    fn close(&self) -> Result<HubMessage<'a>, DecodeError> {
        let error = match self.error {
            Some(error) if error.get() != "null" => Some(text(error, "error")?),
            _ => None,
        };
        let allow_reconnect = match self.allow_reconnect {
            Some(value) => typed(value, "allowReconnect", "Boolean")?,
            None => false,
        };
        Ok(HubMessage::Close { error, allow_reconnect })
    }

    fn id(&self) -> Result<Option<Cow<'a, str>>, DecodeError> {
        self.invocation_id.map(|id| text(id, "invocationId")).transpose()
    }

    fn required_id(&self) -> Result<Cow<'a, str>, DecodeError> {
        self.id()?.ok_or(DecodeError::Missing("invocationId"))
    }

    fn sequence_id(&self) -> Result<u64, DecodeError> {
        let id = self.sequence_id.ok_or(DecodeError::Missing("sequenceId"))?;
        typed(id, "sequenceId", "Number")
    }

    fn stream_ids(&self) -> Result<Vec<Cow<'a, str>>, DecodeError> {
        let Some(ids) = self.stream_ids else {
            return Ok(Vec::new());
        };
        let ids: Vec<&RawValue> = typed(ids, "streamIds", "Array")?;
        ids.into_iter().map(|id| text(id, "streamIds")).collect()
    }

    /// Headers carry nothing the server needs yet, but a wrong one is the peer's fault all the same.
    fn check_headers(&self) -> Result<(), DecodeError> {
        struct Headers;

        impl<'de> Visitor<'de> for Headers {
            type Value = ();

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of strings")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
                while map.next_entry::<IgnoredAny, Cow<'de, str>>()?.is_some() {}
                Ok(())
            }
        }

        let Some(headers) = self.headers else {
            return Ok(());
        };
        serde_json::Deserializer::from_str(headers.get())
            .deserialize_map(Headers)
            .map_err(|_| DecodeError::WrongType { member: "headers", expected: "Object of Strings" })
    }
}

/// A string, borrowed from the message where it holds no escapes.
fn text<'a>(value: &'a RawValue, member: &'static str) -> Result<Cow<'a, str>, DecodeError> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    typed::<Text<'a>>(value, member, "String").map(|text| text.0)
}

fn typed<'a, T: Deserialize<'a>>(
    value: &'a RawValue,
    member: &'static str,
    expected: &'static str,
) -> Result<T, DecodeError> {
    serde_json::from_str(value.get()).map_err(|_| DecodeError::WrongType { member, expected })
}

/// Whether arrays and objects nest deeper than [`MAX_DEPTH`]. Only a frame with that many opening brackets, strings
/// included, is looked at closely, so that ordinary messages pay for one quick count.
fn is_too_deep(frame: &[u8]) -> bool {
    let opening = frame.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    opening > MAX_DEPTH && depth(frame) > MAX_DEPTH
}

fn depth(frame: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in frame {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

//! MessagePack array → `HubMessage`.
//!
//! ```text
//! [1, headers, id | nil, target, [arguments], [stream ids]?]      invocation        [5, headers, id]            cancel
//! [2, headers, id, item]                                          stream item       [6]                         ping
//! [3, headers, id, kind, value?]                                  completion        [7, error | nil, reconnect?] close
//! [4, headers, id, target, [arguments], [stream ids]?]            stream invocation [8, n] [9, n]       ack, sequence
//! ```
//! Longer arrays are read, what is beyond passed over; unknown types are ignored.

use std::borrow::Cow;

use super::read::{Reader, Token};
use crate::encoding::{DecodeError, Fault, MAX_DEPTH};
use crate::message::{HubMessage, Invocation, Outcome};
use crate::payload::{Arguments, Payload};

/// Reads one frame, without its length prefix; `None` for a type number of the future.
pub fn decode(frame: &[u8]) -> Result<Option<HubMessage<'_>>, DecodeError> {
    let mut members = Members::begin(frame)?;
    let message = match members.message_type()? {
        1 => HubMessage::Invocation(members.invocation(Members::id)?),
        2 => {
            let invocation_id = members.headers_and_id()?;
            HubMessage::StreamItem { invocation_id, item: Payload::MessagePack(members.value("item")?) }
        }
        3 => members.completion()?,
        4 => HubMessage::StreamInvocation(members.invocation(|members| members.required_id().map(Some))?),
        5 => HubMessage::CancelInvocation { invocation_id: members.headers_and_id()? },
        6 => HubMessage::Ping,
        7 => members.close()?,
        8 => HubMessage::Ack { sequence_id: members.sequence_id()? },
        9 => HubMessage::Sequence { sequence_id: members.sequence_id()? },
        _ => {
            members.end()?;
            return Ok(None);
        }
    };
    members.end()?;
    Ok(Some(message))
}

/// The elements of a message not yet read.
struct Members<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Members<'a> {
    fn begin(frame: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame);
        match reader.token()? {
            Token::Array(left) => Ok(Self { reader, left }),
            _ => Err(DecodeError::WrongType { member: "message", expected: "Array" }),
        }
    }

    /// The type, any integer; those that cannot be one of ours are 0.
    fn message_type(&mut self) -> Result<u64, DecodeError> {
        match self.next("type")? {
            Token::Unsigned(kind) => Ok(kind),
            Token::Negative(_) => Ok(0),
            _ => Err(DecodeError::WrongType { member: "type", expected: "Number" }),
        }
    }

    fn invocation(
        &mut self,
        id: impl FnOnce(&mut Self) -> Result<Option<Cow<'a, str>>, DecodeError>,
    ) -> Result<Invocation<'a>, DecodeError> {
        self.headers()?;
        Ok(Invocation {
            invocation_id: id(self)?.filter(|id| !id.is_empty()),
            target: self.text("target")?,
            arguments: self.arguments()?,
            stream_ids: self.stream_ids()?,
        })
    }

    fn completion(&mut self) -> Result<HubMessage<'a>, DecodeError> {
        let invocation_id = self.headers_and_id()?;
        let outcome = match self.next("resultKind")? {
            Token::Unsigned(1) => Outcome::Error(self.text("error")?),
            Token::Unsigned(2) => Outcome::Void,
            Token::Unsigned(3) => Outcome::Result(Payload::MessagePack(self.value("result")?)),
            Token::Unsigned(_) | Token::Negative(_) => return Err(DecodeError::ResultKind),
            _ => return Err(DecodeError::WrongType { member: "resultKind", expected: "Number" }),
        };
        Ok(HubMessage::Completion { invocation_id, outcome })
    }

    fn close(&mut self) -> Result<HubMessage<'a>, DecodeError> {
        let error = self.text_or_nil("error")?;
        let allow_reconnect = match self.left {
            0 => false,
            _ => match self.next("allowReconnect")? {
                Token::Bool(allow) => allow,
                _ => return Err(DecodeError::WrongType { member: "allowReconnect", expected: "Boolean" }),
            },
        };
        Ok(HubMessage::Close { error, allow_reconnect })
    }

    fn headers_and_id(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.headers()?;
        self.required_id()
    }

    fn id(&mut self) -> Result<Option<Cow<'a, str>>, DecodeError> {
        self.text_or_nil("invocationId")
    }

    fn required_id(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.text("invocationId")
    }

    fn sequence_id(&mut self) -> Result<u64, DecodeError> {
        match self.next("sequenceId")? {
            Token::Unsigned(id) => Ok(id),
            _ => Err(DecodeError::WrongType { member: "sequenceId", expected: "Number" }),
        }
    }

    fn arguments(&mut self) -> Result<Arguments<'a>, DecodeError> {
        let array = Payload::MessagePack(self.value("arguments")?);
        Arguments::new(array).ok_or(DecodeError::WrongType { member: "arguments", expected: "Array" })
    }

    fn stream_ids(&mut self) -> Result<Vec<Cow<'a, str>>, DecodeError> {
        if self.left == 0 {
            // As clients wrote it before there were upload streams.
            return Ok(Vec::new());
        }
        let Token::Array(count) = self.next("streamIds")? else {
            return Err(DecodeError::WrongType { member: "streamIds", expected: "Array" });
        };
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(text(self.reader.token()?, "streamIds")?.ok_or(not_text("streamIds"))?);
        }
        Ok(ids)
    }

    /// Headers carry nothing the server needs yet, but a wrong one is the peer's fault all the same.
    fn headers(&mut self) -> Result<(), DecodeError> {
        let wrong = DecodeError::WrongType { member: "headers", expected: "Object of Strings" };
        let Token::Map(pairs) = self.next("headers")? else {
            return Err(wrong);
        };
        for _ in 0..2 * pairs {
            if !matches!(text(self.reader.token()?, "headers"), Ok(Some(_))) {
                return Err(wrong);
            }
        }
        Ok(())
    }

    fn text(&mut self, member: &'static str) -> Result<Cow<'a, str>, DecodeError> {
        self.text_or_nil(member)?.ok_or(not_text(member))
    }

    fn text_or_nil(&mut self, member: &'static str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        text(self.next(member)?, member)
    }

    /// Any value as it stands, known to be well formed.
    fn value(&mut self, member: &'static str) -> Result<&'a [u8], DecodeError> {
        self.left = self.left.checked_sub(1).ok_or(DecodeError::Missing(member))?;
        Ok(self.reader.value(MAX_DEPTH - 1)?)
    }

    fn next(&mut self, member: &'static str) -> Result<Token<'a>, DecodeError> {
        self.left = self.left.checked_sub(1).ok_or(DecodeError::Missing(member))?;
        Ok(self.reader.token()?)
    }

    /// Passes over what a later version of the protocol may have added, and checks that nothing follows.
    fn end(mut self) -> Result<(), DecodeError> {
        for _ in 0..self.left {
            self.reader.value(MAX_DEPTH - 1)?;
        }
        if self.reader.is_empty() { Ok(()) } else { Err(Fault::Trailing.into()) }
    }
}

/// `None`: nil.
fn text<'a>(token: Token<'a>, member: &'static str) -> Result<Option<Cow<'a, str>>, DecodeError> {
    match token {
        Token::Nil => Ok(None),
        Token::Text(bytes) => std::str::from_utf8(bytes).map(|text| Some(text.into())).map_err(|_| not_text(member)),
        _ => Err(not_text(member)),
    }
}

fn not_text(member: &'static str) -> DecodeError {
    DecodeError::WrongType { member, expected: "String" }
}

//! The binary envelope, which .NET clients write around every model once protobuf is chosen.
//!
//! ```text
//! 01 · string codec · string model key · 01 · int32 count · {string · string}* · int32 length · bytes
//! ```
//!
//! Strings are .NET's: length as 7-bit varint, then UTF-8. Integers are little-endian. The pairs are metadata.

use std::borrow::Cow;

use super::{Body, Envelope, Refusal};
use crate::problem::ReadProblem;

/// Takes apart the value of a record if the whole layout fits it exactly.
pub(crate) fn read(value: &[u8]) -> Result<Envelope<'_>, Refusal> {
    let mut cursor = Cursor(value);
    let head = cursor.head().ok_or(Refusal::OtherForm(None))?;
    let body = cursor.0;
    if body.len() != head.body_bytes {
        let cut_short = body.len() < head.body_bytes;
        return Err(Refusal::OtherForm(cut_short.then_some(ReadProblem::CutShort)));
    }
    Envelope::new(head.codec, Cow::Borrowed(head.model_key), Body::Bytes(body), None)
}

struct Head<'a> {
    codec: &'a str,
    model_key: &'a str,
    body_bytes: usize,
}

/// What has not been read yet.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Everything before the body; `None` if the bytes run out or cannot be it.
    fn head(&mut self) -> Option<Head<'a>> {
        (self.byte()? == 1).then_some(())?;
        let codec = self.string()?;
        let model_key = self.string()?;
        (self.byte()? == 1).then_some(())?;
        for _ in 0..self.int32()? {
            self.string()?;
            self.string()?;
        }
        let body_bytes = self.int32()?;
        Some(Head { codec, model_key, body_bytes })
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    /// A count, so negative ones are refused.
    fn int32(&mut self) -> Option<usize> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        usize::try_from(i32::from_le_bytes(*bytes)).ok()
    }

    fn string(&mut self) -> Option<&'a str> {
        let length = self.varint()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }

    /// At most five bytes of seven bits, the lowest first, as .NET writes a non-negative int32.
    fn varint(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

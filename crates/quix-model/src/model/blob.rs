//! `Blob`: bytes of a binary parameter, in whichever of its two spellings they came.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::ser::{Serialize, Serializer};

/// Bytes, or the base64 that JSON has for them: what came as base64 and goes out as base64 is never decoded.
#[derive(Debug, Clone)]
pub struct Blob<'a>(Spelling<'a>);

#[derive(Debug, Clone)]
enum Spelling<'a> {
    Bytes(Cow<'a, [u8]>),
    /// Proven to be base64.
    Base64(Cow<'a, str>),
}

impl<'a> Blob<'a> {
    /// Bytes as they are.
    pub fn from_bytes(bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        Self(Spelling::Bytes(bytes.into()))
    }

    /// `None` unless the text is base64 of the standard alphabet, padded.
    pub fn from_base64(text: impl Into<Cow<'a, str>>) -> Option<Self> {
        let text = text.into();
        is_base64(&text).then_some(Self(Spelling::Base64(text)))
    }

    /// The bytes, decoded if need be.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.0 {
            Spelling::Bytes(bytes) => Cow::Borrowed(bytes),
            Spelling::Base64(text) => Cow::Owned(DECODER.decode(&**text).unwrap_or_default()),
        }
    }

    /// The base64, encoded if need be.
    pub fn base64(&self) -> Cow<'_, str> {
        match &self.0 {
            Spelling::Bytes(bytes) => Cow::Owned(STANDARD.encode(bytes)),
            Spelling::Base64(text) => Cow::Borrowed(text),
        }
    }

    pub(crate) fn into_owned(self) -> Blob<'static> {
        Blob(match self.0 {
            Spelling::Bytes(bytes) => Spelling::Bytes(Cow::Owned(bytes.into_owned())),
            Spelling::Base64(text) => Spelling::Base64(Cow::Owned(text.into_owned())),
        })
    }
}

/// By the bytes, however they are spelt.
impl PartialEq for Blob<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

/// JSON gets base64, binary formats the bytes.
impl Serialize for Blob<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.base64())
        } else {
            serializer.serialize_bytes(&self.bytes())
        }
    }
}

/// As .NET decodes it: what the last character has to spare may be anything.
const DECODER: GeneralPurpose =
    GeneralPurpose::new(&ALPHABET, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Whole groups of four characters, of which the last may end in one or two `=`.
pub(crate) fn is_base64(text: &str) -> bool {
    let bytes = text.as_bytes();
    let content = match bytes {
        [.., b'=', b'='] => &bytes[..bytes.len() - 2],
        [.., b'='] => &bytes[..bytes.len() - 1],
        _ => bytes,
    };
    bytes.len().is_multiple_of(4) && content.iter().all(|byte| IS_BASE64[usize::from(*byte)])
}

const IS_BASE64: [bool; 256] = {
    let mut table = [false; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < alphabet.len() {
        table[alphabet[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_for_base64_decodes() {
        for (text, bytes) in
            [("", &b""[..]), ("/w==", b"\xff"), ("/x==", b"\xff"), ("AAH/", b"\0\x01\xff"), ("eHk=", b"xy")]
        {
            assert_eq!(*Blob::from_base64(text).unwrap().bytes(), *bytes, "{text}");
            assert_eq!(DECODER.decode(text).unwrap(), bytes);
        }
        for text in ["%%%", "/w=", "/w", "=w==", "====", "A===", "=", "==", "AAH_", "AA\nA", "AAH/č"] {
            assert!(Blob::from_base64(text).is_none() && DECODER.decode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn equal_bytes_are_equal_however_spelt() {
        let bytes = Blob::from_bytes(&b"\0\x01\xff"[..]);
        let text = Blob::from_base64("AAH/").unwrap();
        assert_eq!(bytes, text);
        assert_eq!(bytes.base64(), "AAH/");
        assert_ne!(bytes, Blob::from_base64("").unwrap());
    }
}

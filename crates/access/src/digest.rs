//! `Digest`: the SHA-256 by which an opaque token is known without being kept.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// SHA-256 of a token. Safe to keep, to log and to compare: of a random token nothing can be learned from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Of a token as it is sent.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Of what a signed token says, without its signature, of which one key can make several for the same (ES256: `s` and
    /// `-s`); of the whole of any other. Whoever has a token can make this digest, but not from it a token.
    pub fn of_content(token: &str) -> Self {
        match token.rsplit_once('.') {
            Some((content, _)) if content.bytes().filter(|byte| *byte == b'.').count() == 1 => Self::of(content),
            _ => Self::of(token),
        }
    }
}

/// 64 hexadecimal digits, of either case.
impl FromStr for Digest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, NoDigest> {
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(NoDigest);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (value(pair[0])? << 4) | value(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

/// A text is no SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256: 64 hexadecimal digits are wanted")]
pub struct NoDigest;

fn value(digit: u8) -> Result<u8, NoDigest> {
    char::from(digit).to_digit(16).map(|value| value as u8).ok_or(NoDigest)
}

impl From<Digest> for [u8; 32] {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sha_256_of_the_text() {
        // Source: FIPS 180-4, example "abc".
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of("abc").to_string(), abc);
        assert_eq!(abc.to_uppercase().parse(), Ok(Digest::of("abc")));
    }

    #[test]
    fn of_a_signed_token_its_content_counts() {
        for (token, content) in
            [("h.c.s", "h.c"), ("h.c.other", "h.c"), ("h.c.", "h.c"), ("sg_x", "sg_x"), ("a.b", "a.b")]
        {
            assert_eq!(Digest::of_content(token), Digest::of(content), "{token}");
        }
        assert_eq!(Digest::of_content("a.b.c.d"), Digest::of("a.b.c.d"));
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["", "ba78", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65), &"é".repeat(32)] {
            assert_eq!(text.parse::<Digest>(), Err(NoDigest), "{text}");
        }
    }
}

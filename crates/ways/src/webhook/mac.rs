//! `Key`: a keyed hash (HMAC, RFC 2104) over the pieces of what was signed.

use std::borrow::Cow;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// HMAC-SHA1, 20 bytes.
    Sha1,
    /// HMAC-SHA256, 32 bytes.
    Sha256,
    /// HMAC-SHA512, 64 bytes.
    Sha512,
}

/// A secret, taken into the hash already.
#[derive(Clone)]
pub(super) enum Key {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Key {
    pub(super) fn new(hash: Hash, secret: &[u8]) -> Self {
        match hash {
            Hash::Sha1 => Self::Sha1(keyed(secret)),
            Hash::Sha256 => Self::Sha256(keyed(secret)),
            Hash::Sha512 => Self::Sha512(keyed(secret)),
        }
    }

    /// Of the pieces, one behind the other.
    pub(super) fn code(&self, pieces: &[Cow<'_, [u8]>]) -> Vec<u8> {
        match self {
            Self::Sha1(keyed) => code(keyed, pieces),
            Self::Sha256(keyed) => code(keyed, pieces),
            Self::Sha512(keyed) => code(keyed, pieces),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn keyed<M: KeyInit>(secret: &[u8]) -> M {
    M::new_from_slice(secret).expect("a key of HMAC may have any length")
}

fn code<M: Mac + Clone>(keyed: &M, pieces: &[Cow<'_, [u8]>]) -> Vec<u8> {
    let mut mac = keyed.clone();
    pieces.iter().for_each(|piece| mac.update(piece));
    mac.finalize().into_bytes().to_vec()
}

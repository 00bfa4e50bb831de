//! Keys out of a JSON Web Key Set, as identity providers publish theirs.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use serde::Deserialize;

use crate::key::{Algorithm, Key};

/// Why a document is no set of keys.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// Not JSON with a list `keys`.
    #[error("not a JSON Web Key Set: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// No key of it can verify a signature here.
    #[error("the key set has no key for RS256, ES256 or EdDSA")]
    NoKey,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

/// The public keys of a set (RFC 7517) that verify signatures of an algorithm known here. Others, secrets and weak ones
/// among them, are passed over, since sets hold keys for many purposes.
///
/// # Errors
/// If nothing is left, or the document is no key set.
pub fn keys_of_set(document: &str) -> Result<Vec<Key>, KeySetError> {
    let set: Set = serde_json::from_str(document)?;
    let keys: Vec<Key> = set.keys.into_iter().filter_map(key).collect();
    if keys.is_empty() { Err(KeySetError::NoKey) } else { Ok(keys) }
}

fn key(value: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|use_| *use_ != PublicKeyUse::Signature) {
        return None;
    }
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::Rs256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::Es256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDsa, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|named| named != name) {
        return None;
    }
    let mut key = Key::checked(algorithm, DecodingKey::from_jwk(&jwk).ok()?).ok()?;
    key.id = jwk.common.key_id;
    Some(key)
}

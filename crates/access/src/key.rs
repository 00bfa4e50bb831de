//! `Key`: what signatures are verified with. The key decides the algorithm, never the token.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};

/// How tokens may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256 and a shared secret of at least 32 bytes.
    Hs256,
    /// RSA (PKCS #1 v1.5) with SHA-256 and a modulus of at least 2048 bits.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// A key that tokens are verified with.
#[derive(Debug, Clone)]
pub struct Key {
    /// What the token's `kid` names it by. A key without an id is tried whatever a token's `kid` says.
    pub id: Option<String>,
    /// What `iss` must be; `None`: anything.
    pub issuer: Option<String>,
    /// What must be among `aud`; `None`: anything.
    pub audience: Option<String>,
    algorithm: Algorithm,
    material: DecodingKey,
}

/// Why something is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A secret could be guessed.
    #[error("a secret for HS256 has at least 32 bytes, this one has {0}")]
    ShortSecret(usize),
    /// An RSA key could be factored.
    #[error("an RSA key has at least 2048 bits, this one has {0}")]
    ShortModulus(usize),
    /// Not a key of this kind.
    #[error("no {algorithm} key: {cause}", algorithm = .0.name(), cause = .1)]
    Unreadable(Algorithm, String),
    /// A key on another curve than P-256.
    #[error("ES256 is for keys on the curve P-256")]
    OtherCurve,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// As tokens and settings name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(crate) fn of(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl Key {
    /// Of a secret (HS256), or of a public key in PEM.
    ///
    /// # Errors
    /// If it is not that, or too weak.
    pub fn new(algorithm: Algorithm, material: &[u8]) -> Result<Self, KeyError> {
        let key = match algorithm {
            Algorithm::Hs256 => Ok(DecodingKey::from_secret(material)),
            Algorithm::Rs256 => DecodingKey::from_rsa_pem(material),
            Algorithm::Es256 => DecodingKey::from_ec_pem(material),
            Algorithm::EdDsa => DecodingKey::from_ed_pem(material),
        };
        Self::checked(algorithm, key.map_err(|error| unreadable(algorithm, &error))?)
    }

    /// Only what is strong enough becomes a key.
    pub(crate) fn checked(algorithm: Algorithm, material: DecodingKey) -> Result<Self, KeyError> {
        let public = Jwk::from_decoding_key(&material, Some(algorithm.of()));
        match public.map_err(|error| unreadable(algorithm, &error))?.algorithm {
            AlgorithmParameters::OctetKey(_) => {
                let bytes = material.try_get_as_bytes().map_or(0, <[u8]>::len);
                if bytes < MIN_SECRET_BYTES {
                    return Err(KeyError::ShortSecret(bytes));
                }
            }
            AlgorithmParameters::RSA(rsa) => {
                let bits = bits(&rsa.n);
                if bits < MIN_MODULUS_BITS {
                    return Err(KeyError::ShortModulus(bits));
                }
            }
            AlgorithmParameters::EllipticCurve(curve) if curve.curve != EllipticCurve::P256 => {
                return Err(KeyError::OtherCurve);
            }
            _ => {}
        }
        Ok(Self { id: None, issuer: None, audience: None, algorithm, material })
    }

    /// Its algorithm, the only one it verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn material(&self) -> &DecodingKey {
        &self.material
    }

    /// Whether a token that names its key so may be signed with this one.
    pub(crate) fn is_meant(&self, algorithm: jsonwebtoken::Algorithm, id: Option<&str>) -> bool {
        let same_id = match (&self.id, id) {
            (Some(own), Some(named)) => own == named,
            _ => true,
        };
        self.algorithm.of() == algorithm && same_id
    }
}

fn unreadable(algorithm: Algorithm, error: &jsonwebtoken::errors::Error) -> KeyError {
    KeyError::Unreadable(algorithm, error.to_string())
}

/// Length of a number in base64url, big end first.
fn bits(number: &str) -> usize {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(number).unwrap_or_default();
    let mut significant = bytes.iter().skip_while(|byte| **byte == 0);
    let first = significant.next().map_or(0, |byte| 8 - byte.leading_zeros() as usize);
    first + 8 * significant.count()
}

/// Keys that one token is tried with at most.
pub const MAX_KEYS: usize = 8;
/// Source: RFC 7518, 3.2.
const MIN_SECRET_BYTES: usize = 32;
/// Source: RFC 7518, 3.3.
const MIN_MODULUS_BITS: usize = 2048;

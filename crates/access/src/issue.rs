//! New tokens: signed ones, and random ones that mean something by a list only.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;

use crate::key::{Algorithm, KeyError};

/// What a new token is to say.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// Whose it is: `sub`.
    pub subject: Option<String>,
    /// Words, as [`Scopes::parse`](crate::Scopes::parse) reads them: `scope`.
    pub scope: String,
    /// From now to `exp`.
    pub lifetime: Duration,
    /// `iss`.
    pub issuer: Option<String>,
    /// `aud`.
    pub audience: Option<String>,
    /// Its own id, by which it can be revoked: `jti`.
    pub token_id: Option<String>,
}

/// Why a token cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the token cannot be signed: {0}")]
pub struct IssueError(String);

/// Signs tokens.
#[derive(Clone)]
pub struct Signer {
    /// What the token will name its key by: `kid`.
    pub key_id: Option<String>,
    algorithm: Algorithm,
    key: EncodingKey,
}

#[derive(Serialize)]
struct Written<'r> {
    exp: u64,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'r str>,
    scope: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'r str>,
}

impl TokenRequest {
    /// A token of nobody that grants nothing, for so long.
    pub fn lasting(lifetime: Duration) -> Self {
        Self { subject: None, scope: String::new(), lifetime, issuer: None, audience: None, token_id: None }
    }
}

impl Signer {
    /// With a secret (HS256), or a private key in PEM (PKCS #8; for RS256 PKCS #1 as well).
    ///
    /// # Errors
    /// If it is not that. Whether it is strong enough is found out with its public half, by [`Key`](crate::Key).
    pub fn new(algorithm: Algorithm, material: &[u8]) -> Result<Self, KeyError> {
        let key = match algorithm {
            Algorithm::Hs256 => Ok(EncodingKey::from_secret(material)),
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(material),
            Algorithm::Es256 => EncodingKey::from_ec_pem(material),
            Algorithm::EdDsa => EncodingKey::from_ed_pem(material),
        };
        let key = key.map_err(|error| KeyError::Unreadable(algorithm, error.to_string()))?;
        Ok(Self { key_id: None, algorithm, key })
    }

    /// A token that begins now.
    ///
    /// # Errors
    /// If the key does not serve.
    pub fn sign(&self, request: &TokenRequest, now: SystemTime) -> Result<String, IssueError> {
        let iat = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Written {
            exp: iat.saturating_add(request.lifetime.as_secs()),
            iat,
            sub: request.subject.as_deref(),
            scope: &request.scope,
            iss: request.issuer.as_deref(),
            aud: request.audience.as_deref(),
            jti: request.token_id.as_deref(),
        };
        let header = Header { kid: self.key_id.clone(), ..Header::new(self.algorithm.of()) };
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|error| IssueError(error.to_string()))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Signer").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A token without content, of 32 random bytes that the caller has from a cryptographic source.
pub fn opaque_token(random: [u8; 32]) -> String {
    format!("{OPAQUE_PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// What such tokens begin with, so that people and scanners of leaked secrets know one when they see it.
pub const OPAQUE_PREFIX: &str = "sg_";

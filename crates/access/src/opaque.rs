//! Tokens without content, known by their digests.

use std::collections::HashMap;
use std::time::SystemTime;

use crate::digest::Digest;
use crate::scopes::Scopes;

/// What is known of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpaqueToken {
    /// Of the token, which itself is kept nowhere.
    pub digest: Digest,
    /// Whose it is.
    pub subject: Option<String>,
    /// What it allows.
    pub scopes: Scopes,
    /// When it ends; `None`: never.
    pub expires: Option<SystemTime>,
}

/// The list of them. Of two with the same digest the later one counts.
#[derive(Debug, Clone, Default)]
pub struct OpaqueTokens(HashMap<Digest, OpaqueToken>);

impl OpaqueTokens {
    pub(crate) fn get(&self, digest: Digest) -> Option<&OpaqueToken> {
        self.0.get(&digest)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<OpaqueToken> for OpaqueTokens {
    fn from_iter<I: IntoIterator<Item = OpaqueToken>>(tokens: I) -> Self {
        Self(tokens.into_iter().map(|token| (token.digest, token)).collect())
    }
}

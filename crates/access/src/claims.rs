//! What a signed token says, read strictly: a claim of the wrong type makes the token invalid, it is not passed over.

use serde::{Deserialize, Deserializer};

use crate::scopes::Scopes;

/// The claims that count here; others are none of our business. Source: RFC 7519, 4.1; RFC 8693, 4.2 (`scope`).
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    /// Seconds since 1970, as all times of a token.
    pub(crate) exp: f64,
    #[serde(default, deserialize_with = "present")]
    pub(crate) nbf: Option<f64>,
    /// Not judged, but a number if there.
    #[serde(default, deserialize_with = "present", rename = "iat")]
    _iat: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) iss: Option<String>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<Audience>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) sub: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) jti: Option<String>,
    #[serde(default, deserialize_with = "present")]
    scope: Option<String>,
    #[serde(default, deserialize_with = "present")]
    scp: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    pub(crate) fn is_for(&self, audience: &str) -> bool {
        match &self.aud {
            None => false,
            Some(Audience::One(one)) => one == audience,
            Some(Audience::Several(several)) => several.iter().any(|one| one == audience),
        }
    }

    /// What it grants, unless it says nothing of that; by both claims, what they grant together.
    pub(crate) fn scopes(&self) -> Option<Scopes> {
        let scope = self.scope.iter().flat_map(|scope| scope.split_ascii_whitespace());
        let scp = self.scp.iter().flatten().map(String::as_str);
        (self.scope.is_some() || self.scp.is_some()).then(|| Scopes::of_words(scope.chain(scp)))
    }
}

/// A claim that is there has its type: `null` is none.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

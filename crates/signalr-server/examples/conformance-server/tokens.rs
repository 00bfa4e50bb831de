//! Tokens: issuing them, and the users behind them.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::http::request::Parts;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use signalr_server::User;
use signalr_server::auth::{bearer_token, query_value};

/// Signs and checks tokens by a key that nobody else has. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    nameid: String,
    exp: u64,
}

impl Tokens {
    pub(crate) fn new() -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        Ok(Self { signing: EncodingKey::from_secret(&key), checking: DecodingKey::from_secret(&key) })
    }

    /// A token for the user that a query names.
    pub(crate) fn issue(&self, query: Option<&str>) -> String {
        let user = query.and_then(|query| query_value(query, "user")).unwrap_or("testuser".into());
        let expires = SystemTime::now() + LIFETIME;
        let exp = expires.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let claims = Claims { nameid: user.into_owned(), exp };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .expect("two plain claims and a key of this algorithm make a token")
    }

    /// The user of a request with a good token.
    pub(crate) fn user_of(&self, request: &Parts) -> Option<User> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY.as_secs();
        validation.validate_aud = false;
        validation.required_spec_claims = HashSet::from(["exp".to_owned()]);
        let token = bearer_token(request)?;
        let claims = jsonwebtoken::decode::<Claims>(token.as_bytes(), &self.checking, &validation).ok()?.claims;
        Some(User::new(claims.nameid))
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tokens")
    }
}

const LIFETIME: Duration = Duration::from_secs(5);

/// Clocks may differ by so much. Source: ASP.NET Core's `ClockSkew`.
const LEEWAY: Duration = Duration::from_secs(5 * 60);

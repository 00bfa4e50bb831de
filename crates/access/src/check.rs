//! `Access`: a token goes in, what it grants or why it is refused comes out.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;

use crate::claims::Claims;
use crate::digest::Digest;
use crate::key::{Key, MAX_KEYS};
use crate::opaque::{OpaqueToken, OpaqueTokens};
use crate::revocations::Revocations;
use crate::scopes::Scopes;

/// All that decides about tokens, as one value: whoever reads new keys or lists makes a new one.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Keys of signed tokens (JWT).
    pub keys: Vec<Key>,
    /// Tokens known by their digests.
    pub opaque: OpaqueTokens,
    /// Tokens that do not count any more, whatever they say.
    pub revocations: Revocations,
    /// Whether further keys, of a key set, are still to come: till then no token can be refused that they may verify.
    pub awaits_keys: bool,
    /// What signed tokens grant that carry neither `scope` nor `scp`, as foreign ones. Default: nothing.
    pub default_scopes: Scopes,
}

/// What a token grants, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The user: `sub`.
    pub subject: Option<String>,
    /// What it allows.
    pub scopes: Scopes,
    /// When it ends, [`LEEWAY`] included; `None`: never.
    pub expires: Option<SystemTime>,
    /// Its own id: `jti`.
    pub token_id: Option<String>,
    /// By which it can be revoked, and told from others: [`Digest::of_content`].
    pub digest: Digest,
    /// Of the whole token, by which it can be revoked too, and an opaque one is known.
    pub(crate) whole: Digest,
    is_opaque: bool,
}

/// Why a token is refused. Whoever sent it is told none of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// Longer than [`MAX_TOKEN_BYTES`]; nothing of it was decoded.
    #[error("the token is too long")]
    TooLong,
    /// Neither a signed token nor one of the list.
    #[error("the token is not known")]
    Unknown,
    /// It names critical extensions, an unknown algorithm, or a claim of a wrong type.
    #[error("the token is malformed")]
    Malformed,
    /// No configured key has its algorithm and its `kid`.
    #[error("no key has the token's algorithm and id")]
    NoKey,
    /// No such key has signed it.
    #[error("the token's signature is wrong")]
    Signature,
    /// By another issuer, or for another audience.
    #[error("the token is of another issuer or for another audience")]
    NotForUs,
    /// Its time has passed.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// It was taken back.
    #[error("the token was revoked")]
    Revoked,
    /// No key here has signed it, but not all are here yet ([`Access::awaits_keys`]): it may be good.
    #[error("the keys of the key set are not here yet")]
    KeysAwaited,
}

impl Refused {
    /// For a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::NoKey => "no_key",
            Self::Signature => "signature",
            Self::NotForUs => "not_for_us",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Revoked => "revoked",
            Self::KeysAwaited => "keys_awaited",
        }
    }
}

impl Access {
    /// Whether nobody can be let in, as nothing is configured.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.opaque.is_empty()
    }

    /// Judges a token at a time.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, token: &str, now: SystemTime) -> Result<Grant, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused::TooLong);
        }
        let (whole, digest) = (Digest::of(token), Digest::of_content(token));
        let grant = match self.opaque.get(whole) {
            Some(known) => Grant {
                subject: known.subject.clone(),
                scopes: known.scopes.clone(),
                expires: known.expires,
                token_id: None,
                digest,
                whole,
                is_opaque: true,
            },
            None => self.check_signed(token, [whole, digest], now)?,
        };
        if grant.expires.is_some_and(|expires| now >= expires) {
            return Err(Refused::Expired);
        }
        if self.revocations.revoke(&grant) { Err(Refused::Revoked) } else { Ok(grant) }
    }

    /// Whether a grant of before still holds by these lists; its expiry is its holder's to watch. One whose line in the list
    /// says something else now does not.
    pub fn still_holds(&self, grant: &Grant) -> bool {
        let is_same = |line: &OpaqueToken| {
            (&line.subject, &line.scopes, line.expires) == (&grant.subject, &grant.scopes, grant.expires)
        };
        let is_listed = !grant.is_opaque || self.opaque.get(grant.whole).is_some_and(is_same);
        is_listed && !self.revocations.revoke(grant)
    }

    fn check_signed(&self, token: &str, digests: [Digest; 2], now: SystemTime) -> Result<Grant, Refused> {
        if token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(Refused::Unknown);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Malformed)?;
        if header.crit.is_some() {
            return Err(Refused::Malformed);
        }
        let meant = self.keys.iter().filter(|key| key.is_meant(header.alg, header.kid.as_deref()));
        let mut refused = Refused::NoKey;
        for key in meant.take(MAX_KEYS) {
            match verify(token, key).and_then(|claims| self.grant(claims, key, digests, now)) {
                // Another key of the same algorithm may be the one.
                Err(why @ (Refused::Signature | Refused::NotForUs)) => refused = why,
                decided => return decided,
            }
        }
        let may_come = self.awaits_keys && header.alg != jsonwebtoken::Algorithm::HS256;
        Err(if may_come { Refused::KeysAwaited } else { refused })
    }

    fn grant(
        &self,
        claims: Claims,
        key: &Key,
        [whole, digest]: [Digest; 2],
        now: SystemTime,
    ) -> Result<Grant, Refused> {
        let is_ours = key.issuer.as_ref().is_none_or(|issuer| claims.iss.as_ref() == Some(issuer))
            && key.audience.as_ref().is_none_or(|audience| claims.is_for(audience));
        if !is_ours {
            return Err(Refused::NotForUs);
        }
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let leeway = LEEWAY.as_secs_f64();
        if claims.nbf.is_some_and(|not_before| not_before > seconds + leeway) {
            return Err(Refused::NotYet);
        }
        // A time before 1970 is long past; one that no clock can show never comes.
        let ends = (claims.exp + leeway).max(0.0);
        let expires = Duration::try_from_secs_f64(ends).ok().and_then(|ends| UNIX_EPOCH.checked_add(ends));
        let scopes = claims.scopes().unwrap_or_else(|| self.default_scopes.clone());
        Ok(Grant { subject: claims.sub, scopes, expires, token_id: claims.jti, digest, whole, is_opaque: false })
    }
}

/// The claims of a token that this key has signed. Their times and names are judged here, with the caller's clock.
fn verify(token: &str, key: &Key) -> Result<Claims, Refused> {
    let mut only_the_signature = Validation::new(key.algorithm().of());
    only_the_signature.required_spec_claims.clear();
    only_the_signature.validate_exp = false;
    only_the_signature.validate_aud = false;
    let decoded = jsonwebtoken::decode::<Claims>(token, key.material(), &only_the_signature);
    decoded.map(|token| token.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature | ErrorKind::Base64(_) => Refused::Signature,
        _ => Refused::Malformed,
    })
}

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// By how much clocks may differ: a signed token counts this long before its `nbf` and after its `exp`.
pub const LEEWAY: Duration = Duration::from_secs(30);

//! `Verifier`: whether a delivery is from whom it should be. Constant time in what is secret; pure, the time is an argument.

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::mac::Key;
use super::scheme::{Layout, Part, Scheme};
use crate::secret::Revealed;

/// Judges the deliveries of one webhook.
#[derive(Debug)]
pub enum Verifier {
    /// By a signature.
    Signature(Signature),
    /// By a token that comes with each: `Authorization: Bearer TOKEN`. Held as digests.
    Bearer(Vec<[u8; 32]>),
    /// By `USER:PASSWORD` (RFC 7617). Held as digests.
    Basic(Vec<[u8; 32]>),
    /// Anybody's are taken.
    Open,
}

/// A scheme and its secrets.
#[derive(Debug)]
pub struct Signature {
    scheme: Scheme,
    keys: Vec<Key>,
    /// Longest that the time of sending may be away from now, in seconds.
    tolerance: i64,
}

/// Why a delivery is not let in. The texts are for the operator; senders are told nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header is missing, or in another form.
    #[error("it has no signature, token or password in the form of this webhook")]
    Missing,
    /// The time of sending is missing, or no number.
    #[error("it does not say when it was sent")]
    NoTimestamp,
    /// Under none of the secrets.
    #[error("its signature, token or password is wrong")]
    Wrong,
    /// A genuine one, of another time.
    #[error(
        "it was sent {seconds} s before or after now by this machine's clock: an old one sent again, or a clock is wrong"
    )]
    Stale {
        /// Away from now.
        seconds: u64,
    },
}

impl Refusal {
    /// For the metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing | Self::NoTimestamp => "unsigned",
            Self::Wrong => "wrong_signature",
            Self::Stale { .. } => "stale",
        }
    }
}

impl Verifier {
    /// By the tokens of `Authorization: Bearer`.
    pub fn bearer(tokens: &[Revealed]) -> Self {
        Self::Bearer(tokens.iter().map(|token| digest(token.as_str().as_bytes())).collect())
    }

    /// By `USER:PASSWORD`.
    pub fn basic(pairs: &[Revealed]) -> Self {
        Self::Basic(pairs.iter().map(|pair| digest(pair.as_str().as_bytes())).collect())
    }

    /// Whether a delivery is genuine; `now` in seconds since 1970 UTC.
    ///
    /// Gives what tells it from all others, if its signature does: two that were sent at different times differ in it.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: i64) -> Result<Option<Vec<u8>>, Refusal> {
        match self {
            Self::Open => Ok(None),
            Self::Bearer(tokens) => {
                compare(tokens, authorization(headers, "bearer").ok_or(Refusal::Missing)?.as_bytes())
            }
            Self::Basic(pairs) => {
                let pair = authorization(headers, "basic").and_then(|text| STANDARD.decode(text).ok());
                compare(pairs, &pair.ok_or(Refusal::Missing)?)
            }
            Self::Signature(signature) => signature.verify(headers, body, now),
        }
    }
}

impl Signature {
    /// `keys` as [`Scheme`]s hash them; `tolerance` in seconds.
    pub(super) fn new(scheme: Scheme, secrets: &[Zeroizing<Vec<u8>>], tolerance: i64) -> Self {
        let keys = secrets.iter().map(|secret| Key::new(scheme.hash, secret)).collect();
        Self { scheme, keys, tolerance }
    }

    fn verify(&self, headers: &HeaderMap, body: &[u8], now: i64) -> Result<Option<Vec<u8>>, Refusal> {
        let header = text(headers, &self.scheme.header).ok_or(Refusal::Missing)?;
        let given = self.scheme.signatures(header);
        if given.is_empty() {
            return Err(Refusal::Missing);
        }
        let timestamp = match &self.scheme.layout {
            Layout::Fields => fields(header).find(|(name, _)| *name == "t").map(|(_, value)| value),
            _ => self.scheme.timestamp.as_ref().and_then(|name| text(headers, name)),
        };
        let id = self.scheme.id.as_ref().and_then(|name| text(headers, name));
        let pieces = self.scheme.pieces(timestamp, id, body)?;
        let codes: Vec<_> = self.keys.iter().map(|key| key.code(&pieces)).collect();
        let pairs = codes.iter().flat_map(|code| given.iter().map(move |signature| code.ct_eq(signature)));
        let is_right = pairs.fold(Choice::from(0), |found, equal| found | equal);
        if !bool::from(is_right) {
            return Err(Refusal::Wrong);
        }
        if !self.scheme.has_timestamp() {
            return Ok(None);
        }
        let sent: i64 = timestamp.and_then(|text| text.parse().ok()).ok_or(Refusal::NoTimestamp)?;
        let seconds = sent.abs_diff(now);
        if seconds > self.tolerance.unsigned_abs() {
            return Err(Refusal::Stale { seconds });
        }
        // Not what was sent, which may be one of several.
        Ok(codes.into_iter().next())
    }
}

impl Scheme {
    /// Every signature in the header's text that is one.
    fn signatures(&self, header: &str) -> Vec<Vec<u8>> {
        let decode = |text: &str| self.encoding.decode(text);
        match &self.layout {
            Layout::Prefix(prefix) => header.strip_prefix(prefix.as_str()).and_then(decode).into_iter().collect(),
            Layout::Fields => {
                fields(header).filter(|(name, _)| *name == "v1").filter_map(|(_, value)| decode(value)).collect()
            }
            Layout::Versions => header.split(' ').filter_map(|one| decode(one.strip_prefix("v1,")?)).collect(),
        }
    }

    /// What is signed, piece by piece.
    pub(super) fn pieces<'a>(
        &'a self,
        timestamp: Option<&'a str>,
        id: Option<&'a str>,
        body: &'a [u8],
    ) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
        let piece = |part: &'a Part| {
            Ok(Cow::Borrowed(match part {
                Part::Text(text) => text.as_bytes(),
                Part::Timestamp => timestamp.ok_or(Refusal::NoTimestamp)?.as_bytes(),
                Part::Id => id.ok_or(Refusal::Missing)?.as_bytes(),
                Part::Body => body,
                Part::Form => return Ok(Cow::Owned(sorted(body))),
            }))
        };
        self.signed.0.iter().map(piece).collect()
    }
}

/// The fields of a form, as [`Part::Form`] says.
fn sorted(form: &[u8]) -> Vec<u8> {
    let fields: BTreeSet<_> = form_urlencoded::parse(form).collect();
    fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).flatten().copied().collect()
}

/// `a=1,b=2`
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split(',').filter_map(|field| field.trim().split_once('='))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::trim)
}

/// What stands behind the scheme's name.
fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    // Of two, a proxy may have looked at the other.
    if headers.get_all(header::AUTHORIZATION).iter().nth(1).is_some() {
        return None;
    }
    let (name, rest) = text(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// Digests are of one length, whatever was sent.
fn compare(known: &[[u8; 32]], sent: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    let sent = digest(sent);
    let is_right = known.iter().fold(Choice::from(0), |found, one| found | one.ct_eq(&sent));
    if bool::from(is_right) { Ok(None) } else { Err(Refusal::Wrong) }
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

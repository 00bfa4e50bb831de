//! What a token says of itself, for people who look at one. Nothing of it is true before it is verified.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Header and claims of a signed token, whoever has signed it; `None` of any other text.
pub fn unverified(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.');
    let (header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let read = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    if parts.next().is_some() { None } else { Some((read(header)?, read(claims)?)) }
}

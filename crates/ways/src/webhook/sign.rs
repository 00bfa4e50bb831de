//! Signing as a sender would, for `streamgate webhook send` and for tests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, header};

use super::mac::Key;
use super::preset::{Place, Preset};
use super::scheme::{Layout, Scheme};
use crate::secret::Revealed;

/// What the sender says beside the body.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// Id of the delivery.
    pub id: &'a str,
    /// Where to, for those who sign that.
    pub url: &'a str,
    /// Kind of thing that happened, for those who say so in a header.
    pub event: &'a str,
    /// When, in seconds since 1970 UTC.
    pub time: i64,
}

/// The headers of a delivery of this preset. An error says what is wrong with the secret.
pub fn sign(
    preset: Preset,
    secret: &Revealed,
    body: &[u8],
    sent: &Sent<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut headers = match preset {
        Preset::Bearer => vec![(header::AUTHORIZATION, format!("Bearer {}", secret.as_str()))],
        Preset::Basic => vec![(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(secret.as_str())))],
        _ => Vec::new(),
    };
    if let Some(scheme) = preset.scheme_for(sent.url) {
        let key = preset.key(secret).map_err(|problem| format!("the secret {problem}"))?;
        headers.extend(scheme.sign(&key, body, sent));
    }
    let told =
        [(preset.id(), sent.id), (preset.event(), sent.event)].into_iter().filter_map(|(place, text)| match place {
            Some(Place::Header(name)) => Some((name, text.to_owned())),
            _ => None,
        });
    for (name, text) in told {
        if headers.iter().all(|(known, _)| *known != name) {
            headers.push((name, text));
        }
    }
    let value = |text: String| HeaderValue::from_str(&text).map_err(|_| "a header cannot hold it".to_owned());
    headers.into_iter().map(|(name, text)| Ok((name, value(text)?))).collect()
}

impl Scheme {
    /// The headers of a signature under this key.
    pub fn sign(&self, key: &[u8], body: &[u8], sent: &Sent<'_>) -> Vec<(HeaderName, String)> {
        let time = sent.time.to_string();
        let pieces = self.pieces(Some(&time), Some(sent.id), body).unwrap_or_default();
        let code = self.encoding.encode(&Key::new(self.hash, key).code(&pieces));
        let signature = match &self.layout {
            Layout::Prefix(prefix) => format!("{prefix}{code}"),
            Layout::Fields => format!("t={time},v1={code}"),
            Layout::Versions => format!("v1,{code}"),
        };
        let timestamp = self.timestamp.clone().map(|name| (name, time));
        let id = self.id.clone().map(|name| (name, sent.id.to_owned()));
        [(self.header.clone(), signature)].into_iter().chain(timestamp).chain(id).collect()
    }
}

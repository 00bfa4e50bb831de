//! `Sender`: one request, and what its answer means.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::config::{Basic, DestinationConfig, Preset};
use super::job::Job;
use super::preset::{Body, PUSHOVER_URL, twilio_url};
use super::sign::Signer;
use crate::fetch::{FetchError, Fetcher, Permits, Receipt};
use crate::secret::{Revealed, SecretError};
use crate::{Json, Secret};

/// Sends messages of one destination. `Debug` gives no secret, and of the URL, which may be one, only the host.
pub struct Sender {
    url: Url,
    headers: HeaderMap,
    body: Body,
    /// Behind each body: fields of a form that are secret.
    fields: Option<Revealed>,
    signer: Option<Signer>,
    permits: Permits,
    fetcher: Fetcher,
}

/// Why a destination cannot be had. Shows no secret.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// Somewhere in its settings.
    #[error("`{setting}`: {error}")]
    Secret {
        /// Where it stands.
        setting: String,
        /// Why it cannot be had.
        error: SecretError,
    },
    /// The URL is none.
    #[error("`url` is no address such as https://hooks.example/in")]
    Url,
    /// The name or value of a header cannot be one.
    #[error("`headers` has {0:?}, which cannot be the name of a header, or whose value cannot be one")]
    Header(String),
    /// It has no key, or what follows `whsec_` cannot be read.
    #[error("`sign` has a secret that is empty, or begins with whsec_ and goes on with something else than base64")]
    Sign,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was taken.
    Delivered,
    /// The receiver takes nothing now, or nothing from us.
    Refused { why: String, retry_after: Option<Duration> },
    /// The receiver does not want this one, and perhaps others.
    Unwelcome { why: String },
    /// It will never be taken.
    Unacceptable { why: String },
    /// The receiver wants nothing more.
    Gone,
}

impl Sender {
    /// Reads the secrets of its settings.
    pub fn new(config: &DestinationConfig, fetcher: Fetcher) -> Result<Self, SenderError> {
        let url = match (&config.url, &config.basic) {
            (Some(url), _) => revealed("url", url)?.as_str().to_owned(),
            (None, _) if config.preset == Preset::Pushover => PUSHOVER_URL.to_owned(),
            (None, Some(basic)) => twilio_url(revealed("basic.user", &basic.user)?.as_str()),
            (None, None) => return Err(SenderError::Url),
        };
        let sign = config.sign.as_ref().map(|sign| revealed("sign.secret", &sign.secret)).transpose()?;
        let body = Body::of(config);
        Ok(Self {
            url: url.parse().map_err(|_| SenderError::Url)?,
            headers: headers(config, body.content_type())?,
            body,
            fields: config.basic.as_ref().filter(|_| config.preset == Preset::Pushover).map(fields).transpose()?,
            signer: sign.map(|secret| Signer::new(&secret).ok_or(SenderError::Sign)).transpose()?,
            permits: Permits { http: config.allow_http, private: config.allow_private },
            fetcher,
        })
    }

    pub(super) async fn send(&self, job: &Job, topic: &str) -> Verdict {
        let Ok(message) = Json::parse(job.message.as_bytes()) else {
            return Verdict::Unacceptable { why: "it is nested too deep".to_owned() };
        };
        let (mut body, id) = (self.body.render(message), job.id(topic));
        body.push_str(self.fields.as_ref().map_or("", Revealed::as_str));
        let mut headers = self.headers.clone();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let signature = self.signer.as_ref().map(|signer| signer.signature(&id, now, &body));
        let texts =
            [("webhook-id", Some(id)), ("webhook-timestamp", Some(now.to_string())), ("webhook-signature", signature)];
        for (name, text) in texts {
            // Names of topics and base64 are always good values.
            if let Some(Ok(value)) = text.map(HeaderValue::try_from) {
                headers.insert(name, value);
            }
        }
        verdict(self.fetcher.post(&self.url, &headers, Bytes::from(body), self.permits).await)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("url", &self.url.origin().ascii_serialization()).finish_non_exhaustive()
    }
}

fn revealed(setting: &str, secret: &Secret) -> Result<Revealed, SenderError> {
    secret.reveal().map_err(|error| SenderError::Secret { setting: setting.to_owned(), error })
}

fn headers(config: &DestinationConfig, content_type: &'static str) -> Result<HeaderMap, SenderError> {
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
    if let Some(basic) = config.basic.as_ref().filter(|_| config.preset != Preset::Pushover) {
        let (user, password) = (revealed("basic.user", &basic.user)?, revealed("basic.password", &basic.password)?);
        let pair = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{}:{}", user.as_str(), password.as_str()),
        );
        let value = HeaderValue::try_from(format!("Basic {pair}"));
        headers.insert(AUTHORIZATION, sensitive(value.map_err(|_| SenderError::Header("basic".to_owned()))?));
    }
    for (name, value) in &config.headers {
        let wrong = || SenderError::Header(name.clone());
        let value = revealed(&format!("headers.{name}"), value)?;
        let value = HeaderValue::from_str(value.as_str()).map_err(|_| wrong())?;
        headers.insert(HeaderName::try_from(name).map_err(|_| wrong())?, sensitive(value));
    }
    Ok(headers)
}

/// Of Pushover.
fn fields(basic: &Basic) -> Result<Revealed, SenderError> {
    let (user, token) = (revealed("basic.user", &basic.user)?, revealed("basic.password", &basic.password)?);
    let mut form = form_urlencoded::Serializer::for_suffix(String::from("&"), 1);
    form.append_pair("token", token.as_str()).append_pair("user", user.as_str());
    Ok(Revealed::from(form.finish()))
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// A receiver that says what is wrong with the request will say so again. One that wants to be asked otherwise, or later,
/// says so of all of them; by another status of that kind perhaps of this one alone.
fn verdict(answer: Result<Receipt, FetchError>) -> Verdict {
    let Receipt { status, retry_after } = match answer {
        Ok(receipt) => receipt,
        Err(error) => return Verdict::Refused { why: error.to_string(), retry_after: None },
    };
    let why = format!("it answers with HTTP status {}", status.as_u16());
    match status.as_u16() {
        200..=299 => Verdict::Delivered,
        410 => Verdict::Gone,
        400 | 413 | 415 | 422 => Verdict::Unacceptable { why },
        401 | 403 | 407 | 408 | 429 => Verdict::Refused { why, retry_after },
        400..=499 if retry_after.is_none() => Verdict::Unwelcome { why },
        _ => Verdict::Refused { why, retry_after },
    }
}

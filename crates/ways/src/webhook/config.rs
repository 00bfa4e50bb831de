//! `[[webhooks]]`: one inbound webhook.

use std::time::Duration;

use http::HeaderName;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::preset::{Place, Preset};
use super::scheme::{self, Scheme};
use super::verify::{Signature, Verifier};
use crate::Rule;
use crate::fields::{Entry, Fields};
use crate::secret::{Revealed, Secret};
use crate::units::{Rate, Span};

/// Where it comes in, how it is verified, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookConfig {
    /// Path on the public listener, such as `/webhooks/segment`; metric label and log field. Its last part is the stream of
    /// what the rule names none for. No two have the same.
    pub path: String,
    /// Name or id of the topic.
    pub topic: String,
    /// How deliveries are verified, and where their id and kind are. Must be there, unless `verify` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// How deliveries of others are signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Scheme>,
    /// Address as it is set at the sender, which signs it; for preset `twilio`, and only there. It is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Secrets, any of which may have been used: a new one beside the old while it is changed.
    #[serde(rename = "secret", skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// Where the id of a delivery is: a header's name, or a JSON pointer with its `/`. Default: as the preset has it, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Place>,
    /// Longest that the time of sending may be before or after now, where the sender signs one. Default 5 min.
    pub tolerance: Span,
    /// How long an id is remembered, so that a delivery that comes again is not written again. Default 1 h; 0: not at all.
    pub replay_window: Span,
    /// Deliveries that are let through. Default: any number. Past it: 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// What bodies are. Default `json`, of preset `twilio` `form`.
    pub content: Content,
    /// How records are made of what comes.
    #[serde(flatten)]
    pub rule: Rule,
}

/// What bodies are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// JSON; others are refused with 415.
    Json,
    /// JSON if their type says so, else a text (a form, say), which becomes a JSON string.
    Text,
    /// JSON, or a form, which becomes a JSON object of texts: of a field that comes more than once, a list of them.
    Form,
}

/// Why a webhook cannot be served: a secret of it.
#[derive(Debug, thiserror::Error)]
#[error("the secret of webhook {path}: {problem}")]
pub struct WebhookError {
    /// Of the webhook.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Entry for WebhookConfig {
    fn from_fields(fields: &mut Fields) -> Result<Self, String> {
        let (path, topic, preset) = (fields.required("path")?, fields.required("topic")?, fields.take("preset")?);
        let content = if preset == Some(Preset::Twilio) { Content::Form } else { Content::Json };
        Ok(Self {
            path,
            topic,
            preset,
            verify: fields.take("verify")?,
            url: fields.take("url")?,
            secrets: fields.one_or_more("secret")?,
            id: fields.take("id")?,
            tolerance: fields.take("tolerance")?.unwrap_or(Span(Duration::from_secs(300))),
            replay_window: fields.take("replay_window")?.unwrap_or(Span(Duration::from_secs(3600))),
            rate: fields.take("rate")?,
            content: fields.take("content")?.unwrap_or(content),
            rule: Rule::take(fields)?,
        })
    }

    fn check(&self) -> Result<(), String> {
        let segments = self.path.strip_prefix('/').filter(|path| !path.is_empty() && !path.ends_with('/'));
        if !segments
            .is_some_and(|path| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte)))
        {
            return Err(
                "has a setting `path` that must be like \"/webhooks/segment\": letters, digits, -._~ and /".to_owned()
            );
        }
        let path = self.path.to_ascii_lowercase(); // as the hub's is compared
        let taken = TAKEN
            .iter()
            .find(|taken| path.strip_prefix(**taken).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        if let Some(taken) = taken {
            return Err(format!("has a setting `path` below {taken}, where the server has something of its own"));
        }
        let is_signed = match (self.preset, &self.verify) {
            (None, None) => {
                return Err("needs a `preset` or `verify`; where nobody signs, write preset = \"none\"".to_owned());
            }
            (Some(_), Some(_)) => return Err("has both `preset` and `verify`: leave one out".to_owned()),
            (preset, _) => preset != Some(Preset::None),
        };
        self.check_url()?;
        match (is_signed, self.secrets.is_empty()) {
            (true, true) => Err("needs a `secret`".to_owned()),
            (false, false) => Err("has a `secret`, and preset = \"none\" looks at none".to_owned()),
            _ => Ok(()),
        }
    }
}

impl WebhookConfig {
    fn check_url(&self) -> Result<(), String> {
        match (self.preset == Some(Preset::Twilio), &self.url) {
            (true, None) => {
                Err("needs a `url`: the webhook's address as it is set at Twilio, which signs it".to_owned())
            }
            (false, Some(_)) => Err("has a `url`, which only preset = \"twilio\" looks at".to_owned()),
            _ => Ok(()),
        }
    }

    /// The last part of the path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether anybody's deliveries are taken.
    pub fn is_open(&self) -> bool {
        self.preset == Some(Preset::None)
    }

    /// Whether a secret stands in the settings themselves.
    pub fn holds_secrets(&self) -> bool {
        self.secrets.iter().any(Secret::is_written_out)
    }

    /// What judges its deliveries. Reads secrets from environment and files.
    pub fn verifier(&self) -> Result<Verifier, WebhookError> {
        let told = |problem: String| WebhookError { path: self.path.clone(), problem };
        let secrets = self.secrets.iter().map(|secret| secret.reveal().map_err(|error| told(error.to_string())));
        let secrets = secrets.collect::<Result<Vec<Revealed>, _>>()?;
        let preset = self.preset.unwrap_or(Preset::None);
        match (self.verify.clone().or_else(|| preset.scheme_for(self.url.as_deref().unwrap_or_default())), preset) {
            (Some(scheme), _) => {
                let keys = secrets.iter().map(|secret| preset.key(secret).map_err(|problem| told(problem.to_owned())));
                let tolerance = i64::try_from(self.tolerance.0.as_secs()).unwrap_or(i64::MAX);
                Ok(Verifier::Signature(Signature::new(scheme, &keys.collect::<Result<Vec<_>, _>>()?, tolerance)))
            }
            (None, Preset::Bearer) => Ok(Verifier::bearer(&secrets)),
            (None, Preset::Basic) if secrets.iter().all(|pair| pair.as_str().contains(':')) => {
                Ok(Verifier::basic(&secrets))
            }
            (None, Preset::Basic) => Err(told("is not \"USER:PASSWORD\"".to_owned())),
            (None, _) => Ok(Verifier::Open),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            "form" => Ok(Self::Form),
            other => Err(de::Error::custom(format!("must be \"json\", \"form\" or \"text\", not {other:?}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.starts_with('/') {
            return text.parse().map(Self::At).map_err(de::Error::custom);
        }
        scheme::header(&text)
            .map(Self::Header)
            .map_err(|_| de::Error::custom(format!("must be a header's name or a JSON pointer, not {text:?}")))
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Header(name) => serializer.serialize_str(HeaderName::as_str(name)),
            Self::At(pointer) => pointer.serialize(serializer),
        }
    }
}

/// First parts of paths that the server has.
const TAKEN: [&str; 11] = [
    "/hub",
    "/topics",
    "/swagger",
    "/openapi",
    "/health",
    "/demo",
    "/metrics",
    "/import",
    "/connect",
    "/style.css",
    "/favicon.ico",
];

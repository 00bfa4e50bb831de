//! `[[destinations.webhook]]`: one outgoing webhook.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::filter::Filter;
use super::template::Template;
use crate::Secret;
use crate::fields::{Entry, Fields};
use crate::units::{Rate, Span};

/// What is sent where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DestinationConfig {
    /// Its name: metric label, log field, part of its consumer group, which is `streamgate-<name>`. No two have the same.
    pub name: String,
    /// Name or id of the topic whose records are sent.
    pub topic: String,
    /// Which of them: `{ event = "HardBraking" }`, `{ parameter = ["speed", "rpm"] }`, each also with `stream = "car-1"`; `*` is
    /// any. Default: all packages.
    #[serde(rename = "where", skip_serializing_if = "Filter::is_everything")]
    pub filter: Filter,
    /// Where they are sent, https unless `allow_http`. May hold a secret. Presets `twilio-sms` and `pushover` have their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// What is sent. Default `json`: the message as subscribers of the hub get it.
    pub preset: Preset,
    /// JSON that is sent instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Template>,
    /// Fields of a form that is sent instead, or with those of the preset.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub form: BTreeMap<String, Template>,
    /// Sent with each request, to the host of `url` only. Default none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// User and password of HTTP's basic authentication. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic: Option<Basic>,
    /// How requests are signed. Default not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign: Option<Sign>,
    /// The most that is sent in any second, minute or hour: `"30/min"`, 100 000 at most. Default: no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Streams whose messages are sent at the same time, 1 to 64. Default 8.
    pub parallel: usize,
    /// How long a message is tried; one that is not welcome while others are, seven times. Default 24 h.
    pub retry_for: Span,
    /// Topic for what is given up, written as JSON with the reason. Default: it is skipped and counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
    /// Where it begins when it has never run.
    pub from: Begin,
    /// Whether `url` may be http. Default no.
    pub allow_http: bool,
    /// Whether its host may be an address of this machine or network. Default no.
    pub allow_private: bool,
}

/// A form of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The message.
    #[default]
    Json,
    /// `{"text": …}`, for incoming webhooks of Slack.
    Slack,
    /// `{"content": …}`, for webhooks of Discord.
    Discord,
    /// An adaptive card, for workflows of Microsoft Teams.
    Teams,
    /// A form with `Body` for Twilio's Messages; `form` needs `To`, and `From` or `MessagingServiceSid`.
    TwilioSms,
    /// A form with `message` for Pushover; `user` and `token` are the user and password of `basic`.
    Pushover,
}

/// Where a destination begins that has never run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    /// Behind the last record.
    #[default]
    End,
    /// At the first record kept.
    Earliest,
}

/// Basic authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// Name.
    pub user: Secret,
    /// Password.
    pub password: Secret,
}

/// A signature, as `{ scheme = "standard", secret = "whsec_…" }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// Which.
    pub scheme: Scheme,
    /// `whsec_` and base64, or any other text as it is.
    pub secret: Secret,
}

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Standard Webhooks 1.0.0, symmetric.
    Standard,
}

impl Entry for DestinationConfig {
    fn from_fields(fields: &mut Fields) -> Result<Self, String> {
        let config = Self {
            name: fields.required("name")?,
            topic: fields.required("topic")?,
            filter: fields.take("where")?.unwrap_or_default(),
            url: fields.take("url")?,
            preset: fields.take("preset")?.unwrap_or_default(),
            body: fields.take("body")?,
            form: fields.take("form")?.unwrap_or_default(),
            headers: fields.take("headers")?.unwrap_or_default(),
            basic: fields.take("basic")?,
            sign: fields.take("sign")?,
            rate: fields.take("rate")?,
            parallel: fields.take("parallel")?.unwrap_or(8),
            retry_for: fields.take("retry_for")?.unwrap_or(Span(Duration::from_secs(24 * 3600))),
            dead_letter: fields.take("dead_letter")?,
            from: fields.take("from")?.unwrap_or_default(),
            allow_http: fields.take("allow_http")?.unwrap_or(false),
            allow_private: fields.take("allow_private")?.unwrap_or(false),
        };
        config.check().map(|()| config)
    }
}

impl DestinationConfig {
    /// Whether a secret stands here, rather than only where it is. Whoever knows the URL of a hook may use it.
    pub fn holds_secrets(&self) -> bool {
        let basic = self.basic.iter().map(|basic| &basic.password);
        let user = self.basic.iter().map(|basic| &basic.user).filter(|_| self.preset == Preset::Pushover);
        let sign = self.sign.iter().map(|sign| &sign.secret);
        self.url.iter().chain(self.headers.values()).chain(basic).chain(user).chain(sign).any(Secret::is_plain)
    }

    fn check(&self) -> Result<(), String> {
        if !(1..=64).contains(&self.parallel) {
            return Err("has a `parallel` that is not from 1 to 64".to_owned());
        }
        if self.rate.is_some_and(|rate| rate.times > MAX_RATE) {
            return Err(format!("has a `rate` of more than {MAX_RATE}"));
        }
        if self.dead_letter.as_ref().is_some_and(|dead_letter| may_be_one(dead_letter, &self.topic)) {
            return Err("has its own topic as `dead_letter`: it would send what it gives up again and again".to_owned());
        }
        match self.preset {
            Preset::TwilioSms => self.check_twilio(),
            Preset::Pushover => self.check_pushover(),
            _ => match (&self.url, &self.body) {
                (None, _) => Err("has no `url`".to_owned()),
                (_, Some(_)) if !self.form.is_empty() => Err("has both `body` and `form`: leave one out".to_owned()),
                _ => Ok(()),
            },
        }
    }

    fn check_pushover(&self) -> Result<(), String> {
        if self.body.is_some() {
            return Err("has a `body`, and Pushover takes a form: use `form = { message = \"…\" }`".to_owned());
        }
        match self.basic.is_some() && ["user", "token"].iter().all(|name| !self.form.contains_key(*name)) {
            true => Ok(()),
            false => {
                Err("needs `basic` with the key of a user or group as `user` and the application's token as `password`, and \
                     `form` without them: it is shown"
                    .to_owned())
            }
        }
    }

    fn check_twilio(&self) -> Result<(), String> {
        let has = |name: &str| self.form.contains_key(name);
        if self.body.is_some() {
            return Err("has a `body`, and Twilio takes a form: use `form = { Body = \"…\" }`".to_owned());
        }
        match has("To") && (has("From") || has("MessagingServiceSid")) && self.basic.is_some() {
            true => Ok(()),
            false => {
                Err("needs `form` with `To`, and `From` or `MessagingServiceSid`, and `basic` with the account's sid \
                          as `user` and its token as `password`"
                    .to_owned())
            }
        }
    }
}

/// Whether both may name one topic: an id is a workspace, a hyphen and the name.
fn may_be_one(a: &str, b: &str) -> bool {
    let is_id = |id: &str, name: &str| id.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('-'));
    is_id(a, b) || is_id(b, a)
}

impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(deserializer)?.as_str() {
            "json" => Self::Json,
            "slack" => Self::Slack,
            "discord" => Self::Discord,
            "teams" => Self::Teams,
            "twilio-sms" => Self::TwilioSms,
            "pushover" => Self::Pushover,
            other => {
                return Err(de::Error::custom(format!(
                    "must be \"json\", \"slack\", \"discord\", \"teams\", \"twilio-sms\" or \"pushover\", not {other:?}"
                )));
            }
        })
    }
}

impl<'de> Deserialize<'de> for Begin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "end" => Ok(Self::End),
            "earliest" => Ok(Self::Earliest),
            other => Err(de::Error::custom(format!("must be \"end\" or \"earliest\", not {other:?}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "standard" => Ok(Self::Standard),
            other => Err(de::Error::custom(format!("must have the scheme \"standard\", not {other:?}"))),
        }
    }
}

/// The time of each request is remembered.
const MAX_RATE: u32 = 100_000;

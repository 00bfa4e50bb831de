//! `Webhooks`: deliveries in, answers out. Acknowledged only when durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::config::{Content, WebhookConfig, WebhookError};
use super::preset::{Place, Preset};
use super::rate::Bucket;
use super::replay::{Claim, Seen};
use super::verify::{Refusal, Verifier};
use crate::append::{Append, AppendError};
use crate::json::{Json, Kind};
use crate::metrics::Metrics;
use crate::record::{Circumstances, Made};

/// All webhooks of a server, by path.
#[derive(Debug)]
pub struct Webhooks {
    by_path: HashMap<String, Webhook>,
}

/// One webhook.
#[derive(Debug)]
pub struct Webhook {
    config: WebhookConfig,
    verifier: Verifier,
    seen: Option<Arc<Seen>>,
    bucket: Option<Bucket>,
    append: Arc<dyn Append>,
    metrics: Metrics,
}

/// What came.
#[derive(Debug)]
pub struct Delivery {
    /// All headers.
    pub headers: HeaderMap,
    /// Byte for byte.
    pub body: Bytes,
    /// When, in nanoseconds since 1970 UTC.
    pub received: i64,
}

/// What the sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Plain text; empty for those who are not let in.
    pub text: String,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// For the operator only: why it was not taken.
    pub reason: Option<String>,
    /// For the metrics.
    pub outcome: &'static str,
}

impl Webhooks {
    /// Reads their secrets; writes through `append`.
    pub fn new(configs: &[WebhookConfig], append: &Arc<dyn Append>, metrics: &Metrics) -> Result<Self, WebhookError> {
        let webhook = |config: &WebhookConfig| {
            let webhook = Webhook::new(config.clone(), append.clone(), metrics.clone())?;
            Ok((config.path.clone(), webhook))
        };
        Ok(Self { by_path: configs.iter().map(webhook).collect::<Result<_, _>>()? })
    }

    /// The one of this path.
    pub fn at(&self, path: &str) -> Option<&Webhook> {
        self.by_path.get(path)
    }
}

impl Webhook {
    /// One that writes through `append`.
    pub fn new(config: WebhookConfig, append: Arc<dyn Append>, metrics: Metrics) -> Result<Self, WebhookError> {
        let window = config.replay_window.0;
        Ok(Self {
            verifier: config.verifier()?,
            seen: (!window.is_zero()).then(|| Seen::new(window, MOST_SEEN)),
            bucket: config.rate.map(Bucket::new),
            append,
            metrics,
            config,
        })
    }

    /// Its settings.
    pub fn config(&self) -> &WebhookConfig {
        &self.config
    }

    /// Counts a delivery that was refused before it could be looked at.
    pub fn count(&self, outcome: &'static str) {
        self.metrics.delivery(&self.config.path, outcome);
    }

    /// Verifies a delivery, writes it, and gives the answer when it is durable.
    pub async fn receive(&self, delivery: Delivery) -> Answer {
        let answer = self.answer(&delivery).await.unwrap_or_else(|refused| refused);
        self.count(answer.outcome);
        answer
    }

    async fn answer(&self, delivery: &Delivery) -> Result<Answer, Answer> {
        let Delivery { headers, body, received } = delivery;
        let now = received.div_euclid(SECOND);
        let signature = self.verifier.verify(headers, body, now).map_err(Answer::unauthorized)?;
        if let Some(bucket) = &self.bucket {
            bucket.take(*received).map_err(Answer::too_many)?;
        }
        let text = self.text(headers, body)?;
        let json = Json::parse(text.as_deref().map_or(&body[..], str::as_bytes));
        let json = json.map_err(|error| Answer::bad(format!("The body: {error}.")))?;
        if let Some(challenge) = self.challenge(json) {
            return Ok(Answer { text: challenge, ..Answer::ok("challenge") });
        }
        let made = self.record(json, headers, *received)?;
        let id = self.id(json, headers).map(String::into_bytes).or(signature);
        let claim = match (&self.seen, id) {
            (Some(seen), Some(id)) => {
                let claim = seen.claim(&id, *received).await;
                Some(claim.ok_or_else(|| Answer::ok("duplicate"))?)
            }
            _ => None,
        };
        self.write(made, claim, *received).await.map(|()| Answer::ok("accepted")).map_err(Answer::not_written)
    }

    /// A body that is to be a text, as JSON.
    fn text(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, Answer> {
        if is_json(headers) {
            return Ok(None);
        }
        match (self.config.content, str::from_utf8(body)) {
            (Content::Json, _) => Err(Answer::not_json()),
            (Content::Text, Ok(text)) => Ok(Some(Value::from(text).to_string())),
            (Content::Form, _) if is_form(headers) => Ok(Some(object(body).to_string())),
            (Content::Form, _) => Err(Answer::no_form()),
            (Content::Text, Err(_)) => Err(Answer::bad("The body is not UTF-8.".to_owned())),
        }
    }

    /// Slack asks once whether this is the right address.
    fn challenge(&self, json: Json<'_>) -> Option<String> {
        let at = |pointer: &str| json.at(&pointer.parse().ok()?)?.string();
        let is_asked = self.config.preset == Some(Preset::Slack) && at("/type")? == "url_verification";
        is_asked.then(|| at("/challenge")).flatten()
    }

    fn record(&self, json: Json<'_>, headers: &HeaderMap, received: i64) -> Result<Made, Answer> {
        let place = self.config.preset.and_then(Preset::event);
        let event =
            place.as_ref().map(|place| find(place, json, headers).unwrap_or_else(|| self.config.name().to_owned()));
        let (stream_id, max_name_bytes) = (self.config.name(), self.append.max_name_bytes());
        let circumstances = Circumstances { stream_id, event: event.as_deref(), received, max_name_bytes };
        self.config.rule.make(json, &circumstances).map_err(|error| Answer::bad(format!("The body: {error}.")))
    }

    fn id(&self, json: Json<'_>, headers: &HeaderMap) -> Option<String> {
        let place = self.config.id.clone().or_else(|| self.config.preset.and_then(Preset::id))?;
        find(&place, json, headers)
    }

    /// Goes on if the sender goes away meanwhile: then it comes again, and must not be written twice.
    async fn write(&self, made: Made, claim: Option<Claim>, received: i64) -> Result<(), AppendError> {
        let (append, topic) = (self.append.clone(), self.config.topic.clone());
        let written = tokio::spawn(async move {
            append.append(&topic, &made.stream_id, made.record.outgoing()).await?;
            if let Some(claim) = claim {
                claim.confirm(received);
            }
            Ok(())
        });
        written.await.unwrap_or_else(|_| {
            Err(AppendError::OutcomeUnknown("The server is stopping. It may or may not have been stored.".to_owned()))
        })
    }
}

/// A text that is there and says something.
fn find(place: &Place, json: Json<'_>, headers: &HeaderMap) -> Option<String> {
    let text = match place {
        Place::Header(name) => headers.get(name)?.to_str().ok()?.to_owned(),
        Place::At(pointer) => {
            json.at(pointer).filter(|there| matches!(there.kind(), Kind::Text | Kind::Number)).map(Json::into_text)?
        }
    };
    Some(text).filter(|text| !text.is_empty())
}

/// `application/json`, whatever its parameters, and other types whose syntax is JSON; none at all is JSON too.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(&*kind, "application/json" | "text/json") || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The fields of a form.
fn object(form: &[u8]) -> Value {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(form) {
        fields.entry(name.into_owned()).or_default().push(value.into_owned());
    }
    let member = |(name, mut values): (String, Vec<String>)| match values.len() {
        1 => (name, values.pop().into()),
        _ => (name, Value::from(values)),
    };
    Value::Object(fields.into_iter().map(member).collect())
}

impl Answer {
    fn ok(outcome: &'static str) -> Self {
        Self { status: StatusCode::OK, text: "OK".to_owned(), retry_after: None, reason: None, outcome }
    }

    fn refused(status: StatusCode, text: String, outcome: &'static str) -> Self {
        Self { status, reason: Some(text.clone()), text, retry_after: None, outcome }
    }

    /// No hint for whoever guesses.
    fn unauthorized(refusal: Refusal) -> Self {
        let reason = Some(refusal.to_string());
        let outcome = refusal.label();
        Self { status: StatusCode::UNAUTHORIZED, text: String::new(), retry_after: None, reason, outcome }
    }

    fn too_many(retry_after: Duration) -> Self {
        let text = "There are more deliveries than this webhook takes; try again later.".to_owned();
        Self { retry_after: Some(retry_after), ..Self::refused(StatusCode::TOO_MANY_REQUESTS, text, "rate") }
    }

    fn bad(text: String) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, text, "invalid")
    }

    fn not_json() -> Self {
        let text = "The body must be JSON, and the header Content-Type must say so: application/json.";
        Self::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, text.to_owned(), "content_type")
    }

    fn no_form() -> Self {
        let text = "The body must be JSON or a form, and the header Content-Type must say so.";
        Self::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, text.to_owned(), "content_type")
    }

    /// What may pass, and what the operator can mend, is to be sent again; what is wrong with the delivery is not.
    fn not_written(error: AppendError) -> Self {
        let text = error.to_string();
        match error {
            AppendError::TooLarge(_) => Self::refused(StatusCode::PAYLOAD_TOO_LARGE, text, "too_large"),
            AppendError::Refused(_) => Self::bad(text),
            AppendError::UnknownTopic(_) => Self::unavailable(text, "unknown_topic"),
            AppendError::BacklogFull(_) | AppendError::BrokerAway(_) => Self::unavailable(text, "unavailable"),
            AppendError::OutcomeUnknown(_) => Self::unavailable(text, "unknown"),
        }
    }

    fn unavailable(text: String, outcome: &'static str) -> Self {
        Self { retry_after: Some(RETRY_AFTER), ..Self::refused(StatusCode::SERVICE_UNAVAILABLE, text, outcome) }
    }
}

/// In nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// Ids of deliveries that a webhook remembers: 10 MB or less.
const MOST_SEEN: usize = 100_000;

/// A broker that is away may be so for a while.
const RETRY_AFTER: Duration = Duration::from_secs(5);

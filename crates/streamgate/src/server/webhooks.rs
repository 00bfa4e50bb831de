//! Inbound webhooks on the public listener: HTTP around what the crate `ways` takes and answers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ::ways::Append;
use ::ways::metrics::Metrics;
use ::ways::webhook::{Answer, Delivery, Preset, Webhook, WebhookConfig, WebhookError, Webhooks};
use axum::body::Body;
use axum::response::IntoResponse;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use quix_gateway::{Gateway, Problem, read_body};

use super::entrance::Entrance;
use super::throttle::Throttle;
use super::ways::Writes;
use crate::commands::CommandError;
use crate::config::Config;

/// All webhooks of the settings. They bring an authentication of their own, so no token is asked for.
#[derive(Debug)]
pub(super) struct Inbound {
    webhooks: Webhooks,
    gateway: Arc<Gateway>,
    entrance: Arc<Entrance>,
    remarks: Throttle,
}

/// Whether all secrets of webhooks are where the settings say.
pub fn check_webhooks(config: &Config) -> Result<(), CommandError> {
    let mut verifiers = config.webhooks.iter().map(WebhookConfig::verifier);
    verifiers.try_for_each(|verifier| verifier.map(drop)).map_err(|error| CommandError::Serve(error.to_string()))
}

impl Inbound {
    pub(super) fn new(
        configs: &[WebhookConfig],
        gateway: Arc<Gateway>,
        entrance: Arc<Entrance>,
        metrics: &Metrics,
    ) -> Result<Self, WebhookError> {
        let append: Arc<dyn Append> = Arc::new(Writes(gateway.clone()));
        let webhooks = Webhooks::new(configs, &append, metrics)?;
        Ok(Self { webhooks, gateway, entrance, remarks: Throttle::default() })
    }

    /// Whether a path is a webhook's.
    pub(super) fn takes(&self, path: &str) -> bool {
        self.webhooks.at(path).is_some()
    }

    /// Whether it is one that takes nothing without a signature, token or password, whatever name of this machine is used.
    pub(super) fn guards(&self, path: &str) -> bool {
        self.webhooks.at(path).is_some_and(|webhook| !webhook.config().is_open())
    }

    /// The answer of the webhook of this path.
    pub(super) async fn answer(&self, request: Request<Body>, client: IpAddr) -> Response<Body> {
        match self.webhooks.at(request.uri().path()) {
            Some(webhook) => self.receive(webhook, request, client).await.unwrap_or_else(|refused| *refused),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }

    async fn receive(
        &self,
        webhook: &Webhook,
        request: Request<Body>,
        client: IpAddr,
    ) -> Result<Response<Body>, Box<Response<Body>>> {
        if request.method() != Method::POST {
            webhook.count("method");
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "A webhook takes POST only.");
            let mut response = problem.into_response();
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
            return Err(response.into());
        }
        if let Some(silenced) = self.entrance.silenced(request.method(), client) {
            webhook.count("silenced");
            return Err(silenced.into());
        }
        let headers = request.headers().clone();
        let body = read_body(request, &self.gateway).await.map_err(|problem| {
            webhook.count(unread(problem.status));
            problem.into_response()
        })?;
        let answer = webhook.receive(Delivery { headers, body, received: now() }).await;
        if answer.outcome == "wrong_signature" {
            self.entrance.note_guess(client);
        }
        self.note(webhook, client, &answer);
        Ok(told(webhook, answer))
    }

    fn note(&self, webhook: &Webhook, client: IpAddr, answer: &Answer) {
        let Some(reason) = &answer.reason else { return };
        let Some(unsaid) = self.remarks.may_speak() else { return };
        let webhook = &webhook.config().path;
        if answer.status.is_server_error() {
            tracing::warn!(webhook, %client, unsaid, "a delivery could not be written: {reason}");
        } else {
            tracing::info!(webhook, %client, unsaid, "a delivery was not taken: {}", reason.escape_debug());
        }
    }
}

/// Why a body was not read, for the metrics.
fn unread(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "content_type",
        _ => "unread",
    }
}

fn told(webhook: &Webhook, answer: Answer) -> Response<Body> {
    let mut response = match answer.status {
        StatusCode::OK if webhook.config().preset == Some(Preset::Twilio) => {
            ([(header::CONTENT_TYPE, "text/xml")], NO_REPLY).into_response()
        }
        StatusCode::OK => (StatusCode::OK, answer.text).into_response(),
        StatusCode::UNAUTHORIZED => StatusCode::UNAUTHORIZED.into_response(),
        status => Problem {
            kind: Some("NotWritten").filter(|_| answer.outcome != "unknown"),
            ..Problem::new(status, answer.text)
        }
        .into_response(),
    };
    let headers = response.headers_mut();
    if let Some(after) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    if answer.status == StatusCode::UNAUTHORIZED
        && let Some(scheme) = scheme(webhook.config().preset)
    {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    response
}

/// Twilio would send a plain text to whoever wrote the message. Source: Twilio, "TwiML Message: Your Response".
const NO_REPLY: &str = "<Response/>";

/// Those that HTTP has a name for.
fn scheme(preset: Option<Preset>) -> Option<&'static str> {
    match preset {
        Some(Preset::Bearer) => Some("Bearer"),
        Some(Preset::Basic) => Some("Basic"),
        _ => None,
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

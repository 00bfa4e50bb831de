//! What can go wrong behind a call, and the one place that tells it: as a hub error or as an HTTP problem document.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kafka_bridge::broker::{AckError, BrokerError, CreateTopicError, NotWritten, ReadError};
use kafka_bridge::names::InvalidName;
use quix_model::WriteError;
use serde_json::json;
use signalr_server::HubError;

/// Why a topic could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is none, or it is not for clients.
    #[error("Topic '{0}' does not exist or may not be written.")]
    UnknownTopic(String),
    /// The token does not reach so far, whether or not the topic is there.
    #[error("The token that was sent does not allow this; it needs the scope {scope}.")]
    Forbidden {
        /// The scope that is missing.
        scope: String,
    },
    /// No topic can be called so.
    #[error("'{name}' is not a topic name: {reason}")]
    InvalidName {
        /// The beginning of what was asked for.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Making one more is not allowed.
    #[error("Topic '{name}' cannot be made: there are {limit} topics, as many as this server makes.")]
    TooManyTopics {
        /// The topic that is not there.
        name: String,
        /// [`Settings::max_topics`](crate::Settings::max_topics).
        limit: usize,
    },
    /// More subscriptions of one connection than allowed.
    #[error("This connection has {0} subscriptions, as many as it may (limit `subscriptions`); unsubscribe from some.")]
    TooManySubscriptions(usize),
    /// More of one connection to all topics than allowed.
    #[error(
        "This connection has {0} subscriptions to topic '*', as many as it may (limit `wildcard_subscriptions`); unsubscribe from some, or name topics."
    )]
    TooManyWildcards(usize),
    /// More reads of older records than one client may have.
    #[error(
        "This client reads {0} topics from older positions already, as many as it may (limit `replays_per_client`); end one, or try again later."
    )]
    TooManyReplays(usize),
    /// Nothing can be called so.
    #[error("The {what} is longer than {limit} bytes (limit `names`), so there is none of that name.")]
    NameTooLong {
        /// What was to be called so.
        what: &'static str,
        /// [`Settings::max_name_bytes`](crate::Settings::max_name_bytes).
        limit: usize,
    },
    /// It could not be made.
    #[error(transparent)]
    Create(#[from] CreateTopicError),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The broker could not be asked.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// Why a write was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteFailure {
    /// Its topic cannot be used.
    #[error(transparent)]
    Topic(#[from] Failure),
    /// Something in it has too long a name.
    #[error("The {what} is longer than {limit} bytes.")]
    NameTooLong {
        /// What is called so.
        what: &'static str,
        /// [`Settings::max_name_bytes`](crate::Settings::max_name_bytes).
        limit: usize,
    },
    /// Nobody could read it.
    #[error("The stream id '___KA___' is reserved: readers skip it.")]
    ReservedStream,
    /// It makes no record that readers could take.
    #[error("This cannot be written: {0}.")]
    Model(#[from] WriteError),
    /// The broker did not take it.
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
    /// Stored or not, nobody can say.
    #[error("The write was not confirmed in time. It may or may not have been stored.")]
    OutcomeUnknown,
}

impl Failure {
    /// A name that cannot be one.
    pub(crate) fn invalid(name: &str, error: &InvalidName) -> Self {
        Self::InvalidName { name: name.chars().take(MAX_ECHO).collect(), reason: error.to_string() }
    }

    fn cause(&self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "forbidden",
            Self::UnknownTopic(_) | Self::Read(ReadError::UnknownTopic(_)) => "unknown_topic",
            Self::InvalidName { .. } | Self::Create(CreateTopicError::Invalid { .. }) => "invalid_name",
            Self::Create(CreateTopicError::Exists(_)) => "exists",
            Self::NameTooLong { .. } => "name_too_long",
            Self::TooManyTopics { .. }
            | Self::TooManySubscriptions(_)
            | Self::TooManyWildcards(_)
            | Self::TooManyReplays(_) => "limit",
            Self::Read(_) | Self::Broker(_) | Self::Create(CreateTopicError::Broker(_)) => "unavailable",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::UnknownTopic(_) | Self::Read(ReadError::UnknownTopic(_)) => StatusCode::NOT_FOUND,
            Self::InvalidName { .. } | Self::NameTooLong { .. } | Self::Create(CreateTopicError::Invalid { .. }) => {
                StatusCode::BAD_REQUEST
            }
            Self::Create(CreateTopicError::Exists(_)) => StatusCode::CONFLICT,
            Self::Forbidden { .. } | Self::TooManyTopics { .. } => StatusCode::FORBIDDEN,
            Self::TooManySubscriptions(_) | Self::TooManyWildcards(_) | Self::TooManyReplays(_) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Read(_) | Self::Broker(_) | Self::Create(CreateTopicError::Broker(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

impl WriteFailure {
    /// `NotWritten`: nothing was or will be stored. `OutcomeUnknown`: it may have been.
    pub(crate) fn kind(&self) -> &'static str {
        if matches!(self, Self::OutcomeUnknown) { "OutcomeUnknown" } else { "NotWritten" }
    }

    /// For the metrics: why it never came to the broker; `None` if it did.
    pub(crate) fn cause(&self) -> Option<&'static str> {
        match self {
            Self::Topic(failure) => Some(failure.cause()),
            Self::NameTooLong { .. } => Some("name_too_long"),
            Self::ReservedStream => Some("reserved_stream"),
            Self::Model(WriteError::TooLarge { .. }) => Some("too_large"),
            Self::Model(_) => Some("model"),
            Self::NotWritten(_) | Self::OutcomeUnknown => None,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Topic(failure) => failure.status(),
            Self::NameTooLong { .. } | Self::ReservedStream => StatusCode::BAD_REQUEST,
            Self::NotWritten(NotWritten::TooLarge { .. }) | Self::Model(WriteError::TooLarge { .. }) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Model(_) => StatusCode::BAD_REQUEST,
            Self::NotWritten(NotWritten::UnknownTopic(_)) => StatusCode::NOT_FOUND,
            Self::NotWritten(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl From<AckError> for WriteFailure {
    fn from(error: AckError) -> Self {
        match error {
            AckError::NotWritten(error) => Self::NotWritten(error),
            AckError::OutcomeUnknown => Self::OutcomeUnknown,
        }
    }
}

impl From<Failure> for HubError {
    fn from(failure: Failure) -> Self {
        Self::new(match failure {
            Failure::UnknownTopic(name) => format!("Topic '{name}' does not exist or may not be read."),
            other => other.to_string(),
        })
    }
}

impl From<WriteFailure> for HubError {
    fn from(failure: WriteFailure) -> Self {
        Self::of_kind(failure.kind(), failure.to_string())
    }
}

/// A problem document (RFC 9457): what HTTP clients are told.
#[derive(Debug)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// One or more sentences about this very request.
    pub detail: String,
    /// `NotWritten` or `OutcomeUnknown`, for writes.
    pub kind: Option<&'static str>,
    /// Lines durable before the failure, for writes of several.
    pub written: Option<usize>,
}

impl Problem {
    /// One that says nothing about writes.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), kind: None, written: None }
    }

    /// One for a write of which nothing was stored.
    pub fn not_written(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { kind: Some("NotWritten"), ..Self::new(status, detail) }
    }

    /// The one for addresses that are none.
    pub(crate) fn nowhere() -> Self {
        Self::new(StatusCode::NOT_FOUND, "There is nothing at this address.")
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let status = failure.status();
        let detail = match failure {
            Failure::UnknownTopic(name) => format!("Topic '{name}' does not exist or may not be read."),
            other => other.to_string(),
        };
        Self::new(status, detail)
    }
}

impl From<WriteFailure> for Problem {
    fn from(failure: WriteFailure) -> Self {
        Self { kind: Some(failure.kind()), ..Self::new(failure.status(), failure.to_string()) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut document = json!({ "title": title, "status": self.status.as_u16(), "detail": self.detail });
        if let Some(kind) = self.kind {
            document["kind"] = kind.into();
        }
        if let Some(written) = self.written {
            document["written"] = written.into();
        }
        let mut response = (self.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Characters of a client's text that an error repeats.
const MAX_ECHO: usize = 100;

//! `Refusal`: an answer that is no. Old clients show its member `message`, new ones all of it.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use kafka_bridge::broker::{BrokerError, CreateTopicError};
use serde_json::json;

use crate::errors::{Failure, Problem};

/// A problem document (RFC 9457) with a member `message`, which says the same as `detail`: what users of Quix's libraries
/// are shown. It says what was wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// Sentences for whoever runs the program that asked.
    pub message: String,
}

impl Refusal {
    /// With this status, saying this.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// As a response that nobody keeps.
    pub fn into_response(self) -> Response {
        let (status, message) = (self.status, self.message);
        let title = status.canonical_reason().unwrap_or("Error");
        let document = json!({ "title": title, "status": status.as_u16(), "detail": message, "message": message });
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            StatusCode::SERVICE_UNAVAILABLE => headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1")),
            StatusCode::UNAUTHORIZED => headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            _ => None,
        };
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::new(problem.status, problem.detail)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let away = BrokerError::Unreachable;
        let passes = failure == away.clone().into() || failure == CreateTopicError::from(away).into();
        let problem = Problem::from(failure);
        if passes {
            return Self::new(problem.status, format!("{} Try again when the server is ready.", problem.detail));
        }
        problem.into()
    }
}

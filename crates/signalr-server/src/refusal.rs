//! `Refusal`: why a request is not granted, as status and text. Source of the texts: ASP.NET Core's connection dispatcher.

use std::borrow::Cow;

use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use crate::body::Body;
use crate::transport::Transport;

#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: Cow<'static, str>,
    /// The client is to come back later.
    for_now: bool,
}

impl Refusal {
    pub(crate) fn status(status: StatusCode) -> Self {
        Self { status, text: "".into(), for_now: false }
    }

    fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), for_now: false }
    }

    pub(crate) fn for_now() -> Self {
        let text = "The server cannot take this connection now.".into();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, text, for_now: true }
    }

    pub(crate) fn foreign_origin() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Pages of this origin may not connect.")
    }

    pub(crate) fn no_id() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Connection ID required")
    }

    pub(crate) fn unknown_connection() -> Self {
        Self::new(StatusCode::NOT_FOUND, "No Connection with that ID")
    }

    pub(crate) fn other_transport() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Cannot change transports mid-connection")
    }

    pub(crate) fn not_served(transport: Transport) -> Self {
        let text = format!("{} transport not supported by this end point type", transport.name());
        Self::new(StatusCode::NOT_FOUND, text)
    }

    pub(crate) fn no_post() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "POST requests are not allowed for WebSocket connections.")
    }

    pub(crate) fn no_delete() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Cannot terminate this connection using the DELETE endpoint.")
    }
}

impl From<Refusal> for Response<Body> {
    fn from(refusal: Refusal) -> Self {
        let mut response = Response::new(Body::default());
        *response.status_mut() = refusal.status;
        if !refusal.text.is_empty() {
            *response.body_mut() = refusal.text.into_owned().into_bytes().into();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
        if refusal.for_now {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

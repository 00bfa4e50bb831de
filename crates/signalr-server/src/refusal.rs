//! `Refusal`: why a request is not granted, as status and text. Source of the texts: ASP.NET Core's connection dispatcher.

use std::borrow::Cow;

use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use crate::auth::Denied;
use crate::body::Body;
use crate::transport::Transport;

#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: Cow<'static, str>,
    hint: Option<Hint>,
}

/// What a client is to do about it.
#[derive(Debug)]
enum Hint {
    /// After so many seconds.
    ComeBack(&'static str),
    Authenticate,
    /// The version of the websocket protocol that is spoken.
    Version13,
}

impl Refusal {
    pub(crate) fn status(status: StatusCode) -> Self {
        Self { status, text: "".into(), hint: None }
    }

    fn new(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into(), hint: None }
    }

    pub(crate) fn no_websocket(status: StatusCode) -> Self {
        Self { hint: Some(Hint::Version13), ..Self::status(status) }
    }

    pub(crate) fn for_now() -> Self {
        let text = "The server cannot take this connection now.".into();
        Self { status: StatusCode::SERVICE_UNAVAILABLE, text, hint: Some(Hint::ComeBack("5")) }
    }

    pub(crate) fn full_address() -> Self {
        let text = "There are too many connections of this address.".into();
        Self { status: StatusCode::TOO_MANY_REQUESTS, text, hint: Some(Hint::ComeBack("5")) }
    }

    pub(crate) fn too_many_attempts() -> Self {
        let text = "This connection is reattached too often.".into();
        Self { status: StatusCode::TOO_MANY_REQUESTS, text, hint: Some(Hint::ComeBack("1")) }
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

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unauthenticated => {
                Self { hint: Some(Hint::Authenticate), ..Self::status(StatusCode::UNAUTHORIZED) }
            }
            Denied::Forbidden => Self::status(StatusCode::FORBIDDEN),
        }
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
        let hint = refusal.hint.map(|hint| match hint {
            Hint::ComeBack(seconds) => (header::RETRY_AFTER, HeaderValue::from_static(seconds)),
            Hint::Version13 => (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            Hint::Authenticate => (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        });
        response.headers_mut().extend(hint);
        response
    }
}

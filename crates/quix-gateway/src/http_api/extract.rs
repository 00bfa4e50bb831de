//! What routes take from a request. A request that does not have it is told so by a problem document.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;

use crate::errors::Problem;
use crate::gateway::Gateway;

/// The topic in the path, as the client wrote it.
pub(super) struct TopicText(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for TopicText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(topic)| Self(topic)).map_err(|error| Problem::new(error.status(), error.body_text()))
    }
}

/// The query.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|error| Problem::new(error.status(), error.body_text()))
    }
}

/// The whole body, within the limit. One that announces more is refused unread; so is one that is compressed.
pub(super) struct Body(pub(super) Bytes);

impl FromRequest<Arc<Gateway>> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let limit = gateway.settings.max_body_bytes;
        if is_encoded(request.headers()) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Bodies are taken without compression only."));
        }
        if announced_length(request.headers()).is_some_and(|length| length > limit as u64) {
            return Err(too_large(gateway));
        }
        // Bounded by the layer of the router.
        match Bytes::from_request(request, gateway).await {
            Ok(body) => Ok(Self(body)),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large(gateway)),
            Err(error) => Err(Problem::new(error.status(), error.body_text())),
        }
    }
}

fn too_large(gateway: &Gateway) -> Problem {
    gateway.metrics.limit_hit("body_size");
    let detail = format!("The body is longer than {} bytes; send less at a time.", gateway.settings.max_body_bytes);
    Problem { kind: Some("NotWritten"), ..Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail) }
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let encodings = headers.get_all(header::CONTENT_ENCODING);
    encodings.iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

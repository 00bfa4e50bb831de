//! What routes take from a request. A request that does not have it is told so by a problem document.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{BodyDataStream, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use super::json;
use crate::errors::Problem;
use crate::gateway::Gateway;
use crate::visitor::Visitor;

/// Who asks: whom the server found, else a stranger.
impl FromRequestParts<Arc<Gateway>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().unwrap_or(&gateway.stranger).clone())
    }
}

/// The topic in the path, as the client wrote it.
pub(super) struct TopicText(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for TopicText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(topic)| Self(topic)).map_err(|error| Problem::new(error.status(), error.body_text()))
    }
}

/// The stream in the path.
pub(super) struct Place {
    pub(super) visitor: Visitor,
    pub(super) topic: String,
    pub(super) stream_id: String,
}

impl FromRequestParts<Arc<Gateway>> for Place {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let Ok(visitor) = Visitor::from_request_parts(parts, gateway).await;
        let path = Path::<(String, String)>::from_request_parts(parts, gateway).await;
        path.map(|Path((topic, stream_id))| Self { visitor, topic, stream_id })
            .map_err(|error| Problem::not_written(error.status(), error.body_text()))
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

/// The whole body, within the limits of size, time, and what all bodies together may hold. One that announces more is
/// refused unread; so is one that is compressed.
pub(super) struct Body(pub(super) Bytes);

impl FromRequest<Arc<Gateway>> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        let limit = gateway.settings.max_body_bytes;
        if is_encoded(request.headers()) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Bodies are taken without compression only."));
        }
        if announced_length(request.headers()).is_some_and(|length| length > limit as u64) {
            discard(request.into_body().into_data_stream());
            return Err(too_large(gateway));
        }
        read(request.into_body(), gateway).await.map(Self)
    }
}

/// A model of Quix's, in JSON that says it is.
pub(super) struct Model<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<Gateway>> for Model<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Arc<Gateway>) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "The body must be JSON, and the header Content-Type must say so: application/json.";
            discard(request.into_body().into_data_stream());
            return Err(Problem::not_written(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let Body(body) = Body::from_request(request, gateway).await?;
        let model = json::read(&body);
        model.map(Self).map_err(|error| Problem::not_written(StatusCode::BAD_REQUEST, format!("The body: {error}.")))
    }
}

async fn read(body: axum::body::Body, gateway: &Arc<Gateway>) -> Result<Bytes, Problem> {
    let (limit, timeout) = (gateway.settings.max_body_bytes, gateway.settings.body_timeout);
    let begun = Instant::now();
    let mut pieces = body.into_data_stream();
    let (mut held, mut must_go) = gateway.bodies.begin();
    loop {
        let piece = tokio::select! {
            biased;
            _ = &mut must_go => return Err(crowded_out(gateway)),
            piece = tokio::time::timeout(timeout, pieces.next()) => match piece {
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => {
                    return Err(Problem::not_written(StatusCode::BAD_REQUEST, format!("The body cannot be read: {error}")));
                }
                Ok(None) => return held.finish().map(Bytes::from_owner).ok_or_else(|| crowded_out(gateway)),
                Err(_) => return Err(too_slow(gateway)),
            },
        };
        if held.len() + piece.len() > limit {
            discard(pieces);
            return Err(too_large(gateway));
        }
        held.take(&piece);
        let taken = begun.elapsed();
        if taken > SLOW_START && held.len() as u64 / taken.as_secs().max(1) < LEAST_PER_SECOND {
            return Err(too_slow(gateway));
        }
    }
}

/// Lets a client that was refused get rid of what it is sending, for a moment: closing on unread input would destroy the
/// answer on its way.
fn discard(mut pieces: BodyDataStream) {
    tokio::spawn(tokio::time::timeout(DISCARD_TIME, async move {
        let mut discarded = 0;
        while let (true, Some(Ok(piece))) = (discarded < DISCARD_BYTES, pieces.next().await) {
            discarded += piece.len();
        }
    }));
}

fn crowded_out(gateway: &Gateway) -> Problem {
    gateway.metrics.limit_hit("input_total");
    let detail =
        "The server holds too many bodies that have not come to their end. Nothing was written; try again later.";
    Problem::not_written(StatusCode::SERVICE_UNAVAILABLE, detail)
}

fn too_slow(gateway: &Gateway) -> Problem {
    gateway.metrics.limit_hit("body_timeout");
    Problem::not_written(StatusCode::REQUEST_TIMEOUT, "The body came too slowly.")
}

fn too_large(gateway: &Gateway) -> Problem {
    gateway.metrics.limit_hit("body_size");
    let detail = format!("The body is longer than {} bytes; send less at a time.", gateway.settings.max_body_bytes);
    Problem::not_written(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

/// `application/json`, whatever its parameters, and other types whose syntax is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(&*kind, "application/json" | "text/json") || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let encodings = headers.get_all(header::CONTENT_ENCODING);
    encodings.iter().any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// A body that takes longer than this must have come at [`LEAST_PER_SECOND`] on average.
const SLOW_START: Duration = Duration::from_secs(30);

/// Of a refused body.
const DISCARD_BYTES: usize = 64 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// Bytes.
const LEAST_PER_SECOND: u64 = 1024;

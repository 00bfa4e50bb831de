//! Plain HTTP for tools: topics, and the packages in them.

mod ends;
mod extract;
mod lines;
mod packages;
mod topics;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, put};

use crate::errors::Problem;
use crate::gateway::Gateway;

/// The routes: `GET /topics`, `PUT /topics/{topic}`, `GET` and `POST /topics/{topic}/packages`. Errors are problem
/// documents.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let body_limit = DefaultBodyLimit::max(gateway.settings.max_body_bytes);
    Router::new()
        .route("/topics", get(topics::list))
        .route("/topics/{topic}", put(topics::create))
        .route("/topics/{topic}/packages", get(packages::read).post(write::write))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take this method.")
        })
        .layer(body_limit)
        .with_state(gateway)
}

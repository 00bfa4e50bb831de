//! Plain HTTP for tools: topics, and the packages in them.

mod bodies;
mod ends;
mod extract;
mod lines;
mod packages;
mod topics;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, put};

pub(crate) use self::bodies::Bodies;
use crate::errors::Problem;
use crate::gateway::Gateway;

/// The routes: `GET /topics`, `PUT /topics/{topic}`, `GET` and `POST /topics/{topic}/packages`. Errors are problem
/// documents.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/topics", get(topics::list))
        .route("/topics/{topic}", put(topics::create))
        .route("/topics/{topic}/packages", get(packages::read).post(write::write))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take this method.")
        })
        .with_state(gateway)
}

//! Plain HTTP: Quix's Writer API, and for tools topics and the packages in them.

mod answer_body;
mod ask;
mod cursor;
mod ends;
mod extract;
mod form;
mod held;
mod json;
mod lines;
mod openapi;
mod packages;
mod request_bodies;
mod schemas;
mod source;
mod streams;
mod tail;
mod topics;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::extract::Body;
pub(crate) use self::held::{Held, MAX_HELD_BYTES};
pub(crate) use self::request_bodies::Bodies;
pub use self::schemas::WritingProblems;
use crate::errors::Problem;
use crate::gateway::Gateway;

/// The routes below `/topics`, and below `/swagger` what documents them. Errors are problem documents.
pub fn router(gateway: Arc<Gateway>) -> Router {
    router_with(gateway, OpenApiRouter::new())
}

/// The same and other routes, which stand in the same document.
pub fn router_with(gateway: Arc<Gateway>, others: OpenApiRouter<Arc<Gateway>>) -> Router {
    let (routes, document) = documented().merge(others).split_for_parts();
    routes
        .merge(openapi::routes(&document))
        .fallback(async || Problem::nowhere())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address does not take this method.")
        })
        .with_state(gateway)
}

/// The whole body of a request to a route that is not among these, within the limits that hold for them: of size, time, and
/// what all bodies together may hold. An error is the answer.
pub async fn read_body(request: Request, gateway: &Arc<Gateway>) -> Result<Bytes, Problem> {
    extract::Body::from_request(request, gateway).await.map(|extract::Body(body)| body)
}

fn documented() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(topics::list))
        .routes(routes!(topics::create))
        .routes(routes!(packages::read, write::write))
        .routes(routes!(streams::create))
        .routes(routes!(streams::update))
        .routes(routes!(streams::close))
        .routes(routes!(streams::send_parameter_data))
        .routes(routes!(streams::send_event_data))
        .routes(routes!(streams::put_parameter_definitions))
        .routes(routes!(streams::define_parameters))
        .routes(routes!(streams::put_event_definitions))
        .routes(routes!(streams::define_events))
}

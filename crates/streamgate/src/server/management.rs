//! The management listener: metrics, health, administration. Health is answered on the public port too, where it
//! says no reasons.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use quix_gateway::Problem;
use tokio::net::TcpListener;

use super::{State, host};

/// Serves until the task is dropped.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>, admin: Router, is_for_this_machine: bool) {
    let routes = health(state.clone(), true)
        .route("/metrics", get(metrics).with_state(state))
        .merge(admin)
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.") })
        .layer(from_fn(move |request, next| guard(request, next, is_for_this_machine)))
        .into_make_service_with_connect_info::<SocketAddr>();
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the management listener ended");
    }
}

/// `/health/live`, `/health/ready`, and the other names people try; with the reason why the server is not ready, or without.
pub(super) fn health(state: Arc<State>, tells_why: bool) -> Router {
    let mut routes = Router::new();
    for path in LIVE {
        routes = routes.route(path, get(|| async { "live\n" }));
    }
    for path in READY {
        routes = routes.route(path, get(async move |Shared(state): Shared<Arc<State>>| ready(&state, tells_why)));
    }
    routes.with_state(state)
}

pub(super) fn is_health(path: &str) -> bool {
    LIVE.contains(&path) || READY.contains(&path)
}

/// Metrics are for anybody who reaches this listener: where only this machine does, no page may reach it by a name of its
/// own that leads here, with authentication or without.
async fn guard(request: Request, next: Next, is_for_this_machine: bool) -> Response {
    let mut response = if is_for_this_machine && host::foreign_host(&request).is_some() {
        let detail = "This listener answers to the names of this machine only, such as localhost.";
        host::refuse(request.method(), StatusCode::MISDIRECTED_REQUEST, detail)
    } else {
        next.run(request).await
    };
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn ready(state: &State, tells_why: bool) -> Response {
    match state.unready() {
        None => "ready\n".into_response(),
        Some(_) if !tells_why => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")).into_response(),
    }
}

/// OpenMetrics text, as Prometheus reads it.
async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    let mut text = String::new();
    if let Err(error) = prometheus_client::encoding::text::encode(&mut text, &state.registry) {
        tracing::error!(%error, "the metrics cannot be written");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

const LIVE: [&str; 2] = ["/health/live", "/livez"];
const READY: [&str; 3] = ["/health/ready", "/readyz", "/healthz"];

//! The public listener: the hub, the HTTP API and the demo on one port, behind the checks that hold for all of them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use signalr_server::cors::{self, AllowedOrigins};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use super::{State, settings};
use crate::config::Config;

/// What the listener itself is told.
#[derive(Debug)]
pub(super) struct Settings {
    origins: AllowedOrigins,
    connections: usize,
    head_timeout: Duration,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        Self {
            origins: settings::origins(config),
            connections: config.limits.connections as usize,
            head_timeout: config.limits.head_timeout,
        }
    }
}

/// Accepts until the task is dropped.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>, routes: Router, settings: Settings) {
    let places = Arc::new(Semaphore::new(settings.connections));
    let door = Arc::new(Door { state, routes, settings });
    loop {
        // Out of descriptors, or the client gave up: neither is a reason to stop.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Requests in progress are bounded here, websockets by the hub. Past it the connection is closed unread.
        if let Ok(place) = places.clone().try_acquire_owned() {
            tokio::spawn(door.clone().serve(stream, place));
        }
    }
}

struct Door {
    state: Arc<State>,
    routes: Router,
    settings: Settings,
}

impl Door {
    async fn serve(self: Arc<Self>, stream: TcpStream, _place: OwnedSemaphorePermit) {
        let _ = stream.set_nodelay(true);
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.settings.head_timeout).max_buf_size(MAX_HEAD_BYTES);
        let service = service_fn(move |request| {
            let door = self.clone();
            async move { Ok::<_, Infallible>(door.answer(request).await) }
        });
        // An error here is the client's way of speaking HTTP, and has been answered as far as it can be.
        let _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let mut response = match refuse_foreign_host(&request) {
            Some(refused) => refused,
            None if self.state.hub.matches(request.uri().path()) => self.state.hub.answer(request).map(Body::new),
            None => self.answer_other(request).await,
        };
        let nosniff = HeaderValue::from_static("nosniff");
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        response
    }

    /// The HTTP API and the demo; the hub sees to origins by itself.
    async fn answer_other(&self, request: Request<Incoming>) -> Response<Body> {
        let origins = &self.settings.origins;
        if let Some(preflight) = origins.preflight(&request) {
            return preflight;
        }
        let origin = request.headers().get(header::ORIGIN).cloned();
        let mut response = if origins.allows_request(&request) {
            let answered = self.routes.clone().oneshot(request.map(Body::new)).await;
            answered.unwrap_or_else(|impossible| match impossible {})
        } else {
            refuse(StatusCode::FORBIDDEN, "Pages of this origin may not use this server; see allowed_origins.")
        };
        origins.apply(origin.as_ref(), response.headers_mut());
        response
    }
}

/// Without authentication a page of any site could reach this machine by a name of its own that leads here (DNS
/// rebinding); such a request carries that name as its host.
fn refuse_foreign_host<B>(request: &Request<B>) -> Option<Response<Body>> {
    let is_loopback = host(request.headers()).is_none_or(cors::is_loopback);
    (!is_loopback).then(|| {
        refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "Without authentication this server answers to the names of this machine only, such as localhost.",
        )
    })
}

/// The host without its port.
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().unwrap_or("?");
    Some(match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    })
}

fn refuse(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Largest request head, in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let ask = |host: &str| refuse_foreign_host(&Request::get("/").header("host", host).body(()).unwrap());
        for name in ["localhost", "localhost:8080", "writer-ws.localhost:80", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
            assert!(ask(name).is_none(), "{name}");
        }
        for name in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "10.0.0.1", "localhost:x"] {
            assert_eq!(ask(name).unwrap().status(), StatusCode::MISDIRECTED_REQUEST, "{name}");
        }
    }
}

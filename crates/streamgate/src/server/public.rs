//! The public listener: the hub, the HTTP API and the demo on one port, behind the checks that hold for all of them.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use kafka_bridge::metrics::LimitHits;
use quix_gateway::Problem;
use signalr_server::cors::{self, AllowedOrigins};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt;

use super::{State, management, settings, throttle::Throttle};
use crate::config::Config;

/// What the listener itself is told.
#[derive(Debug)]
pub(super) struct Settings {
    origins: AllowedOrigins,
    connections: usize,
    head_timeout: Duration,
    write_stall: Duration,
    limit_hits: LimitHits,
}

impl Settings {
    pub(super) fn new(config: &Config, limit_hits: LimitHits) -> Self {
        Self {
            origins: settings::origins(config),
            connections: config.limits.connections as usize,
            head_timeout: config.limits.head_timeout,
            write_stall: config.limits.write_stall,
            limit_hits,
        }
    }
}

/// Everything that comes in by the public port passes here.
#[derive(Debug)]
pub(super) struct Door {
    state: Arc<State>,
    routes: Router,
    settings: Settings,
    /// Whether no further requests are taken. Each connection that is not (yet) a websocket holds a receiver.
    closing: watch::Sender<bool>,
    foreign_origins: Throttle,
    foreign_hosts: Throttle,
}

impl Door {
    pub(super) fn new(state: Arc<State>, routes: Router, settings: Settings) -> Arc<Self> {
        let (foreign_origins, foreign_hosts) = Default::default();
        Arc::new(Self { state, routes, settings, closing: watch::Sender::new(false), foreign_origins, foreign_hosts })
    }

    /// Accepts until the task is dropped or the door closes.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut closing = self.closing.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = closing.wait_for(|closing| *closing) => return,
            };
            match accepted {
                Ok((stream, _)) if self.has_room() => {
                    tokio::spawn(self.clone().serve_connection(stream, self.closing.subscribe()));
                }
                // Closed unread.
                Ok(_) => drop(self.settings.limit_hits.get_or_create(&[("limit", "connections")]).inc()),
                // Out of descriptors, or the client gave up: neither is a reason to stop.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    /// Takes no more connections, and waits until the answers under way are sent.
    pub(super) async fn close(&self) {
        self.closing.send_replace(true);
        self.closing.closed().await;
    }

    /// Websockets are counted by the hub, which refuses politely; there is a little more room for being told so.
    fn has_room(&self) -> bool {
        let most = self.settings.connections + (self.settings.connections / 8).max(4);
        self.closing.receiver_count() + self.state.hub.connections() < most
    }

    async fn serve_connection(self: Arc<Self>, stream: TcpStream, mut closing: watch::Receiver<bool>) {
        let _ = stream.set_nodelay(true);
        // Websockets notice a stall by themselves and say so; this ends whatever else nobody reads, and dead peers.
        let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(self.settings.write_stall * 2));
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.settings.head_timeout).max_buf_size(MAX_HEAD_BYTES);
        let service = service_fn(move |request| {
            let door = self.clone();
            async move { Ok::<_, Infallible>(door.answer(request).await) }
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
        // An error here is the client's way of speaking HTTP, and has been answered as far as it can be.
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = closing.wait_for(|closing| *closing) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.note_foreign_origin(&request);
        let is_draining = self.state.is_draining();
        let mut response = match self.refuse_foreign_host(&request) {
            Some(refused) => refused,
            None if self.state.hub.matches(request.uri().path()) => self.state.hub.answer(request).await.map(Body::new),
            None => self.answer_other(request, is_draining).await,
        };
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if is_draining {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// The HTTP API and the demo; the hub sees to origins and to draining by itself.
    async fn answer_other(&self, request: Request<Incoming>, is_draining: bool) -> Response<Body> {
        let origins = &self.settings.origins;
        if let Some(preflight) = origins.preflight(&request) {
            return preflight;
        }
        let origin = request.headers().get(header::ORIGIN).cloned();
        let mut response = if !origins.allows_request(&request) {
            let detail = "Pages of this origin may not use this server; see its setting allowed_origins.";
            refuse(request.method(), StatusCode::FORBIDDEN, detail)
        } else if is_draining && !management::is_health(request.uri().path()) {
            refuse(request.method(), StatusCode::SERVICE_UNAVAILABLE, "The server is stopping; try again.")
        } else {
            let answered = self.routes.clone().oneshot(request.map(Body::new)).await;
            answered.unwrap_or_else(|impossible| match impossible {})
        };
        origins.apply(origin.as_ref(), response.headers_mut());
        response
    }

    fn note_foreign_origin(&self, request: &Request<Incoming>) {
        if self.settings.origins.allows_request(request) {
            return;
        }
        if let Some(unsaid) = self.foreign_origins.may_speak() {
            let origin = shown(request.headers().get(header::ORIGIN));
            tracing::warn!(origin, unsaid, "a page of another origin was refused; the setting allowed_origins decides");
        }
    }

    fn refuse_foreign_host<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let refused = refuse_foreign_host(request)?;
        if let Some(unsaid) = self.foreign_hosts.may_speak() {
            let host = shown(request.headers().get(header::HOST));
            tracing::warn!(
                host,
                unsaid,
                "a request for another host was refused: without authentication, loopback only"
            );
        }
        Some(refused)
    }
}

/// Without authentication a page of any site could reach this machine by a name of its own that leads here (DNS
/// rebinding); such a request carries that name as its host.
pub(super) fn refuse_foreign_host<B>(request: &Request<B>) -> Option<Response<Body>> {
    let is_loopback = host(request.headers()).is_none_or(cors::is_loopback);
    (!is_loopback).then(|| {
        let detail = "Without authentication this server answers to the names of this machine only, such as localhost.";
        refuse(request.method(), StatusCode::MISDIRECTED_REQUEST, detail)
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

/// Whatever the request would have written, it did not.
fn refuse(method: &Method, status: StatusCode, detail: &'static str) -> Response<Body> {
    let kind = (method == Method::POST).then_some("NotWritten");
    Problem { kind, ..Problem::new(status, detail) }.into_response()
}

/// A client's text for the log, which escapes it.
fn shown(value: Option<&HeaderValue>) -> String {
    let text = String::from_utf8_lossy(value.map(HeaderValue::as_bytes).unwrap_or_default());
    text.chars().take(MAX_SHOWN).collect::<String>().escape_debug().to_string()
}

/// Largest request head, in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Characters of a client's text that a log line repeats.
const MAX_SHOWN: usize = 100;

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

//! `HubServer`: a hub at a path, as a hyper service and as a server by itself.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use signalr_proto::CloseReason;
use tokio::net::{TcpListener, TcpStream};

use crate::clients::Clients;
use crate::connection::{self, InputShares};
use crate::connection_store::{Claim, ConnectionStore};
use crate::directory::Directory;
use crate::groups::Groups;
use crate::hub::Hub;
use crate::ids::{ConnectionId, ConnectionToken};
use crate::metrics::Metrics;
use crate::negotiate::negotiate;
use crate::options::Options;
use crate::outbox::Bounds;
use crate::transport::websocket::{self, Limits};

/// Body of every response.
pub type Body = Full<Bytes>;

/// A hub at a path. Cheap to clone; clones share the hub and its connections.
///
/// As a [`Service`] it answers requests below its path and 404 to others; any hyper server that allows upgrades can host
/// it. Connections over a plain `TcpStream` of `hyper::server::conn::http1` are written to directly by whoever sends;
/// over anything else (TLS, other servers) their own task writes.
#[derive(Debug, Clone)]
pub struct HubServer {
    shared: Arc<Shared>,
}

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    path: Box<str>,
    pub(crate) hub: Hub,
    pub(crate) options: Options,
    pub(crate) protocol: Arc<signalr_proto::Options>,
    pub(crate) bounds: Arc<Bounds>,
    pub(crate) frame_limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) store: ConnectionStore,
    pub(crate) groups: Directory,
    pub(crate) users: Directory,
    /// Upgraded connections, those before their handshake included.
    open: AtomicUsize,
    /// Calls that have begun and wait.
    pub(crate) calls_waiting: AtomicUsize,
    /// Unfinished input that connections hold.
    pub(crate) input: InputShares,
    pub(crate) draining: AtomicBool,
}

impl HubServer {
    /// Puts `hub` at `path`, such as `/hub`; paths are matched without case.
    pub fn new(path: &str, hub: Hub, options: Options) -> Self {
        Self::with_metrics(path, hub, options, Metrics::default())
    }

    /// The same with metrics that are registered elsewhere.
    pub fn with_metrics(path: &str, mut hub: Hub, options: Options, metrics: Metrics) -> Self {
        hub.count_in(&metrics);
        let shared = Shared {
            path: path.trim_end_matches('/').to_ascii_lowercase().into(),
            hub,
            protocol: Arc::new(options.protocol.clone()),
            bounds: Arc::new(Bounds {
                bytes: options.max_queued_bytes,
                frames: options.max_queued_frames,
                total_bytes: options.max_total_queued_bytes,
                age: options.max_queued_age,
                stall: options.max_write_stall,
            }),
            frame_limits: Limits {
                frame_bytes: options.max_frame_bytes,
                message_bytes: options.max_frame_bytes.saturating_mul(2),
                fragments: MAX_FRAGMENTS,
            },
            metrics,
            options,
            store: ConnectionStore::default(),
            groups: Directory::default(),
            users: Directory::default(),
            open: AtomicUsize::new(0),
            calls_waiting: AtomicUsize::new(0),
            input: InputShares::default(),
            draining: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The connections of this server, for sending from outside of hub methods.
    pub fn clients(&self) -> Clients {
        Clients { server: Some(self.shared.clone()) }
    }

    /// The groups of this server, for use from outside of hub methods.
    pub fn groups(&self) -> Groups {
        Groups { server: Some(self.shared.clone()) }
    }

    /// Whether a request for this path is this hub's.
    pub fn matches(&self, path: &str) -> bool {
        self.shared.route(path).is_some()
    }

    /// Calls that have begun and are not answered yet, over all connections.
    pub fn calls_in_flight(&self) -> usize {
        self.shared.calls_waiting.load(Ordering::Relaxed)
    }

    /// Websockets that are open, those before their handshake and those saying goodbye included.
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Accepts connections of `listener` and serves nothing but this hub, until the future is dropped.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        loop {
            // A failed accept is the client's, or a lack of descriptors that will pass.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            tokio::spawn(self.clone().serve_connection(stream));
        }
    }

    async fn serve_connection(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
        // An error here is the client's way of speaking HTTP; it has been answered as far as it can be.
        let _ = http.serve_connection(TokioIo::new(stream), self).with_upgrades().await;
    }

    /// Stops: new connections are refused, no new calls are read, calls under way are answered, and then every client is
    /// told to come back later, spread over [`Options::drain_spread`].
    pub async fn drain(&self) {
        let server = &self.shared;
        server.draining.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + server.options.drain_calls_timeout;
        while self.calls_in_flight() > 0 && Instant::now() < deadline {
            tokio::time::sleep(DRAIN_TICK).await;
        }
        let connections = server.store.connections(&[]);
        let (start, pause) =
            (tokio::time::Instant::now(), server.options.drain_spread / connections.len().max(1) as u32);
        for (index, connection) in (1..).zip(connections) {
            connection.end(CloseReason::Draining);
            // Timers tick in milliseconds: only points in time from the start add up to the whole.
            tokio::time::sleep_until(start + pause * index).await;
        }
    }

    /// Answers one request; see [`HubServer`]. `B`'s body is not read: no request of WebSockets has one.
    pub fn answer<B>(&self, mut request: Request<B>) -> Response<Body> {
        let origins = &self.shared.options.allowed_origins;
        if let Some(preflight) = origins.preflight(&request) {
            return preflight;
        }
        let origin = request.headers().get(header::ORIGIN).cloned();
        let mut response = if origins.allows_request(&request) {
            self.shared.clone().route_request(&mut request)
        } else {
            self.shared.metrics.refuse("origin");
            tracing::debug!(?origin, "a page of this origin may not connect; see `allowed_origins`");
            text(StatusCode::FORBIDDEN, "Pages of this origin may not connect.")
        };
        origins.apply(origin.as_ref(), response.headers_mut());
        response
    }
}

impl<B> Service<Request<B>> for HubServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = futures::future::Ready<Result<Self::Response, Self::Error>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        futures::future::ready(Ok(self.answer(request)))
    }
}

enum Route {
    Hub,
    Negotiate,
}

impl Shared {
    fn route(&self, path: &str) -> Option<Route> {
        let rest = path.get(self.path.len()..)?;
        if !path[..self.path.len()].eq_ignore_ascii_case(&self.path) {
            return None;
        }
        match rest {
            "" | "/" => Some(Route::Hub),
            _ if rest.eq_ignore_ascii_case("/negotiate") => Some(Route::Negotiate),
            _ => None,
        }
    }

    fn route_request<B>(self: Arc<Self>, request: &mut Request<B>) -> Response<Body> {
        match self.route(request.uri().path()) {
            None => status(StatusCode::NOT_FOUND),
            Some(Route::Negotiate) if request.method() != Method::POST => status(StatusCode::METHOD_NOT_ALLOWED),
            Some(_) if self.draining.load(Ordering::Relaxed) => self.unavailable("drain"),
            Some(Route::Negotiate) => self.negotiate(request),
            Some(Route::Hub) => match websocket::accept(request) {
                Some(Ok(accept)) => self.connect(request, accept),
                Some(Err(refused)) => {
                    let mut response = status(refused);
                    response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                    response
                }
                None => self.other_transport(request),
            },
        }
    }

    fn negotiate<B>(&self, request: &Request<B>) -> Response<Body> {
        let asked = query(request, "negotiateVersion");
        let Some(document) = negotiate(self, asked.as_deref(), Instant::now()) else {
            self.metrics.limit_hit("negotiated");
            return self.unavailable("negotiated");
        };
        let body = serde_json::to_vec(&document).expect("texts always serialise");
        let mut response = Response::new(Full::from(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Grants a websocket: with a negotiated token, or without negotiation.
    fn connect<B>(self: Arc<Self>, request: &mut Request<B>, accept: HeaderValue) -> Response<Body> {
        if self.open.load(Ordering::Relaxed) >= self.options.max_connections {
            self.metrics.limit_hit("connections");
            return self.unavailable("connections");
        }
        let (id, token) = match query(request, "id") {
            None => (ConnectionId::random(), None),
            Some(presented) => {
                let token = ConnectionToken::parse(&presented);
                match token.map_or(Claim::Unknown, |token| self.claim(token)) {
                    Claim::Granted(id) => (id, token),
                    Claim::InUse => return status(StatusCode::CONFLICT),
                    Claim::Unknown => return unknown_connection(),
                }
            }
        };
        self.open.fetch_add(1, Ordering::Relaxed);
        self.metrics.connections.inc();
        let upgrade = hyper::upgrade::on(request);
        // Nothing of the request may live on in this task: a single kept header would pin the whole head's buffer.
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let (io, early) = websocket::into_io(upgraded);
                    tokio::spawn(connection::run(self, io, early, id, token));
                }
                Err(_) => {
                    self.connection_ended();
                    token.inspect(|token| self.store.forget_token(*token));
                }
            }
        });
        let mut response = status(StatusCode::SWITCHING_PROTOCOLS);
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        response
    }

    fn claim(&self, token: ConnectionToken) -> Claim {
        let claim = self.store.claim(token, Instant::now(), self.options.disconnect_timeout);
        self.metrics.negotiated.set(self.store.waiting() as i64);
        claim
    }

    /// What requests of the transports that are not there, or that do not fit a websocket, are told.
    fn other_transport<B>(&self, request: &Request<B>) -> Response<Body> {
        if ![Method::GET, Method::POST, Method::DELETE].contains(request.method()) {
            return status(StatusCode::METHOD_NOT_ALLOWED);
        }
        let Some(presented) = query(request, "id") else {
            return text(StatusCode::BAD_REQUEST, "Connection ID required");
        };
        let known = ConnectionToken::parse(&presented).and_then(|token| self.store.is_in_use(token));
        let Some(is_websocket) = known else {
            return unknown_connection();
        };
        match *request.method() {
            Method::POST if is_websocket => {
                text(StatusCode::METHOD_NOT_ALLOWED, "POST requests are not allowed for WebSocket connections.")
            }
            Method::DELETE if is_websocket => {
                text(StatusCode::BAD_REQUEST, "Cannot terminate this connection using the DELETE endpoint.")
            }
            Method::GET if is_websocket => text(StatusCode::BAD_REQUEST, "Cannot change transports mid-connection"),
            Method::GET if accepts_event_stream(request) => {
                text(StatusCode::NOT_FOUND, "ServerSentEvents transport not supported by this end point type")
            }
            Method::GET => text(StatusCode::NOT_FOUND, "LongPolling transport not supported by this end point type"),
            _ => unknown_connection(),
        }
    }

    fn unavailable(&self, reason: &'static str) -> Response<Body> {
        self.metrics.refuse(reason);
        let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "The server cannot take this connection now.");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        response
    }

    pub(crate) fn connection_ended(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.metrics.connections.dec();
    }
}

fn unknown_connection() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "No Connection with that ID")
}

fn accepts_event_stream<B>(request: &Request<B>) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// A parameter of the query; names are compared without case. Ids and versions need no percent-decoding.
fn query<B>(request: &Request<B>, name: &str) -> Option<String> {
    let pairs = request.uri().query()?.split('&');
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

fn text(code: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = status(code);
    *response.body_mut() = Full::from(text);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// Fragments of one websocket message, empty ones included.
const MAX_FRAGMENTS: u32 = 4096;

const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest request head, in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often a stopping server looks whether its calls have ended.
const DRAIN_TICK: Duration = Duration::from_millis(10);

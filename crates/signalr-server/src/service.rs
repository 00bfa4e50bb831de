//! `HubServer`: a hub at a path, as a hyper service and as a server by itself.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::service::Service;
use hyper::{Request, Response};
use signalr_proto::CloseReason;
use tokio::net::TcpListener;

use crate::address::Counts;
use crate::body::{Body, RequestBody};
use crate::clients::Clients;
use crate::clock;
use crate::connection::{AllDetached, InputShares};
use crate::connection_store::ConnectionStore;
use crate::directory::Directory;
use crate::groups::Groups;
use crate::http;
use crate::hub::Hub;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::outbox::{Bounds, Total};
use crate::pace::Paces;
use crate::raw;
use crate::transport::Transport;
use crate::transport::websocket::Limits;

/// A hub at a path. Cheap to clone; clones share the hub and its connections.
///
/// As a [`Service`] it answers requests below its path and 404 to others; any hyper server that allows upgrades can host
/// it. It is a tower service as well: `axum::Router::fallback_service` takes it as it is, `nest_service` cuts off its own
/// part of the path, so that a nested hub's is `/`. Connections over a plain `TcpStream` of `hyper::server::conn::http1`
/// or `axum::serve` are written to directly by whoever sends; over anything else (TLS, other servers) their own task writes.
#[derive(Debug, Clone)]
pub struct HubServer {
    pub(crate) shared: Arc<Shared>,
}

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) path: Box<str>,
    pub(crate) hub: Hub,
    /// Serves connections without hub protocol, in the hub's place.
    pub(crate) raw: Option<raw::Handler>,
    pub(crate) options: Options,
    pub(crate) protocol: Arc<signalr_proto::Options>,
    pub(crate) bounds: Arc<Bounds>,
    pub(crate) frame_limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) store: Arc<ConnectionStore>,
    pub(crate) groups: Directory,
    pub(crate) users: Directory,
    /// Open connections by address.
    pub(crate) open_of: Counts,
    /// Connections that have begun, those before their handshake included.
    pub(crate) open: AtomicUsize,
    /// Those of them that are websockets.
    pub(crate) websockets: AtomicUsize,
    /// Calls that have begun and wait.
    pub(crate) calls_waiting: AtomicUsize,
    /// Of the calls of users, where these are bounded; connections that are nobody's keep their own.
    pub(crate) paces: Option<Paces<Box<str>>>,
    /// Unfinished input that connections hold.
    pub(crate) input: InputShares,
    pub(crate) detached: AllDetached,
    pub(crate) draining: AtomicBool,
}

impl HubServer {
    /// Puts `hub` at `path`, such as `/hub`; paths are matched without case.
    pub fn new(path: &str, hub: Hub, options: Options) -> Self {
        Self::with_metrics(path, hub, options, Metrics::default())
    }

    /// The same with metrics that are registered elsewhere.
    pub fn with_metrics(path: &str, hub: Hub, options: Options, metrics: Metrics) -> Self {
        Self::of(path, hub, options, metrics, None)
    }

    pub(crate) fn of(path: &str, mut hub: Hub, options: Options, metrics: Metrics, raw: Option<raw::Handler>) -> Self {
        hub.count_in(&metrics);
        let store = Arc::new(ConnectionStore::default());
        let shared = Shared {
            path: path.trim_end_matches('/').to_ascii_lowercase().into(),
            hub,
            raw,
            protocol: Arc::new(options.protocol.clone()),
            bounds: Arc::new(Bounds {
                bytes: options.max_queued_bytes,
                frames: options.max_queued_frames,
                total: Total::new(options.max_total_queued_bytes, &store),
                unacknowledged: options.reconnect_buffer,
                age: options.max_queued_age,
                stall: options.max_write_stall,
            }),
            frame_limits: Limits {
                frame_bytes: options.max_frame_bytes,
                message_bytes: options.max_frame_bytes.saturating_mul(2),
                fragments: MAX_FRAGMENTS,
            },
            metrics: Arc::new(metrics),
            paces: options.max_calls_per_second.map(Paces::new),
            options,
            store,
            groups: Directory::default(),
            users: Directory::default(),
            open_of: Counts::default(),
            open: AtomicUsize::new(0),
            websockets: AtomicUsize::new(0),
            calls_waiting: AtomicUsize::new(0),
            input: InputShares::default(),
            detached: AllDetached::default(),
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

    /// Counts a call of a user that comes by another way than the hub with those that come by it
    /// ([`Options::max_calls_per_second`]).
    ///
    /// # Errors
    /// When such a call may be made again; this one is not counted.
    pub fn take_call(&self, user_id: &str) -> Result<(), Instant> {
        self.shared.paces.as_ref().map_or(Ok(()), |paces| paces.take(user_id, clock::now()))
    }

    /// Calls that have begun and are not answered yet, over all connections.
    pub fn calls_in_flight(&self) -> usize {
        self.shared.calls_waiting.load(Ordering::Relaxed)
    }

    /// Connections that are open, those before their handshake and those saying goodbye included.
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Those of [`connections`](Self::connections) that are websockets. Over HTTP/1.1 their sockets have left the HTTP server,
    /// whose own count they are missing from; what carries the others is counted there.
    pub fn websockets(&self) -> usize {
        self.shared.websockets.load(Ordering::Relaxed)
    }

    /// Accepts connections of `listener` and serves nothing but this hub, until the future is dropped.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        loop {
            // A failed accept is the client's, or a lack of descriptors that will pass.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            tokio::spawn(http::serve(stream, self.clone()));
        }
    }

    /// Stops: new connections are refused, no new calls are read, calls under way are answered, and then every client is
    /// told to come back later, spread over [`Options::drain_spread`].
    pub async fn drain(&self) {
        let server = &self.shared;
        server.draining.store(true, Ordering::Relaxed);
        let deadline = clock::now() + server.options.drain_calls_timeout;
        while self.calls_in_flight() > 0 && clock::now() < deadline {
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
}

impl<B> Service<Request<B>> for HubServer
where
    B: RequestBody,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        let server = self.clone();
        async move { Ok(server.answer(request).await) }.boxed()
    }
}

impl Shared {
    pub(crate) fn connection_began(&self, transport: Transport) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.websockets.fetch_add(usize::from(transport == Transport::WebSockets), Ordering::Relaxed);
        self.metrics.connections.inc();
    }

    pub(crate) fn connection_ended(&self, transport: Transport) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.websockets.fetch_sub(usize::from(transport == Transport::WebSockets), Ordering::Relaxed);
        self.metrics.connections.dec();
    }
}

/// Fragments of one websocket message, empty ones included.
const MAX_FRAGMENTS: u32 = 4096;

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often a stopping server looks whether its calls have ended.
const DRAIN_TICK: Duration = Duration::from_millis(10);

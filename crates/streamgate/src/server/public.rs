//! The listeners for strangers: the hub, the HTTP API, the demo and the portal, behind the checks that hold for all of them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use kafka_bridge::metrics::LimitHits;
use quix_gateway::Visitor;
use quix_gateway::portal::{Portal, Refusal};
use signalr_server::cors::AllowedOrigins;
use signalr_server::{ClientAddress, Paces};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt;

use super::addresses::{self, Addresses, Admission, Place};
use super::connection::Visit;
use super::host::{foreign_host, refuse, refuse_foreign_host};
use super::newcomers::Newcomers;
use super::{
    Certificate, State, demo, entrance::Entrance, forwarded, management, portal::PortalDoor, settings,
    throttle::Throttle, webhooks::Inbound,
};
use crate::config::{Config, Limits, Network};

/// What the listener itself is told.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) certificate: Option<Arc<Certificate>>,
    origins: AllowedOrigins,
    /// Whether only names of this machine are answered to.
    is_for_this_machine: bool,
    pub(super) limits: Limits,
    /// Proxies that are believed whom they forward.
    trusted_proxies: Vec<Network>,
    limit_hits: LimitHits,
}

impl Settings {
    pub(super) fn new(config: &Config, certificate: Option<Arc<Certificate>>, limit_hits: LimitHits) -> Self {
        let is_for_this_machine = settings::is_for_this_machine(config);
        let (origins, limits) = (settings::origins(config), settings::limits(config));
        let trusted_proxies = config.trusted_proxies.clone();
        Self { certificate, origins, is_for_this_machine, limits, trusted_proxies, limit_hits }
    }
}

/// What a listener answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Everything.
    Both,
    /// Everything but the portal, which is elsewhere.
    Hubs,
    /// The portal, and health.
    Portal,
}

/// Everything that comes in by the public port, or the portal's own, passes here.
#[derive(Debug)]
pub(super) struct Door {
    state: Arc<State>,
    routes: Router,
    inbound: Inbound,
    portal: PortalDoor,
    pub(super) settings: Settings,
    addresses: Addresses,
    newcomers: Newcomers,
    /// Of writes over HTTP that are nobody's, where these are bounded.
    paces: Option<Paces<IpAddr>>,
    entrance: Arc<Entrance>,
    /// Whether no further requests are taken. Each connection that is not (yet) a websocket holds a receiver.
    closing: watch::Sender<bool>,
    foreign_origins: Throttle,
    foreign_hosts: Throttle,
    full_addresses: Throttle,
}

impl Door {
    pub(super) fn new(
        state: Arc<State>,
        routes: Router,
        inbound: Inbound,
        portal: PortalDoor,
        settings: Settings,
        entrance: Arc<Entrance>,
    ) -> Arc<Self> {
        let (addresses, newcomers) = (Addresses::new(&settings.limits), Newcomers::new(&settings.limits));
        let paces = settings.limits.calls().map(Paces::new);
        let (foreign_origins, foreign_hosts, full_addresses) = Default::default();
        let closing = watch::Sender::new(false);
        Arc::new(Self {
            state,
            routes,
            inbound,
            portal,
            settings,
            addresses,
            newcomers,
            paces,
            entrance,
            closing,
            foreign_origins,
            foreign_hosts,
            full_addresses,
        })
    }

    /// Accepts until the task is dropped or the door closes.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener, side: Side) {
        let mut closing = self.closing.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = closing.wait_for(|closing| *closing) => return,
            };
            match accepted {
                Ok((stream, client)) => {
                    // Whoever is not let in is closed unread.
                    if let Some(visit) = self.meet(client.ip(), side) {
                        tokio::spawn(self.clone().receive(stream, visit, self.closing.subscribe()));
                    }
                }
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

    fn meet(&self, client: IpAddr, side: Side) -> Option<Visit> {
        if !self.has_room() {
            self.hit("connections");
            return None;
        }
        // A proxy's connections are those of its clients, who are known with their requests.
        if self.is_trusted(client) {
            return Some(self.visit(client, side, None, false));
        }
        let (limit, place) = match self.addresses.admit(client, Instant::now()) {
            Admission::Served(place) => return Some(self.visit(client, side, place, false)),
            Admission::Refused(limit, place) => (limit, Some(place)),
            Admission::Unread(limit) => (limit, None),
        };
        self.hit(limit);
        if let Some(unsaid) = self.full_addresses.may_speak() {
            tracing::warn!(%client, unsaid, "connections of an address were refused; the setting limits.{limit} decides");
        }
        // An answer over TLS would cost more than it is worth.
        let place = place.filter(|_| self.settings.certificate.is_none())?;
        Some(self.visit(client, side, Some(place), true))
    }

    fn visit(&self, client: IpAddr, side: Side, place: Option<Place>, refused: bool) -> Visit {
        let most = self.settings.limits.unauthenticated_of(client.to_canonical()).filter(|_| !self.is_trusted(client));
        let (newcomer, limit) = self.newcomers.arrive(client, most);
        if let Some(limit) = limit {
            self.hit(limit);
        }
        Visit { client, side, newcomer, place, refused }
    }

    fn is_trusted(&self, client: IpAddr) -> bool {
        self.settings.trusted_proxies.iter().any(|network| network.contains(client))
    }

    /// Websockets are counted by the hub, which refuses politely; there is a little more room for being told so. Its other
    /// connections are among those that have not closed.
    fn has_room(&self) -> bool {
        let most = self.settings.limits.connections as usize;
        self.closing.receiver_count() + self.state.hub.websockets() < most + (most / 8).max(4)
    }

    pub(super) fn hit(&self, limit: &'static str) {
        self.settings.limit_hits.get_or_create(&[("limit", limit)]).inc();
    }

    pub(super) async fn answer(&self, mut request: Request<Incoming>, mut visit: Visit) -> Response<Body> {
        visit.client = forwarded::client(visit.client, request.headers(), &self.settings.trusted_proxies);
        self.note_foreign_origin(&request);
        let is_draining = self.state.is_draining();
        // HTTP/2 has no such header: its connections are told by a frame.
        let closes = request.version() < Version::HTTP_2 && (is_draining || visit.refused);
        // A webhook may be at one of the portal's addresses while that is off.
        let is_portals = Portal::takes(request.uri().path()) && !self.inbound.takes(request.uri().path());
        let mut response = if visit.refused {
            let detail = "There are too many connections of this address; try again later.";
            if is_portals {
                Refusal::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response()
            } else {
                refuse(request.method(), StatusCode::TOO_MANY_REQUESTS, detail)
            }
        } else if let Some(elsewhere) = elsewhere(request.uri().path(), visit.side, is_portals) {
            Refusal::new(StatusCode::NOT_FOUND, elsewhere).into_response()
        } else if is_portals {
            self.portal.answer(request, &visit, is_draining).await
        } else if let Some(refused) = self.refuse_foreign_host(&request) {
            refused
        } else {
            match self.let_in(&mut request, &visit) {
                Ok(()) if self.state.hub.matches(request.uri().path()) => {
                    self.state.hub.answer(request).await.map(Body::new)
                }
                Ok(()) => self.answer_other(request, &visit, is_draining).await,
                Err(refused) => *refused,
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if visit.refused {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Asks for a token where one is needed, and tells the hub and the routes whose it is. Nothing was made for the request
    /// yet.
    fn let_in(&self, request: &mut Request<Incoming>, visit: &Visit) -> Result<(), Box<Response<Body>>> {
        let path = request.uri().path();
        let is_for_anybody = is_open(path) || self.inbound.takes(path) || AllowedOrigins::is_preflight(request);
        let admitted = if is_for_anybody { Ok(None) } else { self.entrance.admit(request, visit.client) };
        let visitor = admitted.map_err(|mut refused| {
            self.settings.origins.apply(request.headers().get(header::ORIGIN), refused.headers_mut());
            refused
        })?;
        // What anybody may ask does not make a stranger less of one.
        if visitor.is_some() || self.entrance.is_for_anybody() {
            visit.newcomer.is_let_in();
            visit.introduce(request, visitor);
            self.locate(request, visit.client);
        }
        Ok(())
    }

    /// Tells the hub where a request comes from, if it has to count by that.
    fn locate(&self, request: &mut Request<Incoming>, client: IpAddr) {
        let (client, limits) = (client.to_canonical(), &self.settings.limits);
        let (max_connections, max_negotiated) = (limits.connections_of(client), limits.negotiated_of(client));
        if max_connections.is_some() || max_negotiated.is_some() {
            let address = addresses::network(client);
            request.extensions_mut().insert(ClientAddress { address, max_connections, max_negotiated });
        }
    }

    /// The answer to a write that comes too fast after others of its user, or of its address if it is nobody's.
    fn slow_down(&self, request: &Request<Incoming>, client: IpAddr) -> Option<Response<Body>> {
        let (paces, now) = (self.paces.as_ref()?, Instant::now());
        if ![Method::POST, Method::PUT].contains(request.method()) || !request.uri().path().starts_with("/topics") {
            return None;
        }
        let grant = request.extensions().get::<Visitor>().and_then(Visitor::grant);
        let taken = match grant.and_then(|grant| grant.subject.as_deref()) {
            Some(user) => self.state.hub.take_call(user),
            None => paces.take(&addresses::network(client.to_canonical()), now),
        };
        let until = taken.err()?;
        self.hit("calls_per_second");
        let detail = "These calls come too fast (limit `calls_per_second`); try again later.";
        let mut response = refuse(request.method(), StatusCode::TOO_MANY_REQUESTS, detail);
        let seconds = until.saturating_duration_since(now).as_secs() + 1;
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        Some(response)
    }

    /// The HTTP API, webhooks and the demo; the hub sees to origins and to draining by itself.
    async fn answer_other(&self, request: Request<Incoming>, visit: &Visit, is_draining: bool) -> Response<Body> {
        let origins = &self.settings.origins;
        if let Some(preflight) = origins.preflight(&request) {
            return preflight;
        }
        let origin = request.headers().get(header::ORIGIN).cloned();
        let is_foreign = self.entrance.is_for_anybody() && is_of_foreign_page(&request);
        let mut response = if !origins.allows_request(&request) || is_foreign {
            let detail = "Pages of this origin may not use this server; see its setting allowed_origins.";
            refuse(request.method(), StatusCode::FORBIDDEN, detail)
        } else if is_draining && !management::is_health(request.uri().path()) {
            refuse(request.method(), StatusCode::SERVICE_UNAVAILABLE, "The server is stopping; try again.")
        } else if self.inbound.takes(request.uri().path()) {
            let answer = self.inbound.answer(request.map(Body::new), visit.client).await;
            if answer.status().is_success() {
                visit.newcomer.is_let_in();
            }
            answer
        } else if let Some(slowed) = self.slow_down(&request, visit.client) {
            slowed
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
            let origin = shown(request.headers().get(header::ORIGIN).map(HeaderValue::as_bytes));
            tracing::warn!(origin, unsaid, "a page of another origin was refused; the setting allowed_origins decides");
        }
    }

    fn refuse_foreign_host<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        // A signature proves more than the name that was used, and senders come by those of tunnels.
        if !self.settings.is_for_this_machine || self.inbound.guards(request.uri().path()) {
            return None;
        }
        let refused = refuse_foreign_host(request)?;
        if let Some(unsaid) = self.foreign_hosts.may_speak() {
            let host = shown(foreign_host(request));
            tracing::warn!(
                host,
                unsaid,
                "a request for another host was refused: without authentication, loopback only"
            );
        }
        Some(refused)
    }
}

/// What is said of an address that another listener has.
fn elsewhere(path: &str, side: Side, is_portals: bool) -> Option<&'static str> {
    match side {
        Side::Hubs if is_portals => Some(PORTAL_ELSEWHERE),
        Side::Portal if !is_portals && !management::is_health(path) => Some(HUBS_ELSEWHERE),
        Side::Both | Side::Hubs | Side::Portal => None,
    }
}

/// What is shown to anybody: how the server is, its demo, and the description of its API.
fn is_open(path: &str) -> bool {
    let is_below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    management::is_health(path) || demo::is_page(path) || is_below("/swagger") || is_below("/openapi")
}

/// Whether a browser asks for a page of elsewhere, without saying whose: as it does for images, frames and links. What they
/// ask for is not shown to that page, but it would be done.
fn is_of_foreign_page<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.uri().path().starts_with("/topics")
        && !headers.contains_key(header::ORIGIN)
        && headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

/// A client's text for the log, which escapes it.
fn shown(text: Option<&[u8]>) -> String {
    let text = String::from_utf8_lossy(text.unwrap_or_default());
    text.chars().take(MAX_SHOWN).collect::<String>().escape_debug().to_string()
}

const PORTAL_ELSEWHERE: &str = "The portal of this server is at an address of its own. Set Quix__Portal__Api to it; the server's \
                                setting portal.listen says which.";
const HUBS_ELSEWHERE: &str =
    "This address is that of the server's portal alone. Hubs and the HTTP API are at its setting listen.";

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Seconds until an address that has too many connections may try again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Characters of a client's text that a log line repeats.
const MAX_SHOWN: usize = 100;

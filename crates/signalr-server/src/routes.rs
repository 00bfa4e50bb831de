//! What each request of a hub is answered: negotiation, the three transports, and the statuses of all that does not fit.

mod http;
mod websocket;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use crate::address::{ClientAddress, Full, Seat};
use crate::body::{Body, RequestBody};
use crate::clock;
use crate::connection::ConnectionHandle;
use crate::connection_store::{Claim, Early, Found, Used, Waiting};
use crate::ids::ConnectionToken;
use crate::negotiate::{Asked, negotiate};
use crate::outbox::{Drain, Outbox};
use crate::refusal::Refusal;
use crate::service::{HubServer, Shared};
use crate::transport::Transport;
use crate::transport::websocket::accept;
use crate::user::User;

impl HubServer {
    /// Answers one request; see [`HubServer`].
    pub async fn answer<B: RequestBody>(&self, request: Request<B>) -> Response<Body> {
        let origins = &self.shared.options.allowed_origins;
        if let Some(preflight) = origins.preflight(&request) {
            return preflight;
        }
        let origin = request.headers().get(header::ORIGIN).cloned();
        let answered = if origins.allows_request(&request) {
            self.shared.clone().route_request(request).await
        } else {
            self.shared.metrics.refuse("origin");
            tracing::debug!(?origin, "a page of this origin may not connect; see `allowed_origins`");
            Err(Refusal::foreign_origin())
        };
        let mut response = answered.unwrap_or_else(Refusal::into);
        origins.apply(origin.as_ref(), response.headers_mut());
        response
    }
}

pub(crate) enum Route {
    Hub,
    Negotiate,
}

impl Shared {
    pub(crate) fn route(&self, path: &str) -> Option<Route> {
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

    async fn route_request<B: RequestBody>(self: Arc<Self>, request: Request<B>) -> Result<Response<Body>, Refusal> {
        let (head, body) = request.into_parts();
        match self.route(head.uri.path()) {
            None => Err(Refusal::status(StatusCode::NOT_FOUND)),
            Some(Route::Negotiate) if head.method != Method::POST => {
                Err(Refusal::status(StatusCode::METHOD_NOT_ALLOWED))
            }
            Some(Route::Negotiate) => {
                self.authenticate(&head).await?;
                self.negotiate(&head)
            }
            Some(Route::Hub) => {
                let user = self.authenticate(&head).await?;
                match accept(&head) {
                    Some(Ok(grant)) => self.connect_websocket(head, user, grant),
                    Some(Err(refused)) => Err(Refusal::no_websocket(refused)),
                    None => self.http_request(head, user, body).await,
                }
            }
        }
    }

    async fn authenticate(&self, head: &Parts) -> Result<Option<User>, Refusal> {
        let Some(authentication) = &self.options.authentication else { return Ok(None) };
        let authenticated = authentication.authenticate(head).await;
        authenticated.inspect_err(|_| self.metrics.refuse("authentication")).map_err(Refusal::from)
    }

    fn negotiate(&self, head: &Parts) -> Result<Response<Body>, Refusal> {
        if self.is_draining() {
            return Err(self.unavailable("drain"));
        }
        let is_true = |value: &str| value.eq_ignore_ascii_case("true");
        let asked = Asked {
            version: query(head, "negotiateVersion"),
            stateful_reconnect: query(head, "useStatefulReconnect").is_some_and(is_true),
            address: head.extensions.get(),
        };
        let document = negotiate(self, asked, clock::now()).map_err(|full| match full {
            Full::All => {
                self.metrics.limit_hit("negotiated");
                self.unavailable("negotiated")
            }
            Full::Address => self.full_address("negotiated_per_address"),
        })?;
        let mut response = Response::new(serde_json::to_vec(&document).expect("texts always serialise").into());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    fn claim(&self, token: ConnectionToken, begin: impl FnOnce(Waiting, Early) -> Used) -> Claim {
        let claim = self.store.claim(token, clock::now(), self.options.disconnect_timeout, begin);
        self.metrics.negotiated.set(self.store.waiting() as i64);
        claim
    }

    fn find(&self, token: ConnectionToken, user: Option<&User>) -> Result<Found, Refusal> {
        let found = self.store.find(token, user, clock::now(), self.options.disconnect_timeout);
        found.ok_or_else(Refusal::unknown_connection)
    }

    fn outbox(&self, socket: Option<tokio::net::TcpStream>, drain: Drain) -> Outbox {
        Outbox::new(socket, drain, self.bounds.clone(), self.metrics.clone(), clock::now())
    }

    /// Whether a transport is served.
    fn check(&self, transport: Transport) -> Result<(), Refusal> {
        let is_served = self.options.transports.contains(&transport);
        if is_served { Ok(()) } else { Err(Refusal::not_served(transport)) }
    }

    /// Whether there may be another connection; its seat among those of its address, if these are counted.
    fn check_room(&self, head: &Parts) -> Result<Option<Seat>, Refusal> {
        if self.is_draining() {
            return Err(self.unavailable("drain"));
        }
        if self.open.load(Ordering::Relaxed) >= self.options.max_connections {
            self.metrics.limit_hit("connections");
            return Err(self.unavailable("connections"));
        }
        let seat = self.open_of.take(head.extensions.get(), |client: &ClientAddress| client.max_connections);
        seat.map_err(|_| self.full_address("connections_per_address"))
    }

    fn full_address(&self, limit: &'static str) -> Refusal {
        self.metrics.limit_hit(limit);
        self.metrics.refuse(limit);
        Refusal::full_address()
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    fn unavailable(&self, reason: &'static str) -> Refusal {
        self.metrics.refuse(reason);
        Refusal::for_now()
    }
}

fn is_of(user: Option<&User>, connection: &ConnectionHandle) -> bool {
    User::is_same(user, connection.user())
}

/// A parameter of the query; names are compared without case. Ids and versions need no percent-decoding.
fn query<'h>(head: &'h Parts, name: &str) -> Option<&'h str> {
    let pairs = head.uri.query()?.split('&');
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

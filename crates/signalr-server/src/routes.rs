//! What each request of a hub is answered: negotiation, the three transports, and the statuses of all that does not fit.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use crate::address::{ClientAddress, Full, Seat};
use crate::auth::Denied;
use crate::body::{Body, RequestBody};
use crate::clock;
use crate::connection::{self, ConnectionHandle, MayReattach, Reattach, Registration, Who};
use crate::connection_store::{Claim, Early, Found, Used, Waiting};
use crate::ids::{ConnectionId, ConnectionToken};
use crate::negotiate::{Asked, negotiate};
use crate::outbox::{Drain, Outbox};
use crate::refusal::Refusal;
use crate::service::{HubServer, Shared};
use crate::transport::http::{EventStream, HttpConnection, Input, NotTaken, Poll};
use crate::transport::websocket::{self, Grant};
use crate::transport::{Io, Transport};
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
                match websocket::accept(&head) {
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

    /// Grants a websocket: with a negotiated token, or without negotiation.
    fn connect_websocket(
        self: Arc<Self>,
        head: Parts,
        user: Option<User>,
        grant: Grant,
    ) -> Result<Response<Body>, Refusal> {
        self.check(Transport::WebSockets)?;
        let presented = query(&head, "id");
        let token =
            presented.map(|presented| ConnectionToken::parse(presented).ok_or_else(Refusal::unknown_connection));
        let token = token.transpose()?;
        if let Some(token) = token
            && let Found::Used(used) = self.find(token, user.as_ref())?
        {
            return self.take_over(&used, head, user.as_ref(), grant);
        }
        let seat = self.check_room(&head)?;
        let who = Who { user, context: self.hub.context_of(&head) };
        let (handle, reattach) = match token {
            None => (Handle::Plain(ConnectionId::random(), who), None),
            Some(token) => self.claim_websocket(token, who)?,
        };
        self.connection_began(Transport::WebSockets);
        let upgrade = hyper::upgrade::on(Request::from_parts(head, ()));
        // Nothing of the request may live on in this task: a single kept header would pin the whole head's buffer.
        tokio::spawn(async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let (io, early) = websocket::into_io(upgraded);
                    let (handle, io) = handle.over(io, &self);
                    tokio::spawn(connection::run(
                        self,
                        handle,
                        io,
                        early,
                        Registration { token, reattach, _seat: seat },
                    ));
                }
                Err(_) => {
                    self.connection_ended(Transport::WebSockets);
                    token.inspect(|token| self.store.forget_token(*token));
                }
            }
        });
        Ok(grant.response())
    }

    fn claim_websocket(&self, token: ConnectionToken, who: Who) -> Result<(Handle, Option<Arc<Reattach>>), Refusal> {
        let mut handle = None;
        let claim = self.claim(token, |negotiated, early| {
            early.input.end(); // what came by POST is not a websocket's
            if !negotiated.is_stateful {
                handle = Some(Handle::Plain(negotiated.id, who));
                return Used::WebSocket;
            }
            let stateful = ConnectionHandle::of(negotiated.id, self.outbox(None, Drain::Task), who);
            handle = Some(Handle::Stateful(stateful.clone()));
            Used::Stateful(Arc::new(Reattach::new(stateful, clock::now())))
        });
        match (claim, handle) {
            (Claim::Granted(Used::Stateful(reattach)), Some(handle)) => Ok((handle, Some(reattach))),
            (Claim::Granted(_), Some(handle)) => Ok((handle, None)),
            (Claim::InUse(_), _) => Err(Refusal::status(StatusCode::CONFLICT)),
            _ => Err(Refusal::unknown_connection()),
        }
    }

    /// Gives another websocket to a connection that has lost its own, or is about to notice that.
    fn take_over(
        &self,
        used: &Used,
        head: Parts,
        user: Option<&User>,
        grant: Grant,
    ) -> Result<Response<Body>, Refusal> {
        let reattach = match used {
            Used::Http(_) => return Err(Refusal::other_transport()),
            Used::WebSocket => return Err(Refusal::status(StatusCode::CONFLICT)),
            Used::Stateful(reattach) => reattach.clone(),
        };
        match reattach.may() {
            MayReattach::No => return Err(Refusal::status(StatusCode::CONFLICT)),
            MayReattach::Ended => return Err(Refusal::unknown_connection()),
            MayReattach::Yes if !is_of(user, &reattach.handle) => return Err(Denied::Forbidden.into()),
            MayReattach::Yes => {}
        }
        if !reattach.attempt(clock::now(), self.options.max_reattaches_per_second) {
            self.metrics.limit_hit("reattach");
            return Err(Refusal::too_many_attempts());
        }
        let upgrade = hyper::upgrade::on(Request::from_parts(head, ()));
        tokio::spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                let (io, early) = websocket::into_io(upgraded);
                reattach.offer(io.by_task(), early);
            }
        });
        Ok(grant.response())
    }

    /// Requests of the transports that need no upgrade.
    async fn http_request<B: RequestBody>(
        self: Arc<Self>,
        head: Parts,
        user: Option<User>,
        body: B,
    ) -> Result<Response<Body>, Refusal> {
        if ![Method::GET, Method::POST, Method::DELETE].contains(&head.method) {
            return Err(Refusal::status(StatusCode::METHOD_NOT_ALLOWED));
        }
        let presented = query(&head, "id").ok_or_else(Refusal::no_id)?;
        let token = ConnectionToken::parse(presented).ok_or_else(Refusal::unknown_connection)?;
        let found = match self.find(token, user.as_ref()) {
            Err(_) if head.method == Method::GET && self.store.was_deleted(token, clock::now()) => {
                return Ok(status(StatusCode::NO_CONTENT));
            }
            found => found?,
        };
        let is_own = match &found {
            Found::Used(Used::Http(connection)) => is_of(user.as_ref(), &connection.handle),
            Found::Waiting(early) => head.method != Method::POST || early.is_of(user.as_ref()),
            Found::Used(_) => true,
        };
        if !is_own {
            return Err(Denied::Forbidden.into());
        }
        match head.method {
            Method::POST => self.post(found, body).await,
            Method::DELETE => self.delete(token, &found),
            _ if accepts_event_stream(&head) => self.event_stream(token, head, user),
            _ => self.poll(token, head, user).await,
        }
    }

    fn event_stream(
        self: Arc<Self>,
        token: ConnectionToken,
        head: Parts,
        user: Option<User>,
    ) -> Result<Response<Body>, Refusal> {
        let (connection, is_new) = self.http_connection(token, head, user, Transport::ServerSentEvents)?;
        if !is_new {
            return Err(Refusal::status(StatusCode::CONFLICT));
        }
        Ok(with_headers(Body::events(EventStream::new(connection)), &EVENT_STREAM))
    }

    async fn poll(
        self: Arc<Self>,
        token: ConnectionToken,
        head: Parts,
        user: Option<User>,
    ) -> Result<Response<Body>, Refusal> {
        let timeout = self.options.poll_timeout;
        let (connection, is_new) = self.http_connection(token, head, user, Transport::LongPolling)?;
        if is_new {
            return Ok(with_headers(Body::default(), &POLL));
        }
        Ok(match connection.poll(timeout).await {
            Poll::Output(output) => with_headers(Body::pieces(output), &POLL),
            Poll::Empty => with_headers(Body::default(), &POLL),
            Poll::NoContent => status(StatusCode::NO_CONTENT),
        })
    }

    /// The connection of a token, which begins with the first such request, and whether it did.
    fn http_connection(
        self: Arc<Self>,
        token: ConnectionToken,
        head: Parts,
        user: Option<User>,
        transport: Transport,
    ) -> Result<(Arc<HttpConnection>, bool), Refusal> {
        self.check(transport)?;
        let seat = match self.find(token, user.as_ref())? {
            Found::Waiting(_) => self.check_room(&head)?,
            Found::Used(_) => None,
        };
        let drain = if transport == Transport::LongPolling { Drain::Polls } else { Drain::Stream };
        let mut user = Some(user);
        let claim = self.claim(token, |negotiated, early| {
            let who = Who { user: user.take().flatten(), context: self.hub.context_of(&head) };
            let early = early.of(who.user.as_ref());
            let handle = ConnectionHandle::of(negotiated.id, self.outbox(None, drain), who);
            Used::Http(Arc::new(HttpConnection::new(transport, handle, early)))
        });
        match claim {
            Claim::Granted(Used::Http(connection)) => {
                self.connection_began(transport);
                let (handle, io) = (connection.handle.clone(), Io::Http(connection.clone()));
                tokio::spawn(connection::run(
                    self,
                    handle,
                    io,
                    Bytes::new(),
                    Registration { token: Some(token), reattach: None, _seat: seat },
                ));
                Ok((connection, true))
            }
            // Whoever was slower by a moment may be somebody else.
            Claim::InUse(Used::Http(connection)) if !is_of(user.flatten().as_ref(), &connection.handle) => {
                Err(Denied::Forbidden.into())
            }
            Claim::InUse(Used::Http(connection)) if connection.transport == transport => Ok((connection, false)),
            Claim::Granted(_) | Claim::InUse(_) => Err(Refusal::other_transport()),
            Claim::Unknown => Err(Refusal::unknown_connection()),
        }
    }

    async fn post<B: RequestBody>(&self, found: Found, body: B) -> Result<Response<Body>, Refusal> {
        match found {
            Found::Used(Used::WebSocket | Used::Stateful(_)) => Err(Refusal::no_post()),
            Found::Used(Used::Http(connection)) => self.bring(&connection.input, body).await,
            Found::Waiting(early) => {
                let brought =
                    tokio::time::timeout(self.options.disconnect_timeout, self.bring(&early.input, body)).await;
                brought.unwrap_or_else(|_| Err(Refusal::unknown_connection()))
            }
        }
    }

    /// A client that was told of the end deletes the connection, and may have sent another poll before.
    fn delete(&self, token: ConnectionToken, found: &Found) -> Result<Response<Body>, Refusal> {
        match found {
            Found::Used(Used::Http(connection)) if connection.transport == Transport::LongPolling => {
                if connection.handle.outbox().is_closed() {
                    self.store.deleted(token, clock::now());
                }
                connection.delete();
                Ok(status(StatusCode::ACCEPTED))
            }
            _ => Err(Refusal::no_delete()),
        }
    }

    /// Hands the body over as it comes; the answer says that all of it was.
    async fn bring<B: RequestBody>(&self, input: &Input, body: B) -> Result<Response<Body>, Refusal> {
        let _turn = input.turn().await;
        let mut body = std::pin::pin!(body);
        loop {
            let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx));
            match tokio::time::timeout(self.options.body_timeout, frame).await {
                Err(_) => return Err(Refusal::status(StatusCode::REQUEST_TIMEOUT)),
                Ok(None) => return Ok(status(StatusCode::OK)),
                Ok(Some(Err(_))) => return Err(Refusal::status(StatusCode::BAD_REQUEST)),
                Ok(Some(Ok(frame))) => {
                    let Ok(mut data) = frame.into_data() else { continue }; // trailers
                    let piece = data.copy_to_bytes(data.remaining());
                    input.put(piece).await.map_err(|NotTaken| Refusal::unknown_connection())?;
                }
            }
        }
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

/// A websocket's connection before there is a websocket.
enum Handle {
    /// Whose outbox gets the socket itself.
    Plain(ConnectionId, Who),
    Stateful(ConnectionHandle),
}

impl Handle {
    fn over(self, mut io: Io, server: &Shared) -> (ConnectionHandle, Io) {
        match self {
            Self::Stateful(handle) => (handle, io.by_task()),
            Self::Plain(id, who) => {
                let socket = if let Io::Socket(socket) = &mut io { socket.take() } else { None };
                (ConnectionHandle::of(id, server.outbox(socket, Drain::Task), who), io)
            }
        }
    }
}

fn is_of(user: Option<&User>, connection: &ConnectionHandle) -> bool {
    User::is_same(user, connection.user())
}

fn accepts_event_stream(head: &Parts) -> bool {
    let accept = head.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

/// A parameter of the query; names are compared without case. Ids and versions need no percent-decoding.
fn query<'h>(head: &'h Parts, name: &str) -> Option<&'h str> {
    let pairs = head.uri.query()?.split('&');
    let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

type Headers = [(HeaderName, &'static str)];

fn with_headers(body: Body, headers: &Headers) -> Response<Body> {
    let mut response = Response::new(body);
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Nobody on the way may keep or compress events.
const EVENT_STREAM: [(HeaderName, &str); 5] = [
    (header::CONTENT_TYPE, "text/event-stream"),
    (header::CACHE_CONTROL, "no-cache,no-store"),
    (header::PRAGMA, "no-cache"),
    (header::CONTENT_ENCODING, "identity"),
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

const POLL: [(HeaderName, &str); 4] = [
    (header::CONTENT_TYPE, "application/octet-stream"),
    (header::CACHE_CONTROL, "no-cache, no-store"),
    (header::PRAGMA, "no-cache"),
    (header::EXPIRES, "Thu, 01 Jan 1970 00:00:00 GMT"),
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hub::Hub;
    use crate::options::Options;

    #[tokio::test]
    async fn whoever_opens_a_connection_at_the_same_moment_must_be_the_same_user() {
        let server = HubServer::new("/hub", Hub::new(), Options::default()).shared;
        let token = ConnectionToken::random();
        let waiting = Waiting { id: ConnectionId::random(), is_stateful: false, since: clock::now() };
        server.store.negotiate(token, waiting, None, Duration::from_secs(15), 10).unwrap();
        // Each has asked before any of them opened it.
        let open = |user: &str| {
            let (head, ()) = Request::new(()).into_parts();
            let opened = server.clone().http_connection(token, head, Some(User::new(user)), Transport::LongPolling);
            opened.map(|(_, is_new)| is_new).map_err(|refusal| Response::from(refusal).status().as_u16())
        };
        assert_eq!(["ann", "bob", "ann"].map(open), [Ok(true), Err(403), Ok(false)]);
    }
}

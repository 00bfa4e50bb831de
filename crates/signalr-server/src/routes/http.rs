//! Requests of the transports that need no upgrade: event streams, polls, what is posted beside them, and the end.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::{is_of, query};
use crate::auth::Denied;
use crate::body::{Body, RequestBody};
use crate::clock;
use crate::connection::{self, ConnectionHandle, Registration, Who};
use crate::connection_store::{Claim, Found, Used};
use crate::ids::ConnectionToken;
use crate::outbox::Drain;
use crate::refusal::Refusal;
use crate::service::Shared;
use crate::transport::http::{EventStream, HttpConnection, Input, NotTaken, Poll};
use crate::transport::{Io, Transport};
use crate::user::User;

impl Shared {
    /// Requests of the transports that need no upgrade.
    pub(super) async fn http_request<B: RequestBody>(
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
            Poll::Output(output) => with_headers(Body::answered(output), &POLL),
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
                    let Ok(data) = frame.into_data() else { continue }; // trailers
                    input.put(data).await.map_err(|NotTaken| Refusal::unknown_connection())?;
                }
            }
        }
    }
}

fn accepts_event_stream(head: &Parts) -> bool {
    let accept = head.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
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

    use hyper::Request;

    use super::*;
    use crate::connection_store::Waiting;
    use crate::hub::Hub;
    use crate::ids::ConnectionId;
    use crate::options::Options;
    use crate::service::HubServer;

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

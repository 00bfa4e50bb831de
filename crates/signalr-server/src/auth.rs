//! Who may connect: a hook that turns the head of a request into a user, or refuses it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::Uri;
use hyper::header::{self, HeaderMap};
use hyper::http::request::Parts;

use crate::user::User;

/// Decides who may connect. Asked at each request of a hub: negotiation, websocket, poll, event stream, POST, DELETE.
///
/// The user of a connection is the one of its first request but the negotiation; a later request by another user is
/// refused with 403. Users without id are one unless their [`User::fingerprint`] tells them apart.
pub trait Authenticator: Send + Sync + 'static {
    /// The user behind a request, `None` for anybody, or why it is refused. Nothing has been made for the request yet.
    fn authenticate<'r>(&'r self, request: &'r Parts) -> BoxFuture<'r, Result<Option<User>, Denied>>;
}

/// A closure that decides at once.
impl<F> Authenticator for F
where
    F: Fn(&Parts) -> Result<Option<User>, Denied> + Send + Sync + 'static,
{
    fn authenticate<'r>(&'r self, request: &'r Parts) -> BoxFuture<'r, Result<Option<User>, Denied>> {
        std::future::ready(self(request)).boxed()
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Nobody knows who asks: 401 with `WWW-Authenticate: Bearer` and an empty body.
    Unauthenticated,
    /// Who asks is known, and may not: 403.
    Forbidden,
}

/// An [`Authenticator`] as it stands in [`Options`](crate::Options).
#[derive(Clone)]
pub struct Authentication(Arc<dyn Authenticator>);

impl Authentication {
    /// By this authenticator, which may be a closure over the head of a request.
    pub fn new(authenticator: impl Authenticator) -> Self {
        Self(Arc::new(authenticator))
    }

    pub(crate) async fn authenticate(&self, request: &Parts) -> Result<Option<User>, Denied> {
        self.0.authenticate(request).await
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Authentication")
    }
}

/// The bearer token of a request: of its `Authorization` header, which is final even if it is no such token, else of the
/// query's `access_token`, as browsers set no headers on websockets and event streams. Never log it.
pub fn bearer_token(request: &Parts) -> Option<Cow<'_, str>> {
    bearer_token_of(&request.headers, &request.uri)
}

/// The same of a request that is in its parts.
pub fn bearer_token_of<'r>(headers: &'r HeaderMap, uri: &'r Uri) -> Option<Cow<'r, str>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().into());
    }
    query_value(uri.query()?, "access_token")
}

/// A parameter of a query, decoded; names are compared without case.
pub fn query_value<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    #[test]
    fn a_header_is_final_and_the_query_its_stand_in() {
        let rows = [
            (None, "/hub?id=x&access_token=a%2Bb%20c", Some("a+b c")),
            (None, "/hub?ACCESS_TOKEN=a", Some("a")),
            (None, "/hub", None),
            (Some("Bearer abc"), "/hub?access_token=other", Some("abc")),
            (Some("bearer abc"), "/hub", Some("abc")),
            (Some("Basic abc"), "/hub?access_token=other", None),
            (Some("Bearer"), "/hub?access_token=other", None),
        ];
        for (authorization, uri, expected) in rows {
            let request = Request::get(uri);
            let request =
                authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(bearer_token(&parts).as_deref(), expected, "{authorization:?} {uri}");
        }
    }
}

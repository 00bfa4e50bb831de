//! Redirects of two kinds: HTTP's own, and that of the negotiation.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use signalr_server::Body;
use signalr_server::auth::query_value;

use crate::paths;

#[derive(Debug, Default)]
pub(crate) struct Redirects {
    negotiated: AtomicU64,
}

impl Redirects {
    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let path = request.uri().path();
        if let Some(rest) = paths::below(path, "/echoredirect") {
            return to_echo(rest, request.uri().query());
        }
        paths::below(path, "/redirect").map(|_| self.to_test_hub(request.uri().query()))
    }

    /// The negotiation's: the answer names another hub, which learns how many there were.
    fn to_test_hub(&self, query: Option<&str>) -> Response<Body> {
        let base = query.and_then(|query| query_value(query, "baseUrl")).unwrap_or_default();
        let count = self.negotiated.fetch_add(1, Ordering::Relaxed) + 1;
        let answer = serde_json::json!({ "url": format!("{base}/testHub?numRedirects={count}") });
        let mut response = Response::new(answer.to_string().into_bytes().into());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

fn to_echo(rest: &str, query: Option<&str>) -> Option<Response<Body>> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::try_from(format!("/echo{rest}{query}")).ok()?;
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    Some(response)
}

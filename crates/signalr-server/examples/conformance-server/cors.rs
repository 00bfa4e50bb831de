//! CORS: pages of any origin may use everything but `/checkhub`, which is for pages of this machine.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use signalr_server::Body;

use crate::paths;

/// What a request says of itself to CORS.
#[derive(Debug)]
pub(crate) struct Cors {
    /// Of a page that may read the answer.
    origin: Option<HeaderValue>,
    asked_method: Option<HeaderValue>,
    asked_headers: Option<HeaderValue>,
    is_options: bool,
    /// A websocket for a page that may not have it: browsers would let it read all.
    is_foreign_websocket: bool,
}

impl Cors {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let header = |name: HeaderName| request.headers().get(name).cloned();
        let is_restricted = paths::below(request.uri().path(), "/checkhub").is_some();
        let asking = header(header::ORIGIN);
        let origin = asking.clone().filter(|origin| !is_restricted || is_local(origin));
        Self {
            is_foreign_websocket: asking.is_some() && origin.is_none() && is_websocket(request),
            origin,
            asked_method: header(header::ACCESS_CONTROL_REQUEST_METHOD),
            asked_headers: header(header::ACCESS_CONTROL_REQUEST_HEADERS),
            is_options: request.method() == Method::OPTIONS,
        }
    }

    /// The answer to requests that go no further.
    pub(crate) fn answer(&self) -> Option<Response<Body>> {
        let status = match self {
            Self { is_options: true, .. } => StatusCode::NO_CONTENT,
            Self { is_foreign_websocket: true, .. } => StatusCode::FORBIDDEN,
            _ => return None,
        };
        let mut response = Response::new(Body::default());
        *response.status_mut() = status;
        Some(response)
    }

    /// Lets the page read the answer, whatever it is, or nothing.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        // Hubs, which are open to all origins here, have said their own.
        for name in [
            header::VARY,
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
        ] {
            headers.remove(name);
        }
        let Some(origin) = self.origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(method) = self.asked_method {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method);
        }
        if let Some(names) = self.asked_headers {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
    }
}

fn is_local(origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    origin.is_some_and(|origin| {
        matches!(origin.scheme_str(), Some("http" | "https"))
            && matches!(origin.host(), Some("localhost" | "127.0.0.1"))
    })
}

/// By HTTP/1.1's upgrade, or HTTP/2's extended CONNECT.
fn is_websocket<B>(request: &Request<B>) -> bool {
    let upgrade = request.headers().get(header::UPGRADE).and_then(|upgrade| upgrade.to_str().ok());
    request.method() == Method::CONNECT || upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

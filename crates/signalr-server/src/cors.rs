//! Which pages of other origins may connect, and the headers that tell their browsers so.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};

/// Origins whose pages may connect. A request without `Origin` does not come from a page and is always allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AllowedOrigins {
    /// Pages served by this machine: `localhost`, names below it, loopback addresses, any port.
    #[default]
    Loopback,
    /// Every page, those opened from a file included. Right where requests carry tokens of their own.
    Any,
    /// Exactly these: scheme, host and port, such as `https://app.example.com`. [`AllowedOrigins::LOOPBACK`] in the list
    /// stands for all that [`AllowedOrigins::Loopback`] allows; no browser sends it.
    List(Vec<String>),
}

impl AllowedOrigins {
    /// See [`AllowedOrigins::List`].
    pub const LOOPBACK: &str = "loopback";

    /// Whether a page of this origin may connect.
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback => is_loopback_origin(origin),
            Self::List(list) => list
                .iter()
                .any(|allowed| allowed == origin || (allowed == Self::LOOPBACK && is_loopback_origin(origin))),
        }
    }

    /// Whether the request's origin, if it has one, may connect.
    pub fn allows_request<B>(&self, request: &Request<B>) -> bool {
        match request.headers().get(header::ORIGIN).map(HeaderValue::to_str) {
            None => true,
            Some(Ok(origin)) => self.allows(origin),
            Some(Err(_)) => false,
        }
    }

    /// Whether a browser asks whether a page may make another request.
    pub fn is_preflight<B>(request: &Request<B>) -> bool {
        request.method() == Method::OPTIONS
            && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && request.headers().contains_key(header::ORIGIN)
    }

    /// The answer to a preflight request, or `None` if this is none. It needs no authentication.
    pub fn preflight<B, R: Default>(&self, request: &Request<B>) -> Option<Response<R>> {
        if !Self::is_preflight(request) {
            return None;
        }
        let headers = request.headers();
        let mut response = Response::new(R::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.allows_request(request) {
            let answer = response.headers_mut();
            self.apply(headers.get(header::ORIGIN), answer);
            answer.insert(
                header::ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS"),
            );
            if let Some(asked) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
            answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        Some(response)
    }

    /// Lets a page of an allowed origin see a response, an error too. `*` would not do: clients send credentials.
    pub fn apply(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin.filter(|origin| origin.to_str().is_ok_and(|origin| self.allows(origin))) else {
            return;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

fn is_loopback_origin(origin: &str) -> bool {
    let uri = origin.parse::<Uri>().ok().filter(|uri| uri.scheme().is_some());
    uri.is_some_and(|uri| uri.host().is_some_and(is_loopback))
}

/// Whether a host name or address of a URL means this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.to_ascii_lowercase().ends_with(".localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_judged_as_a_whole() {
        let list = AllowedOrigins::List(vec!["https://a.example".into()]);
        let mixed = AllowedOrigins::List(vec!["null".into(), AllowedOrigins::LOOPBACK.into()]);
        let rows = [
            (&AllowedOrigins::Loopback, "http://localhost:3000", true),
            (&AllowedOrigins::Loopback, "http://app.localhost", true),
            (&AllowedOrigins::Loopback, "https://127.0.0.1", true),
            (&AllowedOrigins::Loopback, "http://[::1]:80", true),
            (&AllowedOrigins::Loopback, "http://localhost.evil.example", false),
            (&AllowedOrigins::Loopback, "http://127.0.0.1.evil.example", false),
            (&AllowedOrigins::Loopback, "null", false),
            (&list, "https://a.example", true),
            (&list, "https://a.example.evil", false),
            (&list, "http://a.example", false),
            (&list, "https://a.example:444", false),
            (&list, "null", false),
            (&mixed, "null", true),
            (&mixed, "http://localhost:1", true),
            (&mixed, "https://a.example", false),
            (&AllowedOrigins::Any, "null", true),
        ];
        for (allowed, origin, expected) in rows {
            assert_eq!(allowed.allows(origin), expected, "{allowed:?} {origin}");
        }
    }

    #[test]
    fn a_preflight_is_answered_for_allowed_origins_with_credentials() {
        let ask = |origin: &str| {
            Request::options("/hub/negotiate")
                .header("origin", origin)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "x-requested-with,x-signalr-user-agent")
                .body(())
                .unwrap()
        };
        let allowed: Response<()> = AllowedOrigins::Loopback.preflight(&ask("http://localhost:1")).unwrap();
        assert_eq!(allowed.status(), 204);
        assert_eq!(allowed.headers()["access-control-allow-origin"], "http://localhost:1");
        assert_eq!(allowed.headers()["access-control-allow-credentials"], "true");
        assert_eq!(allowed.headers()["access-control-allow-headers"], "x-requested-with,x-signalr-user-agent");
        assert_eq!(allowed.headers()["vary"], "Origin");
        let foreign: Response<()> = AllowedOrigins::Loopback.preflight(&ask("http://evil.example")).unwrap();
        assert!(!foreign.headers().contains_key("access-control-allow-origin"));
        let get = Request::get("/").header("origin", "http://localhost").body(()).unwrap();
        assert!(AllowedOrigins::Loopback.preflight::<_, ()>(&get).is_none());
    }
}

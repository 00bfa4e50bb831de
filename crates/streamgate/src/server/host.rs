//! The host that a request is for. Without authentication only names of this machine are answered.

use axum::body::Body;
use axum::response::IntoResponse;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use quix_gateway::Problem;
use signalr_server::cors;

/// The host a request is for, with its port if there is one: of its target (HTTP/2), else its `Host`.
pub(super) fn of<B>(request: &Request<B>) -> Option<&str> {
    let target = request.uri().authority().map(|authority| authority.as_str());
    target.or_else(|| request.headers().get(header::HOST)?.to_str().ok())
}

/// Without authentication a page of any site could reach this machine by a name of its own that leads here (DNS
/// rebinding); such a request carries that name as its host: in its target (always so with HTTP/2), its `Host`, or both.
pub(super) fn refuse_foreign_host<B>(request: &Request<B>) -> Option<Response<Body>> {
    foreign_host(request).map(|_| {
        let detail = "Without authentication this server answers to the names of this machine only, such as localhost.";
        refuse(request.method(), StatusCode::MISDIRECTED_REQUEST, detail)
    })
}

/// A host of the request that is not this machine.
pub(super) fn foreign_host<B>(request: &Request<B>) -> Option<&[u8]> {
    let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let headers = request.headers().get_all(header::HOST).iter().map(HeaderValue::as_bytes);
    target.into_iter().chain(headers).find(|host| !std::str::from_utf8(host).is_ok_and(is_here))
}

fn is_here(host: &str) -> bool {
    cors::is_loopback(match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    })
}

/// Whatever the request would have written, it did not.
pub(super) fn refuse(method: &Method, status: StatusCode, detail: &'static str) -> Response<Body> {
    let kind = (method == Method::POST).then_some("NotWritten");
    Problem { kind, ..Problem::new(status, detail) }.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: [&str; 6] =
        ["localhost", "localhost:8080", "writer-ws.localhost:80", "127.0.0.1:1", "[::1]:8080", "[::1]"];
    const ELSEWHERE: [&str; 5] =
        ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "10.0.0.1", "localhost@evil.example"];

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let ask = |target: &str, host: Option<&str>| {
            let request = Request::get(target);
            let request = host.into_iter().fold(request, |request, host| request.header("host", host));
            refuse_foreign_host(&request.body(()).unwrap()).map(|refused| refused.status().as_u16())
        };
        for name in HERE {
            let target = format!("http://{name}/");
            assert_eq!(ask("/", Some(name)), None, "{name}");
            assert_eq!(ask(&target, None), None, "{name}");
            assert_eq!(ask(&target, Some("evil.example")), Some(421), "{name}");
        }
        for name in ELSEWHERE {
            let target = format!("https://{name}/");
            assert_eq!(ask("/", Some(name)), Some(421), "{name}");
            assert_eq!(ask(&target, None), Some(421), "{name}");
            assert_eq!(ask(&target, Some("localhost")), Some(421), "{name}");
        }
        assert_eq!(ask("/", Some("localhost:x")), Some(421));
        let two = Request::get("/").header("host", "localhost").header("host", "evil.example").body(()).unwrap();
        assert!(refuse_foreign_host(&two).is_some());
    }
}

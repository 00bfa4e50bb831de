//! From a request that asks for a websocket to the socket under it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::upgrade::Upgraded;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use sha1::{Digest, Sha1};
use tokio::net::TcpStream;

use crate::http::Begun;
use crate::transport::Io;

/// How a websocket is granted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// HTTP/1.1, with this `Sec-WebSocket-Accept`.
    Upgrade(HeaderValue),
    /// HTTP/2: the request's own stream becomes the websocket. Source: RFC 8441.
    Connect,
}

impl Grant {
    pub(crate) fn response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        if let Self::Upgrade(accept) = self {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        response
    }
}

/// Whether this is a request for a websocket, and if so how it is granted or the status that refuses it.
pub(crate) fn accept(request: &Parts) -> Option<Result<Grant, StatusCode>> {
    let headers = &request.headers;
    let protocol = request.extensions.get::<hyper::ext::Protocol>();
    if request.method == Method::CONNECT && protocol.is_some_and(|protocol| protocol.as_str() == "websocket") {
        let is_13 = headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
        return Some(if is_13 { Ok(Grant::Connect) } else { Err(StatusCode::BAD_REQUEST) });
    }
    let asked = request.method == Method::GET
        && has_token(headers, header::CONNECTION, "upgrade")
        && has_token(headers, header::UPGRADE, "websocket");
    asked.then(|| {
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(StatusCode::UPGRADE_REQUIRED);
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(StatusCode::BAD_REQUEST)?;
        Ok(Grant::Upgrade(accept_key(key.as_bytes())))
    })
}

fn accept_key(key: &[u8]) -> HeaderValue {
    let digest = Sha1::new().chain_update(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    HeaderValue::from_str(&STANDARD.encode(digest)).expect("base64 is a valid header value")
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// Takes an upgraded connection apart; the bytes are what the client sent right behind its request.
pub(crate) fn into_io(upgraded: Upgraded) -> (Io, Bytes) {
    let upgraded = match upgraded.downcast::<TokioIo<Begun>>() {
        Ok(parts) => {
            let (socket, unread) = parts.io.into_inner().into_parts();
            let read = if unread.is_empty() { parts.read_buf } else { [parts.read_buf, unread].concat().into() };
            return (Io::Socket(Some(socket)), read);
        }
        Err(upgraded) => upgraded,
    };
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return (Io::Socket(Some(parts.io.into_inner())), parts.read_buf),
        Err(upgraded) => upgraded,
    };
    // As it is where the version of HTTP was told from its first bytes, under `axum::serve` for one.
    match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => (Io::Socket(Some(parts.io.into_inner())), parts.read_buf),
        Err(upgraded) => (Io::Other { io: Box::pin(TokioIo::new(upgraded)), is_flushed: true }, Bytes::new()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn request(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get("/hub");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_example_of_rfc_6455_is_granted() {
        let asked = request(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        assert_eq!(accept(&asked), Some(Ok(Grant::Upgrade(HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")))));
    }

    #[test]
    fn other_requests_are_told_apart() {
        assert!(accept(&request(&[("connection", "upgrade"), ("upgrade", "h2c")])).is_none());
        assert!(accept(&request(&[("upgrade", "websocket")])).is_none());
        let old = request(&[("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "8")]);
        assert_eq!(accept(&old), Some(Err(StatusCode::UPGRADE_REQUIRED)));
        let keyless = request(&[("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13")]);
        assert_eq!(accept(&keyless), Some(Err(StatusCode::BAD_REQUEST)));
    }
}

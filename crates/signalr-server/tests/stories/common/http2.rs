//! `Http2`: requests over one HTTP/2 connection, as of a client that knows beforehand that the server speaks it.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::{BoxedIo, Client, soon};

#[derive(Clone)]
pub(crate) struct Http2(SendRequest<Full<Bytes>>);

impl Http2 {
    pub(crate) async fn over(io: BoxedIo) -> Self {
        let (sender, connection) = soon("HTTP/2", handshake(TokioExecutor::new(), TokioIo::new(io))).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// What is answered to `METHOD /path` with these headers and this body, up to the body of the answer.
    pub(crate) async fn ask(&mut self, request: &str, headers: &[(&str, &str)], body: &str) -> Response<Incoming> {
        let (method, path) = request.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(format!("http://hub{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).unwrap();
        soon("an answer", self.0.send_request(request)).await.unwrap()
    }

    /// The same with status and body.
    pub(crate) async fn told(&mut self, request: &str, body: &str) -> (u16, String) {
        let answer = self.ask(request, &[], body).await;
        let status = answer.status().as_u16();
        let body = soon("a body", answer.into_body().collect()).await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// A websocket by extended CONNECT (RFC 8441), which must be granted.
    pub(crate) async fn websocket(&mut self, path: &str) -> Client {
        let answer = self.connect(path).await;
        assert_eq!(answer.status(), 200);
        assert!(!answer.headers().contains_key("sec-websocket-accept"));
        let upgraded = soon("an upgrade", hyper::upgrade::on(answer)).await.unwrap();
        Client::over(Box::new(TokioIo::new(upgraded))).await
    }

    /// Asks for one.
    pub(crate) async fn connect(&mut self, path: &str) -> Response<Incoming> {
        let request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("http://hub{path}"))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .body(Full::default())
            .unwrap();
        soon("an answer", self.0.ready()).await.unwrap();
        soon("an answer", self.0.send_request(request)).await.unwrap()
    }
}

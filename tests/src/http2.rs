//! `Http2`: requests over one HTTP/2 connection, websockets among them (RFC 8441).

use std::collections::VecDeque;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::wait::within;

/// One connection.
#[derive(Debug)]
pub struct Http2 {
    sender: SendRequest<Full<Bytes>>,
    /// `host:port`
    authority: String,
    driver: JoinHandle<hyper::Result<()>>,
}

impl Http2 {
    /// Begins at once, as a client that knows that the server speaks it, or has agreed on it by ALPN.
    pub async fn over(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, authority: &str) -> Self {
        let begun = within("HTTP/2", handshake(TokioExecutor::new(), TokioIo::new(io))).await;
        let (sender, connection) = begun.expect("the server speaks it");
        Self { sender, authority: authority.to_owned(), driver: tokio::spawn(connection) }
    }

    /// The same for requests to another host.
    pub fn to(&mut self, authority: &str) {
        authority.clone_into(&mut self.authority);
    }

    /// What is answered to `METHOD /path` with these headers and this body, up to the body of the answer.
    pub async fn ask(&mut self, request: &str, headers: &[(&str, &str)], body: &str) -> Response<Incoming> {
        let (method, path) = request.split_once(' ').expect("METHOD /path");
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.authority));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Full::from(body.to_owned())).expect("a request")).await
    }

    /// The same with status and body.
    pub async fn told(&mut self, request: &str, body: &str) -> (u16, String) {
        let answer = self.ask(request, &[], body).await;
        let status = answer.status().as_u16();
        let body = within("a body", answer.into_body().collect()).await.expect("a whole body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("a text"))
    }

    /// What is answered to the wish for a websocket.
    pub async fn connect(&mut self, path: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
        // The server's settings must have come, which allow it.
        within("the server's settings", self.sender.ready()).await.expect("it is open");
        let request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("http://{}{path}", self.authority))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Full::default()).expect("a request")).await
    }

    /// A websocket of the hub, after its handshake.
    pub async fn hub(&mut self, path: &str) -> HubSocket {
        let answer = self.connect(path, &[]).await;
        assert_eq!(answer.status(), 200);
        let upgraded = within("a websocket", hyper::upgrade::on(answer)).await.expect("it was granted");
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
        let mut hub = HubSocket { socket, messages: VecDeque::new() };
        hub.say(r#"{"protocol":"json","version":1}"#).await;
        assert_eq!(hub.next().await, serde_json::json!({}));
        hub
    }

    /// Waits until the server has ended the connection.
    pub async fn ended(self) -> hyper::Result<()> {
        within("the connection's end", self.driver).await.expect("no panic")
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        within("an answer", self.sender.send_request(request)).await.expect("an answer")
    }
}

/// A hub's messages in JSON over a websocket over HTTP/2.
#[derive(Debug)]
pub struct HubSocket {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    /// Read and not taken yet.
    messages: VecDeque<Value>,
}

impl HubSocket {
    /// Sends one message.
    pub async fn say(&mut self, message: &str) {
        let sent = self.socket.send(Message::text(format!("{message}\u{1e}")));
        within("a send", sent).await.expect("it is open");
    }

    /// The next message but pings.
    pub async fn next(&mut self) -> Value {
        loop {
            match self.messages.pop_front() {
                Some(message) if message["type"] != 6 => return message,
                Some(_) => continue,
                None => {}
            }
            match within("a message", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => {
                    let messages =
                        text.split_terminator('\u{1e}').map(|text| serde_json::from_str(text).expect("JSON"));
                    self.messages.extend(messages);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Calls a method and gives its completion; what else comes meanwhile is lost.
    pub async fn invoke(&mut self, target: &str, arguments: Value) -> Value {
        let call = serde_json::json!({"type": 1, "invocationId": "1", "target": target, "arguments": arguments});
        self.say(&call.to_string()).await;
        loop {
            let message = self.next().await;
            if message["type"] == 3 {
                return message;
            }
        }
    }

    /// Code of the close frame, which must be what comes next.
    pub async fn closed(mut self) -> u16 {
        match within("a close frame", self.socket.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
            other => panic!("{other:?}"),
        }
    }
}

//! The hub as a part of somebody else's server: beside other routes, over streams that are no sockets.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use signalr_server::{Caller, Hub, HubServer, Options};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use crate::common::{Answer, Client, Server, Wire, frame, on_every_wire, serve_http, until};

on_every_wire!(what_follows_the_upgrade_request_at_once_is_read);

/// Some clients send their handshake, and more, with the request.
async fn what_follows_the_upgrade_request_at_once_is_read(wire: Wire) {
    let server = Server::start_with(wire, echo(), Options::default()).await;
    let mut io = server.dial().await;
    let call = json!({"type": 1, "invocationId": "1", "target": "Echo", "arguments": ["early"]});
    let mut bytes = b"GET /hub HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    bytes.extend(frame(0x81, b"{\"protocol\":\"json\",\"version\":1}\x1e"));
    bytes.extend(frame(0x81, format!("{call}\x1e").as_bytes()));
    io.write_all(&bytes).await.unwrap();
    let mut client = Client::after_upgrade(io).await;
    assert_eq!(client.next().await, json!({}));
    assert_eq!(client.next().await["result"], "early");
}

/// A stream whose flush takes two attempts must not be written to twice.
#[tokio::test]
async fn a_stream_that_flushes_late_gets_every_byte_once() {
    let hub = HubServer::new("/hub", echo(), Options::default());
    let (client, server) = tokio::io::duplex(16 * 1024);
    serve_http(hub.clone(), Lagging { io: server, held: Vec::new(), lags: false });
    let mut client = Client::upgrade(Box::new(client), "/hub").await;
    client.shake_hands().await;
    for index in 0..100 {
        assert_eq!(client.invoke("Echo", json!([index])).await, Ok(json!(index)));
    }
    for index in 0..100 {
        hub.clients().all().send("Said", &(index,)).await.unwrap();
    }
    for index in 0..100 {
        assert_eq!(client.next_call().await.1, json!([index]));
    }
}

#[tokio::test]
async fn a_hub_stands_beside_other_routes() {
    let hub = HubServer::new("/chat/", echo(), Options::default());
    assert!(hub.matches("/chat") && hub.matches("/Chat/negotiate") && !hub.matches("/chatter"));
    let (client, server) = tokio::io::duplex(16 * 1024);
    tokio::spawn(async move {
        let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
            let hub = hub.clone();
            async move {
                let response = if hub.matches(request.uri().path()) {
                    hub.answer(request).await
                } else {
                    hyper::Response::new("another route".into())
                };
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let http = hyper::server::conn::http1::Builder::new();
        let _ = http.serve_connection(TokioIo::new(server), service).with_upgrades().await;
    });
    let mut client = client;
    client.write_all(b"GET /other HTTP/1.1\r\nHost: hub\r\n\r\n").await.unwrap();
    let (answer, io) = Answer::read_keeping(Box::new(client)).await;
    assert_eq!(answer.body, "another route");
    let mut client = Client::upgrade(io, "/chat").await;
    client.shake_hands().await;
    assert_eq!(client.invoke("Echo", json!([1])).await, Ok(json!(1)));
}

#[tokio::test]
async fn a_server_without_upgrades_leaves_nothing_behind() {
    let hub = HubServer::new("/hub", echo(), Options { max_connections: 1, ..Options::default() });
    for _ in 0..3 {
        let (client, server) = tokio::io::duplex(16 * 1024);
        let http = hyper::server::conn::http1::Builder::new();
        let serving = http.serve_connection(TokioIo::new(server), hub.clone());
        let headers = crate::common::upgrade_request();
        let answer = Answer::to(Box::new(client), "GET /hub", &headers);
        let (answer, _) = tokio::join!(answer, serving);
        assert_eq!(answer.status, 101, "the place is free again");
        until("it is forgotten", || hub.connections() == 0).await;
        tokio::task::yield_now().await;
    }
}

fn echo() -> Hub {
    Hub::new().method("Echo", |_: Caller, (value,): (Value,)| async move { Ok(value) })
}

/// Keeps what is written until a flush, and does not flush at the first attempt.
struct Lagging {
    io: DuplexStream,
    held: Vec<u8>,
    lags: bool,
}

impl AsyncRead for Lagging {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Lagging {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.held.extend_from_slice(bytes);
        self.lags = true;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.lags) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let this = &mut *self;
        while !this.held.is_empty() {
            let written = std::task::ready!(Pin::new(&mut this.io).poll_write(cx, &this.held))?;
            this.held.drain(..written);
        }
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

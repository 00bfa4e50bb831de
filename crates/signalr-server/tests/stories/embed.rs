//! The hub as a part of somebody else's server: beside other routes, over streams that are no sockets.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use signalr_server::{Caller, Encoding, FrameBuilder, Hub, HubServer, Options, Pushed, RawConnection, RawServer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::common::{Answer, BoxedIo, Client, Http1, Lobby, Server, Wire, frame, on_every_wire, serve_http, until};

#[path = "../../examples/axum.rs"]
#[expect(dead_code, reason = "its own server")]
mod example;

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

/// The application of the example, which tells all what is said by a call or by a request of its own route.
#[tokio::test]
async fn axum_serves_a_hub_beside_its_routes_over_every_transport() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, example::app()).into_future());
    let dial = || async { Box::new(TcpStream::connect(address).await.unwrap()) as BoxedIo };
    let ask = |request: &'static str, body: &'static str| async move {
        Http1::new(dial().await).ask(request, &[], body).await
    };
    let negotiated = || async {
        let negotiated = ask("POST /chat/negotiate?negotiateVersion=1", "").await.json();
        format!("/chat?id={}", negotiated["connectionToken"].as_str().unwrap())
    };
    assert_eq!(ask("GET /", "").await.told(), (200, "The chat is at /chat."));
    assert_eq!(ask("GET /chatter", "").await.status, 404, "the hub's answer to what is nobody's");
    let mut clients = [
        Client::upgrade(dial().await, "/chat").await,
        Client::upgrade(dial().await, &negotiated().await).await,
        Client::events(dial().await, dial().await, negotiated().await).await,
        Client::polls(dial().await, dial().await, negotiated().await).await,
    ];
    for client in &mut clients {
        client.shake_hands().await;
    }
    for speaker in 0..clients.len() {
        clients[speaker].tell("Say", json!([speaker.to_string()])).await;
        for client in &mut clients {
            assert_eq!(client.next_call().await, ("said".into(), json!([speaker.to_string()])));
        }
    }
    assert_eq!(ask("POST /say", "from a route").await.status, 200);
    for client in &mut clients {
        assert_eq!(client.next_call().await.1, json!(["from a route"]));
    }
    serving.abort();
}

/// There a websocket is a plain socket as well, which whoever sends writes to.
#[tokio::test]
async fn sends_under_axum_write_at_once() {
    let lobby = Lobby::default();
    let app = Router::new().route_service("/hub", HubServer::new("/hub", lobby.hub(), Options::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, app).into_future());
    let mut client = Client::upgrade(Box::new(TcpStream::connect(address).await.unwrap()), "/hub").await;
    client.shake_hands().await;
    until("the hub is told", || !lobby.handles().is_empty()).await;
    let mut said = FrameBuilder::new(Encoding::Json);
    said.invocation("Said", &(1,)).unwrap();
    assert_eq!(lobby.handles()[0].push(&said.finish(), Instant::now()), Pushed::Sent);
    assert_eq!(client.next_call().await.1, json!([1]));
    serving.abort();
}

/// Of the path a hub is nested at, its own is what is left.
#[tokio::test]
async fn a_nested_hub_stands_at_the_root_of_what_is_left() {
    let echo = RawServer::new("/", Options::default(), |mut connection: RawConnection| async move {
        while let Some(bytes) = connection.receive().await {
            connection.send(&bytes);
        }
    });
    let hub = HubServer::new("/", self::echo(), Options::default());
    let mut app = Router::new().nest_service("/hub", hub).nest_service("/echo", echo);
    for (request, status) in [("POST /hub/negotiate", 200), ("POST /echo/negotiate", 200), ("GET /hub", 400)] {
        let (method, path) = request.split_once(' ').unwrap();
        let asked = hyper::Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap();
        let answer = tower_service::Service::call(&mut app, asked).await.unwrap();
        assert_eq!(answer.status(), status, "{request}");
    }
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

//! One frame of about 500 bytes shared by many outboxes, on its way out over each transport, in memory: the push to all, and
//! everybody's bytes taken as far as the client.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use divan::Bencher;
use divan::counter::ItemsCount;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use signalr_server::{Body, ConnectionHandle, Encoding, Frame, FrameBuilder, Hub, HubServer, Options, Pushed};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Runtime};

fn main() {
    divan::main();
}

const MEMBERS: [usize; 3] = [1, 100, 1_000];

#[divan::bench(args = MEMBERS, sample_count = 50, sample_size = 1)]
fn websockets(bencher: Bencher<'_, '_>, members: usize) {
    let stage = Stage::default();
    let mut clients: Vec<_> = (0..members).map(|_| stage.runtime.block_on(stage.websocket())).collect();
    let mut buffer = vec![0; frame().wire_len()];
    bencher.counter(ItemsCount::new(members)).bench_local(|| {
        stage.push(members);
        stage.runtime.block_on(async {
            for client in &mut clients {
                client.read_exact(&mut buffer).await.expect("the frame comes");
            }
        });
    });
}

#[divan::bench(args = MEMBERS, sample_count = 50, sample_size = 1)]
fn events(bencher: Bencher<'_, '_>, members: usize) {
    let stage = Stage::default();
    let mut bodies: Vec<_> = (0..members).map(|_| stage.runtime.block_on(stage.events())).collect();
    bencher.counter(ItemsCount::new(members)).bench_local(|| {
        stage.push(members);
        stage.runtime.block_on(async {
            for body in &mut bodies {
                assert!(body.frame().await.is_some_and(|piece| piece.is_ok()));
            }
        });
    });
}

#[divan::bench(args = MEMBERS, sample_count = 50, sample_size = 1)]
fn polls(bencher: Bencher<'_, '_>, members: usize) {
    let stage = Stage::default();
    let paths: Vec<_> = (0..members).map(|_| stage.runtime.block_on(stage.polling())).collect();
    bencher.counter(ItemsCount::new(members)).bench_local(|| {
        stage.push(members);
        stage.runtime.block_on(async {
            for path in &paths {
                let answer = stage.ask(Method::GET, path, "*/*", "").await;
                assert!(answer.collect().await.is_ok_and(|body| !body.to_bytes().is_empty()));
            }
        });
    });
}

/// A server and the connections it knows.
struct Stage {
    runtime: Runtime,
    server: HubServer,
    handles: Arc<Mutex<Vec<ConnectionHandle>>>,
}

impl Default for Stage {
    fn default() -> Self {
        let handles = Arc::new(Mutex::new(Vec::new()));
        let register = handles.clone();
        let hub = Hub::new().on_connected(move |caller| {
            register.lock().expect("nobody panics").push(caller.connection().clone());
            async { Ok(()) }
        });
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime starts");
        Self { runtime, server: HubServer::new("/hub", hub, Options::default()), handles }
    }
}

impl Stage {
    /// One record to everyone.
    fn push(&self, members: usize) {
        let (frame, now) = (frame(), Instant::now());
        let handles = self.handles.lock().expect("nobody panics");
        assert_eq!(handles.len(), members);
        for handle in &*handles {
            assert_eq!(handle.push(&frame, now), Pushed::Queued);
        }
    }

    async fn websocket(&self) -> DuplexStream {
        let (mut client, io) = tokio::io::duplex(4 * 1024);
        let http = hyper::server::conn::http1::Builder::new();
        let serving = http.serve_connection(TokioIo::new(io), self.server.clone()).with_upgrades();
        tokio::spawn(async move { serving.await.is_ok() });
        let request = b"GET /hub HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let head = [0x81, 0x80 | HANDSHAKE.len() as u8, 0, 0, 0, 0];
        client.write_all(&[request, &head[..], HANDSHAKE.as_bytes()].concat()).await.expect("the server reads");
        let mut answer = Vec::new();
        while !answer.ends_with(b"{}\x1e") {
            answer.push(client.read_u8().await.expect("the server answers"));
        }
        client
    }

    async fn events(&self) -> Body {
        let path = self.negotiate().await;
        let mut body = self.ask(Method::GET, &path, "text/event-stream", "").await;
        self.ask(Method::POST, &path, "*/*", HANDSHAKE).await;
        for _ in ["the comment", "the answer to the handshake"] {
            assert!(body.frame().await.is_some_and(|piece| piece.is_ok()));
        }
        body
    }

    async fn polling(&self) -> String {
        let path = self.negotiate().await;
        self.ask(Method::GET, &path, "*/*", "").await;
        self.ask(Method::POST, &path, "*/*", HANDSHAKE).await;
        self.ask(Method::GET, &path, "*/*", "").await;
        path
    }

    async fn negotiate(&self) -> String {
        let answer = self.ask(Method::POST, "/hub/negotiate?negotiateVersion=1", "*/*", "").await;
        let document = answer.collect().await.expect("a body").to_bytes();
        let document: serde_json::Value = serde_json::from_slice(&document).expect("a document");
        format!("/hub?id={}", document["connectionToken"].as_str().expect("a token"))
    }

    async fn ask(&self, method: Method, path: &str, accept: &str, body: &'static str) -> Body {
        let request = Request::builder().method(method).uri(path).header("accept", accept);
        let body = Full::<bytes::Bytes>::from(body);
        self.server.answer(request.body(body).expect("a request")).await.into_body()
    }
}

fn frame() -> Frame {
    let mut builder = FrameBuilder::new(Encoding::Json);
    builder.invocation("EventDataReceived", &("x".repeat(436),)).expect("a string serialises");
    builder.finish()
}

const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\x1e";

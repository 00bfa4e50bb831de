//! Fan-out: one record of 500 bytes is encoded once and pushed to 1, 100 and about 10,000 connections.
//!
//! What is timed is the sender's side. Over sockets that is the encoding and one `send` per connection, the system's part
//! included; two descriptors per connection are needed. Over streams in memory every push queues a reference, and wakes
//! the connection's task if nothing waited. The clients read on one other thread of the same machine.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use divan::Bencher;
use divan::counter::ItemsCount;
use hyper_util::rt::TokioIo;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use signalr_server::{ConnectionHandle, Encoding, Frame, FrameBuilder, Hub, HubServer, Options, Pushed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

#[divan::bench]
fn encode() -> Frame {
    frame()
}

#[divan::bench(args = [1, 100, MANY], sample_count = 50)]
fn push_to_sockets(bencher: Bencher<'_, '_>, connections: usize) {
    if !have_descriptors(2 * connections as u64 + 100) {
        println!("skipped: {connections} connections need more descriptors than this process may have");
        return;
    }
    let audience = Audience::gather(connections, |runtime, server| {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        runtime.spawn(server.serve(listener));
        Ok(Box::new(move || TcpStream::connect(address)))
    });
    bencher.counter(ItemsCount::new(connections)).bench_local(|| audience.push());
}

#[divan::bench(args = [1, 100, 10_000], sample_count = 50)]
fn push_to_queues(bencher: Bencher<'_, '_>, connections: usize) {
    let audience = Audience::gather(connections, |_, server| {
        Ok(Box::new(move || {
            let (client, io) = tokio::io::duplex(4 * 1024);
            let http = hyper::server::conn::http1::Builder::new();
            let serving = http.serve_connection(TokioIo::new(io), server.clone()).with_upgrades();
            tokio::spawn(async move { serving.await.is_ok() });
            std::future::ready(Ok(client))
        }))
    });
    bencher.counter(ItemsCount::new(connections)).bench_local(|| audience.push());
}

/// As many as fit twice into the 20,000 descriptors that a process may often have at most.
const MANY: usize = 9_500;

/// Connections after their handshake, whose clients read.
struct Audience {
    handles: Vec<ConnectionHandle>,
    _runtime: Runtime,
}

impl Audience {
    /// `open` makes ready to connect, on a runtime of one thread.
    fn gather<S, F>(
        connections: usize,
        open: impl FnOnce(&Runtime, HubServer) -> io::Result<Box<dyn Fn() -> F>>,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = io::Result<S>>,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let handles = Arc::new(Mutex::new(Vec::new()));
        let register = handles.clone();
        let hub = Hub::new().on_connected(move |caller| {
            register.lock().expect("nobody panics").push(caller.connection().clone());
            async { Ok(()) }
        });
        // The bench may be faster than its readers for a while.
        let most = usize::MAX / 2;
        let options = Options {
            max_queued_bytes: most,
            max_queued_frames: most,
            max_total_queued_bytes: most,
            ..Options::default()
        };
        let connect = open(&runtime, HubServer::new("/hub", hub, options)).expect("the server starts");
        runtime.block_on(async {
            for _ in 0..connections {
                let mut stream = connect().await.expect("the server accepts");
                shake_hands(&mut stream).await.expect("the server answers");
                tokio::spawn(read_all(stream));
            }
        });
        let handles = std::mem::take(&mut *handles.lock().expect("nobody panics"));
        assert_eq!(handles.len(), connections);
        Self { handles, _runtime: runtime }
    }

    /// One record to everyone.
    fn push(&self) {
        let (frame, now) = (frame(), Instant::now());
        for handle in &self.handles {
            assert_ne!(handle.push(&frame, now), Pushed::Ended);
        }
    }
}

fn frame() -> Frame {
    let mut builder = FrameBuilder::new(Encoding::Json);
    let value = "x".repeat(436);
    builder.invocation("EventDataReceived", &(value,)).expect("a string serialises");
    builder.finish()
}

async fn shake_hands(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    let request = b"GET /hub HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let handshake = b"{\"protocol\":\"json\",\"version\":1}\x1e";
    let frame = [&[0x81, 0x80 | handshake.len() as u8, 0, 0, 0, 0], &handshake[..]].concat();
    stream.write_all(&[&request[..], &frame].concat()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"{}\x1e") {
        answer.push(stream.read_u8().await?);
    }
    Ok(())
}

async fn read_all(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = [0; 2 * 1024];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}

/// Whether this process may open so many files, after asking for it.
fn have_descriptors(wanted: u64) -> bool {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return false;
    };
    soft >= wanted || setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok()
}

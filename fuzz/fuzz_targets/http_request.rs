//! Any bytes as a connection of HTTP/1.1 to a hub, or of HTTP/2 behind its preface, in pieces: nothing panics or hangs, no
//! more is held than the bounds allow (`-malloc_limit_mb`), and after the client has gone no connection is left. The first
//! byte chooses the version, the second the pieces; a byte 1 stands for the token of a negotiated connection.
#![no_main]

mod hub;

use std::sync::LazyLock;

use hyper::Method;
use signalr_server::http;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(hub::runtime);

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [choice, size, bytes @ ..] = input else { return };
    RUNTIME.block_on(async {
        let server = hub::server();
        let path = hub::negotiate(&server, false).await;
        let token = path.trim_start_matches("/hub?id=").as_bytes();
        let is_http2 = choice & 1 != 0;
        let sent: Vec<u8> = if is_http2 {
            [PREFACE, bytes].concat()
        } else {
            let bytes = bytes.iter().flat_map(|byte| if *byte == 1 { token } else { std::slice::from_ref(byte) });
            bytes.copied().collect()
        };
        let (mut client, io) = tokio::io::duplex(4 * 1024);
        let serving = tokio::spawn(http::serve_as(io, is_http2, server.clone()));
        for mut piece in sent.chunks(usize::from(*size).max(1)) {
            while !piece.is_empty() && !serving.is_finished() {
                tokio::select! {
                    biased;
                    written = client.write(piece) => piece = &piece[written.unwrap_or(piece.len())..],
                    () = std::future::ready(()) => {}
                }
                hub::pass(1).await;
                read(&mut client).await;
            }
        }
        for _ in 0..30 {
            hub::pass(2).await;
            read(&mut client).await;
        }
        drop(client);
        // A client that polls has not gone before it says so.
        hub::ask(&server, Method::DELETE, &path, "*/*", b"").await;
        hub::turns_until("no connection is left", || server.connections() == 0).await;
        hub::turns_until("nobody is served", || serving.is_finished()).await;
        assert!(serving.await.is_ok(), "it has panicked");
    });
});

/// Takes what is there.
async fn read(client: &mut DuplexStream) {
    let mut buffer = [0; 4 * 1024];
    tokio::select! {
        biased;
        _ = client.read(&mut buffer) => {}
        () = std::future::ready(()) => {}
    }
}

/// Followed by empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

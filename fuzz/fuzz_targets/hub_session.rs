//! Any bytes as all that a client of a hub sends: behind a granted websocket, in whole frames of it, or as POST bodies beside
//! events or polls. Nothing panics or hangs, no more is held than the bounds allow (`-malloc_limit_mb`), and after the client
//! has gone no connection is left. The first byte chooses transport, encoding and stateful reconnect, the second the pieces.
#![no_main]

mod hub;

use std::sync::LazyLock;

use http_body_util::BodyExt;
use hyper::Method;
use signalr_server::{HubServer, http};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(hub::runtime);

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [choice, size, bytes @ ..] = input else { return };
    RUNTIME.block_on(async {
        let server = hub::server();
        let mut sent = match choice & 0x30 {
            0x00 => b"{\"protocol\":\"json\",\"version\":1}\x1e".to_vec(),
            0x10 => b"{\"protocol\":\"messagepack\",\"version\":1}\x1e".to_vec(),
            0x20 => b"{\"protocol\":\"json\",\"version\":2}\x1e".to_vec(),
            _ => Vec::new(),
        };
        let size = usize::from(*size).max(1);
        match choice & 0x03 {
            transport @ (0 | 1) => {
                let (stateful, framed) = (choice & 0x04 != 0, transport == 0);
                let path = hub::negotiate(&server, stateful).await;
                let whole =
                    [frame(&std::mem::take(&mut sent)), if framed { Vec::new() } else { bytes.to_vec() }].concat();
                let mut pieces = vec![whole];
                if framed {
                    pieces.extend(bytes.chunks(size).map(frame));
                }
                // Half over one websocket, half over another, which takes over where that is allowed.
                let first = pieces.len().div_ceil(if choice & 0x08 != 0 { 2 } else { 1 });
                let mut sockets = Vec::new();
                for pieces in [&pieces[..first], &pieces[first..]] {
                    if !pieces.is_empty() {
                        sockets.push(websocket(&server, &path, pieces).await);
                    }
                }
                drop(sockets);
                if stateful {
                    // It would wait for another websocket.
                    hub::pass(50).await;
                    server.drain().await;
                }
            }
            transport => {
                let path = hub::negotiate(&server, false).await;
                sent.extend_from_slice(bytes);
                requests(&server, &path, transport == 2, &mut sent.chunks(size)).await;
            }
        }
        hub::turns_until("no connection is left", || server.connections() == 0).await;
        assert_eq!(server.calls_in_flight(), 0);
    });
});

/// A client that writes all of it, reads all it gets, and stays.
async fn websocket(server: &HubServer, path: &str, pieces: &[Vec<u8>]) -> DuplexStream {
    let (mut client, io) = tokio::io::duplex(4 * 1024);
    tokio::spawn(http::serve_as(io, false, server.clone()));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.expect("the server reads requests");
    for piece in pieces {
        let mut rest = &piece[..];
        for _ in 0..200 {
            tokio::select! {
                biased;
                written = client.write(rest), if !rest.is_empty() => match written {
                    Ok(count) => rest = &rest[count..],
                    Err(_) => break,
                },
                () = hub::pass(5) => {}
            }
            read(&mut client).await;
            if rest.is_empty() {
                break;
            }
        }
    }
    for _ in 0..30 {
        hub::pass(2).await;
        read(&mut client).await;
    }
    client
}

/// Takes what is there.
async fn read(client: &mut DuplexStream) {
    let mut buffer = [0; 4 * 1024];
    tokio::select! {
        biased;
        _ = client.read(&mut buffer) => {}
        () = std::future::ready(()) => {}
    }
}

async fn requests(server: &HubServer, path: &str, events: bool, bodies: &mut dyn Iterator<Item = &[u8]>) {
    let (taking, asking) = (server.clone(), path.to_owned());
    let taken = tokio::spawn(async move {
        loop {
            let accept = if events { "text/event-stream" } else { "*/*" };
            let answer = hub::ask(&taking, Method::GET, &asking, accept, b"").await;
            let (is_ok, mut body) = (answer.status() == 200, answer.into_body());
            while let Some(Ok(_)) = body.frame().await {
                tokio::task::yield_now().await;
            }
            if events || !is_ok {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    hub::pass(3).await;
    for body in bodies {
        tokio::select! {
            answer = hub::ask(server, Method::POST, path, "*/*", body) => {
                if answer.status() != 200 {
                    break;
                }
            }
            () = hub::pass(2_000) => break,
        }
        hub::pass(3).await;
    }
    hub::pass(60).await;
    if !events {
        hub::ask(server, Method::DELETE, path, "*/*", b"").await;
    }
    taken.abort();
}

/// A client's frame of text, masked with zeros.
fn frame(payload: &[u8]) -> Vec<u8> {
    if payload.is_empty() {
        return Vec::new();
    }
    let mut frame = vec![0x81];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

//! Limits of what comes in, one below and one above: what still fits is taken, and one more ends the connection. Those of
//! single transports, calls, streams and connections stand beside their stories.

use std::time::{Duration, Instant};

use serde_json::json;
use signalr_server::{ErrorDetail, Options};

use crate::common::{Client, End, HANDSHAKE, Lobby, Server, Wire, call, frame, on_every_transport, on_every_wire};

on_every_wire!(
    a_frame_of_exactly_the_limit_is_taken,
    fragments_may_be_as_long_together_as_a_websocket_message,
    as_many_fragments_are_taken_as_there_may_be,
    as_many_pings_are_taken_as_there_may_be,
);
on_every_transport!(values_may_nest_64_deep, who_shakes_hands_in_time_is_not_canceled);

const LIMIT: usize = 1_000;

async fn a_frame_of_exactly_the_limit_is_taken(wire: Wire) {
    let server = start(wire, Options { max_frame_bytes: LIMIT, ..Options::default() }).await;
    let mut client = server.connect().await;
    client.write(&frame(0x81, echo(LIMIT).as_bytes())).await;
    assert_eq!(client.next().await["invocationId"], "e");
    client.write(&frame(0x81, echo(LIMIT + 1).as_bytes())).await;
    assert_ends(&server, client, 1009).await;
    assert_eq!(server.metric("limit_hits_total{limit=\"frame_size\"}"), 1);
}

/// Twice a frame.
async fn fragments_may_be_as_long_together_as_a_websocket_message(wire: Wire) {
    let server = start(wire, Options { max_frame_bytes: LIMIT, ..Options::default() }).await;
    let mut client = server.connect().await;
    let fragments = |length: usize| {
        let text = echo(length).into_bytes();
        let parts = [(0x01, &text[..LIMIT]), (0x00, &text[LIMIT..LIMIT + 500]), (0x80, &text[LIMIT + 500..])];
        parts.map(|(first, part)| frame(first, part)).concat()
    };
    client.write(&fragments(2 * LIMIT)).await;
    assert_eq!(client.next().await["invocationId"], "e");
    client.write(&fragments(2 * LIMIT + 1)).await;
    assert_ends(&server, client, 1009).await;
}

async fn as_many_fragments_are_taken_as_there_may_be(wire: Wire) {
    let server = start(wire, Options::default()).await;
    let mut client = server.connect().await;
    let fragments = |number: usize| {
        let text = echo(100).into_bytes();
        [frame(0x01, &text), frame(0x00, b"").repeat(number - 2), frame(0x80, b"")].concat()
    };
    client.write(&fragments(4_096)).await;
    assert_eq!(client.next().await["invocationId"], "e");
    client.assert_silent().await;
    client.write(&fragments(4_097)).await;
    assert_ends(&server, client, 1008).await;
}

async fn as_many_pings_are_taken_as_there_may_be(wire: Wire) {
    let options = Options { max_control_frames_per_second: 0, max_control_frame_burst: 8, ..Options::default() };
    let server = start(wire, options).await;
    let mut client = server.connect().await;
    client.write(&[frame(0x89, b"").repeat(4), frame(0x8A, b"").repeat(4)].concat()).await;
    client.assert_silent().await;
    client.write(&frame(0x8A, b"")).await;
    assert_ends(&server, client, 1008).await;
    assert_eq!(server.metric("limit_hits_total{limit=\"control_frames\"}"), 1);
}

/// The message and the list of its arguments are two of them.
async fn values_may_nest_64_deep(wire: Wire) {
    let server = start(wire, Options::default()).await;
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!("{{\"type\":1,\"invocationId\":\"e\",\"target\":\"Echo\",\"arguments\":{open}{close}}}\x1e")
    };
    let mut client = server.connect().await;
    client.send_text(&nested(64)).await;
    assert!(client.next().await["result"].is_array());
    client.send_text(&nested(65)).await;
    let (close, end) = client.closed().await;
    let text = "Connection closed with an error. InvalidDataException: The message is nested deeper than 64 levels.";
    assert_eq!(close.unwrap()["error"], text);
    assert_eq!(end, wire.end());
}

async fn who_shakes_hands_in_time_is_not_canceled(wire: Wire) {
    let mut timeout = Duration::from_millis(400);
    while !shakes_hands_in_time(wire, timeout).await {
        timeout *= 2; // this machine has much else to do
    }
}

/// Whether it was in time; then it has been checked what becomes of it, and of another that was not.
async fn shakes_hands_in_time(wire: Wire, timeout: Duration) -> bool {
    let mut options = Options::default();
    options.protocol.handshake_timeout = timeout;
    let server = start(wire, options).await;
    let (half, rest) = HANDSHAKE.split_at(10);
    let start = Instant::now();
    let mut client = server.open().await;
    client.send_text(half).await;
    client.send_text(rest).await;
    if start.elapsed() > timeout * 3 / 4 {
        return false;
    }
    assert_eq!(client.next().await, json!({}));
    let start = Instant::now();
    let mut late = server.open().await;
    late.send_text(half).await;
    assert_eq!(late.next().await, json!({"error": "Handshake was canceled."}));
    assert!(start.elapsed() >= timeout, "not before its time");
    client.assert_silent().await; // whose time is up as well
    true
}

async fn start(wire: Wire, mut options: Options) -> Server {
    options.protocol.error_detail = ErrorDetail::ClientFaults;
    Server::start_with(wire, Lobby::default().hub(), options).await
}

/// A call of so many bytes.
fn echo(length: usize) -> String {
    let empty = call("e", "Echo", json!([""])).len();
    call("e", "Echo", json!(["x".repeat(length - empty)]))
}

async fn assert_ends(server: &Server, mut client: Client, code: u16) {
    assert_eq!(client.closed().await.1, End::Close(Some(code)));
    server.connect().await.assert_silent().await;
}

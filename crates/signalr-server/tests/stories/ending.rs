//! How connections end: what is said last, violations, timeouts, and the stop of the server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use signalr_server::{Caller, CloseReason, ConnectionHandle, ErrorDetail, Hub, Options};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{
    Client, End, Server, Wire, frame, on_every_transport, on_every_wire, soon, until, upgrade_request,
};

on_every_wire!(
    a_goodbye_is_answered_with_a_close_and_code_1000,
    what_breaks_the_rules_of_websockets_ends_with_their_codes,
    an_idle_connection_is_pinged,
    a_client_that_pinged_once_must_not_fall_silent,
);

on_every_transport!(
    what_breaks_the_protocol_ends_with_a_close_that_invites_back,
    handshakes_that_fail_are_told_why,
    a_handshake_that_does_not_come_is_canceled,
    a_stopping_server_finishes_calls_and_invites_everyone_back,
    what_is_being_admitted_when_its_client_leaves_is_admitted,
);

async fn a_goodbye_is_answered_with_a_close_and_code_1000(wire: Wire) {
    let goodbyes = [
        ("a Close message", frame(0x81, b"{\"type\":7}\x1e")),
        ("with an error", frame(0x81, b"{\"type\":7,\"error\":\"tired\"}\x1e")),
        ("code 1000", frame(0x88, &1000_u16.to_be_bytes())),
        ("no code", frame(0x88, b"")),
        ("code 1001", frame(0x88, &1001_u16.to_be_bytes())),
        ("code 4000 and a reason", frame(0x88, b"\x0f\xa0bye")),
    ];
    let server = Server::start_with(wire, Hub::new(), Options::default()).await;
    for (name, goodbye) in goodbyes {
        let mut client = server.connect().await;
        client.write(&goodbye).await;
        let ended = client.closed().await;
        assert_eq!(ended, (Some(json!({"type": 7})), End::Close(Some(1000))), "{name}");
    }
}

#[tokio::test]
async fn the_server_may_end_a_connection() {
    let rows = [
        (CloseReason::Ended, json!({"type": 7})),
        (
            CloseReason::Fault("A gap.".into()),
            json!({"type": 7, "error": "Connection closed with an error. A gap.", "allowReconnect": true}),
        ),
        (CloseReason::Draining, json!({"type": 7, "allowReconnect": true})),
    ];
    for (reason, close) in rows {
        let (hub, handles) = registering();
        let mut options = Options::default();
        options.protocol.error_detail = ErrorDetail::ClientFaults;
        let server = Server::start_with(Wire::Own, hub, options).await;
        let mut client = server.connect().await;
        until("it is there", || !handles.lock().unwrap().is_empty()).await;
        handles.lock().unwrap()[0].end(reason);
        assert_eq!(client.closed().await, (Some(close), End::Close(Some(1000))));
    }
}

async fn what_breaks_the_protocol_ends_with_a_close_that_invites_back(wire: Wire) {
    let limit = 200;
    let too_long = "x".repeat(limit);
    let rows = [
        ("no JSON", "Error reading JSON."),
        ("{\"type\":\"1\"}", "Expected 'type' to be of type Number."),
        ("{\"type\":1,\"arguments\":[]}", "Missing required property 'target'."),
        (
            "{\"type\":1,\"invocationId\":null,\"target\":\"T\",\"arguments\":[]}",
            "Expected 'invocationId' to be of type String.",
        ),
        ("", "Error reading JSON."),
        (
            &too_long,
            "The maximum message size of 200B was exceeded. The message size can be configured in AddHubOptions.",
        ),
    ];
    for detail in [ErrorDetail::Hidden, ErrorDetail::ClientFaults] {
        let mut options = Options::default();
        options.protocol.max_message_bytes = limit;
        options.protocol.error_detail = detail;
        let server = Server::start_with(wire, Hub::new(), options).await;
        for (message, text) in rows {
            let mut client = server.connect().await;
            client.send_text(&format!("{message}\x1e{{\"type\":6}}\x1e")).await;
            let (close, end) = client.closed().await;
            let close = close.unwrap();
            assert_eq!((&close["type"], &close["allowReconnect"]), (&json!(7), &json!(true)), "{message}");
            let error = close["error"].as_str().unwrap();
            match detail {
                ErrorDetail::Hidden => assert_eq!(error, "Connection closed with an error."),
                _ => {
                    let prefix = format!("Connection closed with an error. InvalidDataException: {text}");
                    assert!(error.starts_with(&prefix), "{error}");
                }
            }
            assert_eq!(end, wire.end());
        }
    }
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_is_taken() {
    let mut options = Options::default();
    options.protocol.max_message_bytes = 200;
    let hub = Hub::new().method("Length", |_: Caller, (text,): (String,)| async move { Ok(text.len()) });
    let server = Server::start_with(Wire::Own, hub, options).await;
    let mut client = server.connect().await;
    let call = |length: usize| {
        let text = "x".repeat(length);
        format!("{{\"type\":1,\"invocationId\":\"1\",\"target\":\"Length\",\"arguments\":[\"{text}\"]}}\x1e")
    };
    let fits = 200 - call(0).len();
    client.send_text(&call(fits)).await;
    assert_eq!(client.next().await["result"], fits);
    client.send_text(&call(fits).repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(client.next().await["result"], fits, "together they may be longer");
    }
    client.send_text(&call(fits + 1)).await;
    assert!(client.closed().await.0.is_some());
}

async fn what_breaks_the_rules_of_websockets_ends_with_their_codes(wire: Wire) {
    let long = [&[0x82, 0xFF][..], &100_001_u64.to_be_bytes(), &[0; 4]].concat();
    let rows = [
        ("a frame without mask", vec![0x81, 1, b'x'], 1002),
        ("a reserved bit", frame(0xC1, b"x"), 1002),
        ("an unknown opcode", frame(0x83, b""), 1002),
        ("a fragmented ping", frame(0x09, b""), 1002),
        ("half a close code", frame(0x88, b"x"), 1002),
        ("a continuation of nothing", frame(0x80, b"x"), 1002),
        ("a frame over the limit, by its announcement", long, 1009),
        ("endless fragments", [frame(0x01, b""), frame(0x00, b"").repeat(4_096)].concat(), 1008),
        ("a storm of pings", frame(0x89, b"").repeat(41), 1008),
    ];
    let options = Options { max_frame_bytes: 100_000, max_control_frame_burst: 40, ..Options::default() };
    let server = Server::start_with(wire, Hub::new(), options).await;
    for (name, bytes, code) in rows {
        let mut client = server.connect().await;

        client.write(&bytes).await;
        let (close, end) = client.closed().await;
        assert_eq!(end, End::Close(Some(code)), "{name}");
        assert_eq!(close.unwrap()["allowReconnect"], true, "{name}");
    }
    assert_eq!(server.metric("limit_hits_total{limit=\"control_frames\"}"), 1);
    assert_eq!(server.metric("limit_hits_total{limit=\"frame_size\"}"), 1);
}

#[tokio::test]
async fn a_goodbye_reaches_a_client_that_still_sends() {
    let server = Server::start(Hub::new()).await;
    let mut client = server.connect().await;
    let io = client.io();
    let mut bytes = frame(0x81, b"no JSON\x1e");
    bytes.extend(frame(0x81, &vec![b'x'; 4 * 1024 * 1024]));
    soon("the server takes all of it", io.write_all(&bytes)).await.unwrap();
    let (close, end) = client.closed().await;
    assert_eq!(close.unwrap()["allowReconnect"], true);
    assert_eq!(end, End::Close(Some(1000)));
}

#[tokio::test]
async fn a_client_that_says_goodbye_and_closes_its_side_still_gets_what_was_sent() {
    const SENDS: usize = 300;
    let (hub, handles) = registering();
    let server = Server::start(hub).await;
    let mut client = Client::upgrade(Box::new(server.dial_narrow().await), "/hub").await;
    client.shake_hands().await;
    let text = "x".repeat(30_000);
    for index in 0..SENDS {
        server.hub.clients().all().send("Said", &(index, &text)).await.unwrap();
    }
    assert!(server.metric("output_queued_bytes") > 100_000, "much is to wait");
    client.send(&json!({"type": 7})).await;
    client.io().shutdown().await.unwrap();
    until("the goodbye is heard", || handles.lock().unwrap()[0].is_ended()).await;
    for index in 0..SENDS {
        assert_eq!(client.next().await["arguments"][0], index);
    }
    assert_eq!(client.closed().await, (Some(json!({"type": 7})), End::Close(Some(1000))));
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload() {
    let server = Server::start(Hub::new()).await;
    let mut client = server.connect().await;
    let longest = vec![b'p'; 125];
    for payload in [&b""[..], b"abc", &longest] {
        client.pongs.clear();
        client.send_frame(Message::Ping(payload.to_vec().into())).await;
        client.send_frame(Message::Pong(b"unasked"[..].into())).await;
        client.assert_silent().await;
        assert_eq!(client.pongs, [payload.to_vec()]);
    }
}

async fn handshakes_that_fail_are_told_why(wire: Wire) {
    let long = format!("{{\"protocol\":\"json\",\"version\":1,\"x\":\"{}\"}}", "x".repeat(40_000));
    let rows = [
        ("{\"protocol\":\"xml\",\"version\":1}", "The protocol 'xml' is not supported."),
        (
            "{\"protocol\":\"messagepack\",\"version\":3}",
            "The server does not support version 3 of the 'messagepack' protocol.",
        ),
        ("{\"protocol\":\"json\",\"version\":3}", "The server does not support version 3 of the 'json' protocol."),
        ("{\"protocol\":\"json\"}", "An unexpected error occurred during connection handshake."),
        ("hello", "An unexpected error occurred during connection handshake."),
        (&long, "Handshake was canceled."),
    ];
    let server = Server::start_with(wire, Hub::new(), Options::default()).await;
    for (request, text) in rows {
        let mut client = server.open().await;
        client.send_text(&format!("{request}\x1e")).await;
        assert_eq!(client.next().await, json!({"error": text}));
        assert_eq!(client.closed().await, (None, wire.end()), "{text}");
    }
    for version in [0, 2] {
        let mut client = server.open().await;
        client.send(&json!({"version": version, "protocol": "JSON", "more": {}})).await;
        assert_eq!(client.next().await, json!({}));
    }
}

async fn a_handshake_that_does_not_come_is_canceled(wire: Wire) {
    let mut options = Options::default();
    options.protocol.handshake_timeout = Duration::from_millis(50);
    let server = Server::start_with(wire, Hub::new(), options).await;
    for beginning in ["", "{\"protocol\":"] {
        let mut client = server.open().await;
        client.send_text(beginning).await;
        assert_eq!(client.next().await, json!({"error": "Handshake was canceled."}));
        assert_eq!(client.closed().await, (None, wire.end()));
    }
}

#[tokio::test]
async fn pings_go_both_ways_over_events_too() {
    an_idle_connection_is_pinged(Wire::Events).await;
    a_client_that_pinged_once_must_not_fall_silent(Wire::Events).await;
}

async fn an_idle_connection_is_pinged(wire: Wire) {
    let mut options = Options::default();
    options.protocol.keep_alive_interval = Duration::from_millis(50);
    let server = Server::start_with(wire, Hub::new(), options).await;
    let mut client = server.connect().await;
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(client.next_of_all().await, json!({"type": 6}));
    }
    assert!(start.elapsed() >= Duration::from_millis(100), "pings come no sooner than asked");
}

#[tokio::test]
async fn what_is_sent_stands_for_a_ping() {
    let interval = Duration::from_millis(200);
    let mut options = Options::default();
    options.protocol.keep_alive_interval = interval;
    let server = Server::start_with(Wire::Own, Hub::new(), options).await;
    let mut client = server.connect().await;
    loop {
        let start = Instant::now();
        let (mut last, mut longest_pause, mut pings) = (start, Duration::ZERO, 0);
        while start.elapsed() < 3 * interval {
            server.hub.clients().all().send("Said", &()).await.unwrap();
            while client.next_of_all().await["type"] == 6 {
                pings += 1;
            }
            longest_pause = longest_pause.max(last.elapsed());
            last = Instant::now();
        }
        // On a busy machine the test itself may have been silent for too long: then it says nothing.
        if longest_pause < interval / 2 {
            assert_eq!(pings, 0);
            break;
        }
    }
    assert_eq!(client.next_of_all().await, json!({"type": 6}), "silence is filled");
}

async fn a_client_that_pinged_once_must_not_fall_silent(wire: Wire) {
    let mut options = Options::default();
    options.protocol.peer_timeout = Duration::from_millis(100);
    options.protocol.keep_alive_interval = Duration::from_millis(50);
    options.protocol.error_detail = ErrorDetail::ClientFaults;
    let server = Server::start_with(wire, Hub::new(), options).await;
    let (mut pings, mut never) = (server.connect().await, server.connect().await);
    let start = Instant::now();
    pings.send(&json!({"type": 6})).await;
    let (close, end) = pings.closed().await;
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert_eq!(
        close,
        Some(json!({"type": 7, "allowReconnect": true, "error":
            "Connection closed with an error. OperationCanceledException: Client hasn't sent a message/ping within the \
             configured ClientTimeoutInterval."}))
    );
    assert_eq!(end, wire.end());
    for _ in 0..4 {
        assert_eq!(never.next_of_all().await, json!({"type": 6}), "who never pings is not timed out");
    }
}

#[tokio::test]
async fn time_in_which_the_server_does_not_read_is_not_the_clients_silence() {
    let gate = Arc::new(Semaphore::new(0));
    let wait = gate.clone();
    let hub = Hub::new().method("Hold", move |_: Caller, (): ()| {
        let wait = wait.clone();
        async move {
            wait.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let mut options = Options::default();
    options.protocol.peer_timeout = Duration::from_millis(100);
    options.protocol.keep_alive_interval = Duration::from_millis(50);
    let server = Server::start_with(Wire::Own, hub, options).await;
    let mut client = server.connect().await;
    client.send(&json!({"type": 6})).await;
    client.call("1", "Hold", json!([])).await;
    client.call("2", "Hold", json!([])).await;
    // The server's pings are the clock: several timeouts pass while the client pings unread.
    for _ in 0..8 {
        assert_eq!(client.next_of_all().await, json!({"type": 6}));
        client.send(&json!({"type": 6})).await;
    }
    gate.add_permits(2);
    assert_eq!(client.next().await["invocationId"], "1");
    assert_eq!(client.next().await["invocationId"], "2");
}

async fn a_stopping_server_finishes_calls_and_invites_everyone_back(wire: Wire) {
    let gate = Arc::new(Semaphore::new(0));
    let wait = gate.clone();
    let hub = Hub::new().method("Hold", move |_: Caller, (): ()| {
        let wait = wait.clone();
        async move {
            wait.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let options = Options { drain_spread: Duration::from_millis(50), ..Options::default() };
    let server = Server::start_with(wire, hub, options).await;
    let (mut busy, mut idle) = (server.connect().await, server.connect().await);
    let mut new = server.open().await;
    until("all are connected", || server.metric("connections") == 3).await;
    busy.call("1", "Hold", json!([])).await;
    until("the call runs", || server.hub.calls_in_flight() == 1).await;
    let draining = tokio::spawn({
        let hub = server.hub.clone();
        async move { hub.drain().await }
    });
    let mut refused = server.http("POST /hub/negotiate", &[]).await;
    while refused.status == 200 {
        refused = server.http("POST /hub/negotiate", &[]).await;
    }
    for refused in [refused, server.http("GET /hub", &upgrade_request()).await] {
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    }
    new.shake_hands().await;
    idle.call("2", "Hold", json!([])).await;
    gate.add_permits(1);
    let completion = busy.next().await;
    assert_eq!((&completion["invocationId"], completion.get("error")), (&json!("1"), None));
    for client in [&mut busy, &mut idle] {
        let ended = client.closed().await;
        assert_eq!(ended, (Some(json!({"type": 7, "allowReconnect": true})), wire.end()));
    }
    assert_eq!(new.closed().await.0, Some(json!({"type": 7, "allowReconnect": true})));
    soon("the drain ends", draining).await.unwrap();
    assert_eq!(server.hub.calls_in_flight(), 0, "no new call was read");
}

async fn what_is_being_admitted_when_its_client_leaves_is_admitted(wire: Wire) {
    let gate = Arc::new(Semaphore::new(0));
    let [admitted, left] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let (opens, counted, told) = (gate.clone(), admitted.clone(), left.clone());
    let hub = Hub::new()
        .pipelined_method("Write", move |_: Caller, (): ()| {
            let (opens, counted) = (opens.clone(), counted.clone());
            async move {
                opens.acquire().await.unwrap().forget();
                counted.fetch_add(1, Ordering::SeqCst);
                Ok(std::future::ready(Ok(())))
            }
        })
        .on_disconnected(move |_, _| {
            told.fetch_add(1, Ordering::SeqCst);
            std::future::ready(())
        });
    let server = Server::start_with(wire, hub, Options::default()).await;
    // Who polls is missed only after a while.
    let ways = if wire == Wire::Polls { &[true][..] } else { &[true, false] };
    for (number, says_goodbye) in (1..).zip(ways) {
        let mut client = server.connect().await;
        client.tell("Write", json!([])).await;
        until("the call runs", || server.hub.calls_in_flight() == 1).await;
        if *says_goodbye {
            client.send(&json!({"type": 7})).await;
        } else {
            drop(client);
        }
        until("the hub is told", || left.load(Ordering::SeqCst) == number).await;
        gate.add_permits(1);
        until("it is admitted", || admitted.load(Ordering::SeqCst) == number).await;
        until("it is over", || server.hub.calls_in_flight() == 0).await;
    }
}

#[tokio::test]
async fn a_client_that_shakes_hands_after_the_goodbyes_is_invited_back_too() {
    let (hub, handles) = registering();
    let options = Options { drain_spread: Duration::ZERO, ..Options::default() };
    let server = Server::start_with(Wire::Own, hub, options).await;
    let mut client = server.open().await;
    until("it is connected", || server.metric("connections") == 1).await;
    server.hub.drain().await;
    client.shake_hands().await;
    assert_eq!(client.closed().await.0, Some(json!({"type": 7, "allowReconnect": true})));
    assert!(handles.lock().unwrap().is_empty(), "the hub never hears of it");
}

#[tokio::test]
async fn a_call_that_ends_its_own_connection_is_still_answered() {
    let hub = Hub::new().method("Logout", |caller: Caller, (): ()| async move {
        caller.connection().end(CloseReason::Ended);
        Ok("bye")
    });
    let server = Server::start(hub).await;
    let mut client = server.connect().await;
    assert_eq!(client.invoke("Logout", json!([])).await, Ok(json!("bye")));
    assert_eq!(client.closed().await, (Some(json!({"type": 7})), End::Close(Some(1000))));
}

#[tokio::test]
async fn a_call_that_does_not_end_does_not_keep_a_server_from_stopping() {
    let hub = Hub::new().method("Hang", |_: Caller, (): ()| async {
        std::future::pending::<()>().await;
        Ok(())
    });
    let options =
        Options { drain_calls_timeout: Duration::from_millis(50), drain_spread: Duration::ZERO, ..Options::default() };
    let server = Server::start_with(Wire::Own, hub, options).await;
    let mut client = server.connect().await;
    client.call("1", "Hang", json!([])).await;
    until("the call runs", || server.hub.calls_in_flight() == 1).await;
    server.hub.drain().await;
    assert_eq!(client.closed().await.0, Some(json!({"type": 7, "allowReconnect": true})));
}

#[tokio::test(start_paused = true)]
async fn goodbyes_are_spread_over_the_time_given_and_no_longer() {
    const CLIENTS: usize = 1_000;
    let spread = Duration::from_millis(100);
    let options = Options { drain_spread: spread, ..Options::default() };
    let server = Server::start_with(Wire::Duplex, Hub::new(), options).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(server.connect().await);
    }
    let start = tokio::time::Instant::now();
    server.hub.drain().await;
    let took = start.elapsed();
    assert!(took >= spread * 9 / 10, "{took:?}");
    // One timer tick per connection would be a second and more.
    assert!(took < spread * 8, "{took:?}");
    for client in &mut clients {
        assert!(client.closed().await.0.is_some());
    }
}

/// A disconnected handler that takes long costs no processor time.
#[tokio::test]
async fn a_long_farewell_does_not_spin() {
    let hub = Hub::new().on_disconnected(|_, _| std::future::pending());
    let mut options = Options::default();
    options.protocol.keep_alive_interval = Duration::from_millis(100);
    let server = Server::start_with(Wire::Own, hub, options).await;
    let mut clock = server.connect().await;
    let mut client = server.connect().await;
    client.send(&json!({"type": 7})).await;
    client.closed().await;
    drop(client);
    // The client has 5 s to close its side; what comes after them is what is measured.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(5_200) {
        clock.next_of_all().await;
    }
    let busy = || tokio::runtime::Handle::current().metrics().worker_total_busy_duration(0);
    let (before, start) = (busy(), Instant::now());
    for _ in 0..5 {
        clock.next_of_all().await;
    }
    let share = (busy() - before).as_secs_f64() / start.elapsed().as_secs_f64();
    assert!(share < 0.5, "busy for {share} of the time");
}

fn registering() -> (Hub, Arc<Mutex<Vec<ConnectionHandle>>>) {
    let handles = Arc::new(Mutex::new(Vec::new()));
    let register = handles.clone();
    let hub = Hub::new().on_connected(move |caller| {
        register.lock().unwrap().push(caller.connection().clone());
        async { Ok(()) }
    });
    (hub, handles)
}

//! Server-Sent Events: the stream, its framing, what comes by POST, and how both ends leave.

use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;
use signalr_server::{CloseReason, ErrorDetail, Options};
use tokio::io::AsyncWriteExt;

use crate::common::{ACCEPT_EVENTS, Client, End, HANDSHAKE, Http1, Lobby, Server, Wire, call, soon, until};

#[tokio::test]
async fn the_stream_begins_at_once_with_its_headers_and_a_comment() {
    let server = Server::start(Lobby::default().hub()).await;
    let path = server.negotiated().await;
    let mut stream = Http1::new(server.dial().await);
    let head = stream.ask(&format!("GET {path}"), &ACCEPT_EVENTS, "").await;
    assert_eq!(head.status, 200);
    let headers = [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-cache,no-store"),
        ("pragma", "no-cache"),
        ("content-encoding", "identity"),
        ("x-accel-buffering", "no"),
    ];
    for (name, value) in headers {
        assert_eq!(head.header(name), Some(value), "{name}");
    }
    let first = soon("the comment", stream.chunk()).await.unwrap();
    assert_eq!(first.as_deref(), Some(":\r\n"), "nothing was posted, and nothing else is sent");
}

#[tokio::test]
async fn events_carry_no_binary() {
    let server = started(Options::default()).await;
    let mut client = server.open().await;
    client.send(&json!({"protocol": "messagepack", "version": 1})).await;
    let text = "Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' \
                transfer format.";
    assert_eq!(client.next().await, json!({"error": text}));
    assert_eq!(client.closed().await, (None, Wire::Events.end()));
    until("it is forgotten", || server.hub.connections() == 0).await;
}

#[tokio::test]
async fn each_message_is_an_event_whatever_line_breaks_are_in_it() {
    let server = started(Options::default()).await;
    let path = server.negotiated().await;
    let mut stream = Http1::new(server.dial().await);
    stream.ask(&format!("GET {path}"), &ACCEPT_EVENTS, "").await;
    server.post(&path, HANDSHAKE).await;
    expect(&mut stream, ":\r\ndata: {}\x1e\r\n\r\n").await;
    let raw = RawValue::from_string("[1,\n2,\r\n3]".into()).unwrap();
    server.hub.clients().all().send("Said", &(raw, "a\nb")).await.unwrap();
    let event =
        "data: {\"type\":1,\"target\":\"Said\",\"arguments\":[[1,\r\ndata: 2,\r\ndata: 3],\"a\\nb\"]}\x1e\r\n\r\n";
    expect(&mut stream, event).await;
}

/// Reads chunks until they are the text expected.
async fn expect(stream: &mut Http1, text: &str) {
    let mut read = String::new();
    while read != text {
        read.push_str(&soon("a chunk", stream.chunk()).await.unwrap().expect("more"));
        assert!(text.starts_with(&read), "{read:?}");
    }
}

#[tokio::test]
async fn messages_may_be_split_over_posts_and_share_them() {
    let server = started(Options::default()).await;
    let mut client = server.connect().await;
    let text = call("1", "Echo", json!(["ü"]));
    let middle = text.find('ü').unwrap();
    for piece in [&text[..7], "", &text[7..middle], &text[middle..]] {
        client.send_text(piece).await;
    }
    assert_eq!(client.next().await["result"], "ü");
    client.send_text(&(0..50).map(|id| call(&id.to_string(), "Echo", json!([id]))).collect::<String>()).await;
    for id in 0..50 {
        assert_eq!(client.next().await["result"], id);
    }
}

#[tokio::test]
async fn posts_at_the_same_time_are_all_taken_one_after_the_other() {
    const POSTS: usize = 40;
    let server = started(Options::default()).await;
    let path = server.negotiated().await;
    let mut client = Client::events(server.dial().await, server.dial().await, path.clone()).await;
    server.shake_hands(&mut client).await;
    // Each is as long as many pieces: were they mixed, no message would be whole.
    let padding = "x".repeat(20_000);
    let posts = (0..POSTS).map(|id| {
        let (server, path, body) = (&server, &path, call(&id.to_string(), "Echo", json!([padding])));
        async move { server.post(path, &body).await }
    });
    for answer in futures::future::join_all(posts).await {
        assert_eq!(answer.told(), (200, ""));
    }
    let mut answered = Vec::new();
    for _ in 0..POSTS {
        answered.push(client.next().await["invocationId"].as_str().unwrap().parse::<usize>().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..POSTS).collect::<Vec<_>>());
}

/// The next POST waits while a body still comes in, and is taken behind it.
#[tokio::test]
async fn a_post_waits_behind_one_that_began_before() {
    let server = started(Options::default()).await;
    let path = server.negotiated().await;
    let mut client = Client::events(server.dial().await, server.dial().await, path.clone()).await;
    server.shake_hands(&mut client).await;
    let (first, second) = (call("1", "Echo", json!([1])), call("2", "Echo", json!([2])));
    let (begin, rest) = first.split_at(10);
    let mut slow = Http1::new(server.dial().await);
    slow.write(&format!("POST {path} HTTP/1.1\r\nHost: hub\r\nContent-Length: {}\r\n\r\n{begin}", first.len())).await;
    until("the beginning is taken", || server.metric("connections") == 1).await;
    let mut quick = Http1::new(server.dial().await);
    quick.begin(&format!("POST {path}"), &[], &second).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    slow.write(rest).await;
    assert_eq!(slow.answer().await.told(), (200, ""));
    assert_eq!(quick.answer().await.told(), (200, ""));
    assert_eq!((client.next().await["result"].clone(), client.next().await["result"].clone()), (json!(1), json!(2)));
}

#[tokio::test]
async fn bodies_may_come_in_chunks_and_requests_behind_each_other() {
    let server = started(Options::default()).await;
    let path = server.negotiated().await;
    let mut client = Client::events(server.dial().await, server.dial().await, path.clone()).await;
    server.shake_hands(&mut client).await;
    let head = format!("POST {path} HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunked = |text: &str| {
        let (one, two) = text.split_at(5);
        format!("{head}{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len())
    };
    let mut posts = Http1::new(server.dial().await);
    posts.write(&[chunked(&call("1", "Echo", json!([1]))), chunked(&call("2", "Echo", json!([2])))].concat()).await;
    for id in 1..=2 {
        assert_eq!(posts.answer().await.told(), (200, ""));
        assert_eq!(client.next().await["result"], id);
    }

    posts.write(&format!("{head}no number\r\n")).await;
    assert_eq!(posts.answer().await.told(), (400, ""), "a body that cannot be read");
    let mut broken = Http1::new(server.dial().await);
    broken.write(&format!("POST {path} HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\n")).await;
    broken.io().shutdown().await.unwrap();
    assert_eq!(broken.answer().await.told(), (400, ""), "a body that breaks off");
    assert_eq!(client.invoke("Echo", json!([3])).await, Ok(json!(3)));
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let server = started(Options { body_timeout: Duration::from_millis(300), ..Options::default() }).await;
    let path = server.negotiated().await;
    let mut client = Client::events(server.dial().await, server.dial().await, path.clone()).await;
    server.shake_hands(&mut client).await;
    let mut stalled = Http1::new(server.dial().await);
    stalled.write(&format!("POST {path} HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\n\r\n")).await;
    assert_eq!(stalled.answer().await.told(), (408, ""));
    assert_eq!(client.invoke("Echo", json!([1])).await, Ok(json!(1)), "who waits behind it goes on");
}

#[tokio::test]
async fn what_is_posted_before_the_stream_is_kept() {
    let server = started(Options::default()).await;
    for wire in [Wire::Events, Wire::Polls] {
        let path = server.negotiated().await;
        assert_eq!(server.post(&path, &HANDSHAKE[..9]).await.told(), (200, ""));
        assert_eq!(server.post(&path, &HANDSHAKE[9..]).await.told(), (200, ""));
        assert_eq!(server.post(&path, &call("1", "Echo", json!(["early"]))).await.told(), (200, ""));
        assert_eq!(server.metric("connections"), 0, "the hub begins with the stream");
        let (io, posts) = (server.dial().await, server.dial().await);
        let mut client = match wire {
            Wire::Events => Client::events(io, posts, path).await,
            _ => Client::polls(io, posts, path).await,
        };
        assert_eq!(client.next().await, json!({}));
        assert_eq!(client.next().await["result"], "early");
        client.send(&json!({"type": 7})).await;
        client.closed().await;
        drop(client);
        until("it is forgotten", || server.metric("connections") == 0).await;
    }
}

/// Anybody may negotiate many connections and never open one. The clock goes on only while everybody waits.
#[tokio::test(start_paused = true)]
async fn before_the_stream_only_so_much_is_kept() {
    let server = Server::start_with(Wire::Duplex, Lobby::default().hub(), Options::default()).await;
    let path = server.negotiated().await;
    let early = [HANDSHAKE.to_owned(), call("1", "Echo", json!(["x".repeat(7_000)]))].concat();
    assert_eq!(server.post(&path, &early).await.told(), (200, ""), "a handshake and a little more");
    let text = call("2", "Echo", json!(["x".repeat(2_000)]));
    let mut posting = Box::pin(server.post(&path, &text));
    let waits = tokio::time::timeout(Duration::from_secs(5), &mut posting).await;
    assert!(waits.is_err(), "9 KB are too much: {waits:?}");
    let mut client = Client::events(server.dial().await, server.dial().await, path.clone()).await;
    let (answer, first) = tokio::join!(posting, client.next());
    assert_eq!((answer.told(), first), ((200, ""), json!({})));
    for id in ["1", "2"] {
        assert_eq!(client.next().await["invocationId"], id);
    }
}

#[tokio::test]
async fn what_nobody_fetches_is_refused_in_the_end() {
    let server = started(Options { disconnect_timeout: Duration::from_millis(300), ..Options::default() }).await;
    let path = server.negotiated().await;
    let answer = server.post(&path, &"x".repeat(200_000)).await;
    assert_eq!(answer.told(), (404, "No Connection with that ID"));
}

#[tokio::test]
async fn a_stream_is_given_once() {
    let server = started(Options::default()).await;
    let path = server.negotiated().await;
    let mut client = Client::events(server.dial().await, server.dial().await, path.clone()).await;
    let again = server.http(&format!("GET {path}"), &ACCEPT_EVENTS).await;
    assert_eq!(again.told(), (409, ""));
    server.shake_hands(&mut client).await;
    assert_eq!(server.http(&format!("GET {path}"), &ACCEPT_EVENTS).await.told(), (409, ""));
    let delete = server.http(&format!("DELETE {path}"), &[]).await;
    assert_eq!(delete.told(), (400, "Cannot terminate this connection using the DELETE endpoint."));
    assert_eq!(client.invoke("Echo", json!([1])).await, Ok(json!(1)));

    client.send(&json!({"type": 7})).await;
    assert_eq!(client.closed().await, (Some(json!({"type": 7})), End::LastEvent));
    until("it is forgotten", || server.metric("connections") == 0).await;
    for request in ["GET", "POST", "DELETE"] {
        let answer = server.http(&format!("{request} {path}"), &ACCEPT_EVENTS).await;
        assert_eq!(answer.told(), (404, "No Connection with that ID"), "{request}");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_has_left() {
    let lobby = Lobby::default();
    let server = Server::start_with(Wire::Events, lobby.hub(), Options::default()).await;
    drop(server.connect().await);
    until("it is forgotten", || server.metric("connections") == 0).await;
    assert_eq!(lobby.left(), [None]);
    // With half a message on its way.
    let mut client = server.connect().await;
    client.send_text("{\"type\":").await;
    drop(client);
    until("it is forgotten", || server.metric("connections") == 0).await;
    let cut = "Connection terminated while reading a message.";
    assert_eq!(lobby.left(), [None, Some(cut.to_owned())]);
    // Before its handshake it is nothing to the hub.
    drop(server.open().await);
    until("it is forgotten", || server.metric("connections") == 0).await;
    assert_eq!(lobby.left().len(), 2);
}

#[tokio::test]
async fn a_client_that_goes_away_during_a_call_gathers_no_output() {
    let lobby = Lobby::default();
    let server =
        Server::start_with(Wire::Events, lobby.hub(), Options { max_queued_bytes: 10_000, ..Options::default() }).await;
    let mut client = server.connect().await;
    client.call("1", "Hold", json!([])).await;
    until("the call runs", || server.hub.calls_in_flight() == 1).await;
    drop(client);
    let sends = async {
        // Until the server has noticed, what is sent waits in vain, and then nothing does.
        loop {
            server.hub.clients().all().send("Said", &("x".repeat(100),)).await.unwrap();
            tokio::task::yield_now().await;
            if lobby.handles()[0].is_ended() || server.metric("output_queued_bytes") == 0 {
                break;
            }
        }
        for _ in 0..1_000 {
            server.hub.clients().all().send("Said", &("x".repeat(100),)).await.unwrap();
        }
    };
    soon("what is sent is dropped", sends).await;
    lobby.gate.add_permits(1);
    until("it is forgotten", || server.metric("connections") == 0).await;
    assert_eq!(lobby.left(), [None]);
}

#[tokio::test]
async fn the_server_ends_a_stream_with_a_close_and_its_end() {
    let rows = [
        (CloseReason::Ended, json!({"type": 7})),
        (
            CloseReason::Fault("A gap.".into()),
            json!({"type": 7, "error": "Connection closed with an error. A gap.", "allowReconnect": true}),
        ),
        (CloseReason::Draining, json!({"type": 7, "allowReconnect": true})),
    ];
    for wire in [Wire::Events, Wire::Polls] {
        for (reason, close) in rows.clone() {
            let lobby = Lobby::default();
            let mut options = Options::default();
            options.protocol.error_detail = ErrorDetail::ClientFaults;
            let server = Server::start_with(wire, lobby.hub(), options).await;
            let mut client = server.connect().await;
            until("it is there", || !lobby.handles().is_empty()).await;
            lobby.handles()[0].end(reason);
            assert_eq!(client.closed().await, (Some(close), wire.end()));
            until("it is forgotten", || server.metric("connections") == 0).await;
            assert_eq!(lobby.left().len(), 1);
        }
    }
}

/// The bounds of a websocket hold here too: what waits for a call is not read, and then not taken.
#[tokio::test]
async fn a_busy_connection_takes_only_so_many_posts_ahead() {
    const CALLS: usize = 40;
    let lobby = Lobby::default();
    for wire in [Wire::Events, Wire::Polls] {
        let server = Server::start_with(wire, lobby.hub(), Options::default()).await;
        let mut client = server.connect().await;
        let padded = |id: usize| {
            let message = json!({"type": 1, "invocationId": id.to_string(), "target": "Hold", "arguments": [],
                "padding": "x".repeat(10_000)});
            format!("{message}\x1e")
        };
        client.send_text(&padded(0)).await;
        until("the call runs", || server.hub.calls_in_flight() == 1).await;
        let mut taken = 1;
        let mut waiting = loop {
            let text = padded(taken);
            let mut send = Box::pin(async {
                let mut client = client;
                client.send_text(&text).await;
                client
            });
            match tokio::time::timeout(Duration::from_secs(1), &mut send).await {
                Ok(back) => client = back,
                Err(_) => {
                    lobby.gate.add_permits(CALLS);
                    break soon("the POST that waited is taken", send).await;
                }
            }
            taken += 1;
            assert!(taken < CALLS, "everything is taken");
        };
        assert!((6..20).contains(&taken), "64 KiB on each side of the call: {taken}");
        for id in 0..=taken {
            assert_eq!(waiting.next().await["invocationId"], id.to_string());
        }
        let unused = lobby.gate.forget_permits(CALLS);
        assert_eq!(unused, CALLS - taken - 1);
    }
}

async fn started(options: Options) -> Server {
    Server::start_with(Wire::Events, Lobby::default().hub(), options).await
}

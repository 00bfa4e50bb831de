//! Limits of what goes out, one below and one above.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use hyper::http::request::Parts;
use serde_json::json;
use signalr_server::auth::bearer_token;
use signalr_server::{
    Authentication, Caller, ConnectionHandle, Encoding, ErrorDetail, FrameBuilder, HubError, Options, Pushed, User,
};

use crate::common::{Client, Lobby, Server, Wire, until, with_details};

const TOO_SLOW: &str = "Connection closed with an error. The subscriber is too slow.";

/// Between polls nothing is written, so what is sent waits.
#[tokio::test]
async fn a_queue_takes_exactly_its_bytes_and_its_frames() {
    let rows = [
        ("bytes", Options { max_queued_bytes: 300, ..with_details(ErrorDetail::All) }),
        ("frames", Options { max_queued_frames: 3, ..with_details(ErrorDetail::All) }),
    ];
    for (name, options) in rows {
        let lobby = Lobby::default();
        let server = Server::start_with(Wire::Polls, lobby.hub(), options).await;
        let (mut stays, mut ends) = (server.connect().await, server.connect().await);
        let [one, other] = &lobby.handles()[..] else { panic!("two have connected") };
        for number in 0..3 {
            assert_eq!(push(one, number), Pushed::Queued, "{name}");
            assert_eq!(push(other, number), Pushed::Queued, "{name}");
        }
        assert_eq!(push(other, 3), Pushed::Ended, "{name}");
        assert_eq!(server.metric("limit_hits_total{limit=\"output_queue\"}"), 1, "{name}");
        assert_eq!(ends.closed().await.0.unwrap()["error"], TOO_SLOW, "{name}");
        assert_received(&mut stays, 0..3).await;
        assert_eq!(push(one, 3), Pushed::Queued, "{name}: there is room again");
        assert_received(&mut stays, 3..4).await;
    }
}

/// Who sends one frame too many to a client is not held to account for what waits for another.
#[tokio::test]
async fn past_what_may_wait_for_all_together_the_fullest_queue_ends() {
    let lobby = Lobby::default();
    let options = Options { max_total_queued_bytes: 800, ..with_details(ErrorDetail::All) };
    let server = Server::start_with(Wire::Polls, lobby.hub(), options).await;
    let [mut one, mut full, mut other] = [server.connect().await, server.connect().await, server.connect().await];
    let handles = lobby.handles();
    let hits = || server.metric("limit_hits_total{limit=\"output_total\"}");
    for index in [1, 0, 1, 2, 1, 0, 1, 2] {
        assert_eq!(push(&handles[index], 0), Pushed::Queued);
    }
    assert_eq!((server.metric("output_queued_bytes"), hits()), (800, 0), "at the bound");
    assert_eq!(push(&handles[2], 0), Pushed::Queued, "one above");
    assert_eq!((server.metric("output_queued_bytes"), hits()), (500, 1), "there is room at once");
    assert_eq!(push(&handles[1], 0), Pushed::Ended);
    assert_eq!(full.closed().await.0.unwrap()["error"], TOO_SLOW);
    until("it is gone", || lobby.left() == [Some("The subscriber is too slow.".to_owned())]).await;
    for _ in 0..3 {
        assert_eq!(push(&handles[0], 0), Pushed::Queued);
    }
    assert_eq!((server.metric("output_queued_bytes"), hits()), (800, 1), "what was counted off stays so");
    assert_eq!(push(&handles[0], 0), Pushed::Ended, "now its own is the fullest");
    assert_eq!(one.closed().await.0.unwrap()["error"], TOO_SLOW);
    for _ in 0..3 {
        assert_eq!(other.next_call().await.1[0], 0);
    }
    until("nothing waits", || server.metric("output_queued_bytes") == 0).await;
    assert_eq!(hits(), 2);
}

#[tokio::test]
async fn who_reads_a_little_now_and_then_does_not_stall() {
    let stall = Duration::from_secs(2);
    let lobby = Lobby::default();
    let options = Options { max_write_stall: stall, max_queued_age: Duration::from_secs(600), ..Options::default() };
    // A socket's buffers would take and give in lumps.
    let server = Server::start_with(Wire::Duplex, lobby.hub(), options).await;
    let mut client = server.connect().await;
    let text = "x".repeat(20_000);
    for _ in 0..200 {
        server.hub.clients().all().send("Said", &(&text,)).await.unwrap();
    }
    let start = Instant::now();
    while start.elapsed() < 3 * stall {
        for _ in 0..2 {
            client.next_call().await;
        }
        tokio::time::sleep(stall / 12).await;
    }
    assert!(lobby.left().is_empty(), "it has made progress");
    assert!(server.metric("output_queued_bytes") > 0, "and something waits");
    until("it has stalled", || !lobby.left().is_empty()).await;
    assert_eq!(lobby.left(), [Some("The subscriber is too slow.".to_owned())]);
    assert_eq!(server.metric("limit_hits_total{limit=\"write_stall\"}"), 1);
}

/// A stream waits at the bound of what is not acknowledged; others do not wait, and end the connection at the queue's.
#[tokio::test]
async fn what_is_not_acknowledged_holds_up_streams_and_ends_the_connection_in_the_end() {
    let lobby = Lobby::default();
    let hub = lobby.hub().stream_method("Endless", |_: Caller, (): ()| async {
        Ok(stream::repeat("x".repeat(1_000)).then(|item| async {
            tokio::task::yield_now().await;
            Ok::<_, HubError>(item)
        }))
    });
    let options = Options {
        stateful_reconnect: true,
        reconnect_buffer: 10_000,
        max_queued_bytes: 1_000_000,
        max_queued_frames: 20_000,
        ..Options::default()
    };
    let server = Server::start_with(Wire::Own, hub, options).await;
    let mut client = stateful(&server).await;
    client.stream("1", "Endless", json!([])).await;
    let (mut items, mut bytes) = (0_u64, 0);
    while bytes < 10_000 {
        bytes += next_item(&mut client).await;
        items += 1;
    }
    // What had begun before the bound may follow, as far as a turn goes; then nothing does.
    while tokio::time::timeout(Duration::from_millis(300), next_item(&mut client)).await.is_ok() {
        items += 1;
        assert!(items < 60, "the stream does not wait");
    }
    assert!(lobby.left().is_empty());
    client.send(&json!({"type": 8, "sequenceId": items})).await;
    next_item(&mut client).await;
    client.send(&json!({"type": 5, "invocationId": "1"})).await;

    let handle = &lobby.handles()[0];
    let mut number = 0;
    while push(handle, number) != Pushed::Ended {
        number += 1;
        assert!(number < 10_001, "it holds more than the bound");
        if number % 20 == 0 {
            tokio::task::yield_now().await; // nothing is to wait for the socket
        }
    }
    assert!(number > 9_000, "it ends below the bound");
    assert_eq!(server.metric("limit_hits_total{limit=\"reconnect_buffer\"}"), 1);
    until("it is ended", || lobby.left() == [Some("The subscriber is too slow.".to_owned())]).await;
}

/// Past a bound the one ends that has waited longest: of its user's, or of all.
#[tokio::test]
async fn only_so_many_connections_wait_for_another_websocket() {
    let lobby = Lobby::default();
    let options = Options {
        stateful_reconnect: true,
        authentication: Some(Authentication::new(|head: &Parts| Ok(bearer_token(head).map(User::new)))),
        max_detached: 3,
        max_detached_per_user: 2,
        ..Options::default()
    };
    let server = Server::start_with(Wire::Own, lobby.hub(), options).await;
    let (mut clients, mut paths) = (Vec::new(), Vec::new());
    for query in ["&access_token=ann", "&access_token=ann", "&access_token=ann", "", "", "", ""] {
        let path = negotiated(&server).await + query;
        clients.push(Some(stateful_at(&server, &path).await));
        paths.push(path);
    }
    until("all are there", || lobby.handles().len() == clients.len()).await;
    let handles = lobby.handles();
    let ended = || (0..handles.len()).filter(|index| handles[*index].is_ended()).collect::<Vec<_>>();
    let waiting = || server.metric("detached_connections");
    let mut expected = Vec::new();
    for (breaks_off, now_wait, ends) in [
        (0, 1, None),
        (1, 2, None),
        (2, 2, Some(0)), // the third of ann
        (3, 3, None),
        (4, 3, Some(1)), // the fourth of all
        (5, 3, Some(2)), // and now three are nobody's
    ] {
        drop(clients[breaks_off].take());
        expected.extend(ends);
        until("those end that must", || ended() == expected).await;
        until("the others wait", || waiting() == now_wait).await;
        assert_eq!(server.metric("limit_hits_total{limit=\"detached\"}"), expected.len() as u64);
    }
    let _back = Client::upgrade(server.dial().await, &paths[3]).await;
    until("it is back", || waiting() == 2).await;
    drop(clients[6].take());
    until("there was room", || waiting() == 3).await;
    assert_eq!(ended(), expected);
    assert_eq!(lobby.left(), vec![Some("The transport ended without a close frame.".to_owned()); 3]);
}

/// A connection that acknowledges what it got.
async fn stateful(server: &Server) -> Client {
    stateful_at(server, &negotiated(server).await).await
}

async fn negotiated(server: &Server) -> String {
    let negotiate = "POST /hub/negotiate?negotiateVersion=1&useStatefulReconnect=true";
    let negotiated = server.http(negotiate, &[]).await.json();
    format!("/hub?id={}", negotiated["connectionToken"].as_str().unwrap())
}

async fn stateful_at(server: &Server, path: &str) -> Client {
    let mut client = Client::upgrade(server.dial().await, path).await;
    client.send(&json!({"protocol": "json", "version": 2})).await;
    assert_eq!(client.next().await, json!({}));
    client
}

/// Length of the next item of a stream; acknowledgements are passed over.
async fn next_item(client: &mut Client) -> usize {
    loop {
        let message = client.next().await;
        match message["type"].as_u64() {
            Some(2) => return message.to_string().len(),
            Some(8) => {}
            _ => panic!("no item: {message}"),
        }
    }
}

/// A message of exactly 100 bytes without frame.
fn push(handle: &ConnectionHandle, number: usize) -> Pushed {
    let empty = format!("{{\"type\":1,\"target\":\"Said\",\"arguments\":[{number},\"\"]}}\x1e").len();
    let mut builder = FrameBuilder::new(Encoding::Json);
    builder.invocation("Said", &(number, "x".repeat(100 - empty))).unwrap();
    handle.push(&builder.finish(), Instant::now())
}

async fn assert_received(client: &mut Client, numbers: std::ops::Range<usize>) {
    for number in numbers {
        assert_eq!(client.next_call().await.1[0], number);
    }
}

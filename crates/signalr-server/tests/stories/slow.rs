//! Readers slower than the server sends: nobody else waits for them, nothing is torn, and their bounds end them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use signalr_server::{Caller, ConnectionId, ErrorDetail, Hub, Options};
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Client, Server, Wire, on_every_transport, on_every_wire, soon, until};

on_every_wire!(
    a_reader_that_pauses_gets_everything_in_order_and_every_pong,
    output_may_wait_no_longer_than_its_age,
    a_paced_sender_waits_for_its_reader,
    a_paced_sender_does_not_outwait_its_connection,
);

on_every_transport!(a_reader_that_stops_is_ended_at_its_bound_and_holds_up_nobody,);

/// The test of spec/outbox.md §2: 16 MB of frames and 40 pings while the client does not read.
async fn a_reader_that_pauses_gets_everything_in_order_and_every_pong(wire: Wire) {
    const FRAMES: usize = 1_600;
    const PINGS: usize = 40;
    let marks = Arc::new(AtomicUsize::new(0));
    let marked = marks.clone();
    let hub = Hub::new().method("Mark", move |_: Caller, (): ()| {
        marked.fetch_add(1, Ordering::Relaxed);
        async { Ok(()) }
    });
    let options = Options { max_queued_bytes: 32 << 20, max_queued_age: Duration::from_secs(60), ..Options::default() };
    let server = Server::start_with(wire, hub, options).await;
    let mut client = paused(&server, wire).await;
    let text = "x".repeat(10_000);
    for index in 0..FRAMES {
        server.hub.clients().all().send("Said", &(index, &text)).await.unwrap();
        if index % (FRAMES / PINGS) == 0 {
            let ping = index * PINGS / FRAMES;
            client.send_frame(Message::Ping(vec![ping as u8].into())).await;
            client.tell("Mark", json!([])).await;
            // Of several pings in one turn only the latest would be answered.
            until("the ping was read", || marks.load(Ordering::Relaxed) == ping + 1).await;
        }
    }
    assert!(server.metric("output_queued_bytes") > 8_000_000, "the reader is to be far behind");
    for index in 0..FRAMES {
        let (_, arguments) = client.next_call().await;
        assert_eq!(arguments[0], index);
        assert!(arguments[1] == text, "a frame is torn");
    }
    client.assert_silent().await;
    assert_eq!(client.pongs, (0..PINGS).map(|ping| vec![ping as u8]).collect::<Vec<_>>());
    assert_eq!(server.metric("output_queued_bytes"), 0);
}

async fn a_reader_that_stops_is_ended_at_its_bound_and_holds_up_nobody(wire: Wire) {
    let (hub, left) = lobby();
    let mut options = Options { max_queued_bytes: 100_000, ..Options::default() };
    options.protocol.error_detail = ErrorDetail::ClientFaults;
    let server = Server::start_with(wire, hub, options).await;
    let mut slow = paused(&server, wire).await;
    let mut quick = server.connect().await;
    let text = "x".repeat(20_000);
    let mut sent = 0;
    while left.lock().unwrap().is_empty() {
        let start = Instant::now();
        server.hub.clients().all().send("Said", &(sent, &text)).await.unwrap();
        assert_eq!(quick.next_call().await.1[0], sent);
        assert!(start.elapsed() < Duration::from_secs(5), "the quick one waits for the slow one");
        assert!(
            server.metric("output_queued_bytes") <= 100_000 + 21_000,
            "the bound, and what the quick one just read"
        );
        sent += 1;
        assert!(sent < 10_000, "the slow one is never ended");
    }
    assert_eq!(*left.lock().unwrap(), [Some("The subscriber is too slow.".to_owned())]);
    assert_eq!(server.metric("limit_hits_total{limit=\"output_queue\"}"), 1);
    assert_eq!(server.metric("connections_closed_total{reason=\"slow\"}"), 1);
    until("only the frame that had begun is kept, and the goodbye", || server.metric("output_queued_bytes") < 21_000)
        .await;
    // What it got is whole and has no gap; then it is told why it ends.
    let mut next = 0;
    let close = loop {
        let message = slow.next().await;
        if message["type"] == 7 {
            break message;
        }
        assert_eq!(message["arguments"][0], next);
        assert!(message["arguments"][1] == text);
        next += 1;
    };
    assert!(next < sent);
    assert_eq!(
        close,
        json!({"type": 7, "allowReconnect": true, "error":
            "Connection closed with an error. The subscriber is too slow."})
    );
    assert_eq!(slow.closed().await, (None, wire.end()));
}

#[tokio::test]
async fn events_may_wait_no_longer_than_their_age() {
    output_may_wait_no_longer_than_its_age(Wire::Events).await;
}

async fn output_may_wait_no_longer_than_its_age(wire: Wire) {
    let (hub, left) = lobby();
    let age = Duration::from_millis(200);
    let options = Options { max_queued_age: age, ..Options::default() };
    let server = Server::start_with(wire, hub, options).await;
    let _slow = paused(&server, wire).await;
    let start = Instant::now();
    fill(&server, &left).await;
    until("it is ended", || !left.lock().unwrap().is_empty()).await;
    assert!(start.elapsed() >= age, "not before its time");
    assert!(start.elapsed() < Options::default().max_queued_age, "and not much later");
    assert_eq!(*left.lock().unwrap(), [Some("The subscriber is too slow.".to_owned())]);
}

/// Twice what may wait in all, which an unpaced sender would not get through.
async fn a_paced_sender_waits_for_its_reader(wire: Wire) {
    const FRAMES: usize = 1_600;
    let text = "x".repeat(10_000);
    let (said, expected) = (text.clone(), text);
    let hub = Hub::new().method("Flood", move |caller: Caller, (): ()| {
        let text = said.clone();
        async move {
            for index in 0..FRAMES {
                caller.itself().send_paced("Said", &(index, &text)).await?;
            }
            Ok(())
        }
    });
    let server = Server::start_with(wire, hub, Options::default()).await;
    let mut client = paused(&server, wire).await;
    client.call("1", "Flood", json!([])).await;
    until("it waits", || server.metric("output_queued_bytes") > 0).await;
    for index in 0..FRAMES {
        let (_, arguments) = client.next_call().await;
        assert_eq!(arguments[0], index);
        assert!(arguments[1] == expected, "a frame is torn");
        assert!(server.metric("output_queued_bytes") < 80_000, "it is to wait for its reader");
    }
    assert_eq!(client.next().await["invocationId"], "1");
}

async fn a_paced_sender_does_not_outwait_its_connection(wire: Wire) {
    let (hub, left) = lobby();
    let server = Server::start_with(
        wire,
        hub.method("Id", |caller: Caller, (): ()| async move { Ok(caller.connection_id()) }),
        Options::default(),
    )
    .await;
    let mut client = paused(&server, wire).await;
    let id = client.invoke("Id", json!([])).await.unwrap();
    let id = ConnectionId::parse(id.as_str().unwrap()).unwrap();
    let clients = server.hub.clients();
    let sender = tokio::spawn(async move {
        let text = "x".repeat(10_000);
        for _ in 0..2_000 {
            clients.connection(id).send_paced("Said", &(&text,)).await.unwrap();
        }
    });
    until("it waits", || server.metric("output_queued_bytes") > 0).await;
    drop(client);
    until("the connection has ended", || !left.lock().unwrap().is_empty()).await;
    soon("the sender", sender).await.unwrap();
}

/// A goodbye that cannot go out costs no processor time while it waits.
#[tokio::test]
async fn a_stuck_reader_does_not_spin() {
    let (hub, left) = lobby();
    let mut options = Options { max_queued_age: Duration::from_millis(100), ..Options::default() };
    options.protocol.keep_alive_interval = Duration::from_millis(100);
    let server = Server::start_with(Wire::Own, hub, options).await;
    let _slow = paused(&server, Wire::Own).await;
    fill(&server, &left).await;
    until("it is ended", || !left.lock().unwrap().is_empty()).await;
    let mut clock = server.connect().await;
    let busy = || tokio::runtime::Handle::current().metrics().worker_total_busy_duration(0);
    let (before, start) = (busy(), Instant::now());
    for _ in 0..5 {
        clock.next_of_all().await;
    }
    let share = (busy() - before).as_secs_f64() / start.elapsed().as_secs_f64();
    assert!(share < 0.5, "busy for {share} of the time");
}

/// Sends until much waits.
async fn fill(server: &Server, left: &Mutex<Vec<Option<String>>>) {
    let text = "x".repeat(20_000);
    while server.metric("output_queued_bytes") < 200_000 && left.lock().unwrap().is_empty() {
        server.hub.clients().all().send("Said", &(&text,)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await; // whoever writes or reads is to have its turn
    }
}

/// A client that reads only when asked for messages, over buffers as small as can be.
async fn paused(server: &Server, wire: Wire) -> Client {
    let mut client = if wire == Wire::Duplex {
        server.open().await
    } else {
        server.open_over(Box::new(server.dial_narrow().await)).await
    };
    server.shake_hands(&mut client).await;
    client
}

fn lobby() -> (Hub, Arc<Mutex<Vec<Option<String>>>>) {
    let left = Arc::new(Mutex::new(Vec::new()));
    let journal = left.clone();
    let hub = Hub::new().on_disconnected(move |_, error| {
        journal.lock().unwrap().push(error);
        async {}
    });
    (hub, left)
}

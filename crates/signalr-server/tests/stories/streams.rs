//! Server streams: what they send and how they end, at the client's pace and beside each other.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use signalr_server::{Caller, Hub, HubError, Options};
use tokio::sync::Semaphore;

use crate::common::{Client, DETAILS, Server, Wire, on_every_wire, until, with_details};

on_every_wire!(
    items_come_in_order_then_one_completion,
    a_cancelled_stream_is_dropped_and_completed_without_error,
    hundreds_of_streams_run_at_once,
    a_stream_goes_at_the_pace_of_its_reader,
    many_streams_together_go_at_the_pace_of_their_reader,
    a_stream_that_is_always_ready_starves_nobody,
    a_disconnect_drops_the_streams_before_the_hub_is_told,
);

async fn items_come_in_order_then_one_completion(wire: Wire) {
    let server = Server::start_with(wire, streaming(), Options::default()).await;
    let mut client = server.connect().await;
    client.stream("1", "cOUNT", json!([3])).await;
    for item in 0..3 {
        assert_eq!(client.next().await, json!({"type": 2, "invocationId": "1", "item": item}));
    }
    assert_eq!(client.next().await, json!({"type": 3, "invocationId": "1"}));
    client.assert_silent().await;

    client.stream("1", "Count", json!([0])).await;
    assert_eq!(client.items_of("1").await, (vec![], None), "ids may be used again");
    client.stream("2", "Nulls", json!([])).await;
    assert_eq!(client.items_of("2").await, (vec![Value::Null, json!(1)], None));
    client.stream("3", "Count", json!([5_000])).await;
    let (items, _) = client.items_of("3").await;
    assert_eq!(items, (0..5_000).map(Value::from).collect::<Vec<_>>());
    assert_eq!(server.metric("streams"), 0);
    assert_eq!(server.metric("invocations_total{method=\"Count\",outcome=\"ok\"}"), 3);
}

async fn a_cancelled_stream_is_dropped_and_completed_without_error(wire: Wire) {
    let alive = Arc::new(AtomicUsize::new(0));
    let server = Server::start_with(wire, endless(&alive), Options::default()).await;
    let mut client = server.connect().await;
    for target in ["Silent", "Opening"] {
        client.stream("1", target, json!([])).await;
        until("it runs", || alive.load(Ordering::Relaxed) == 1).await;
        client.send(&json!({"type": 5, "invocationId": "other"})).await;
        client.send(&json!({"type": 5, "invocationId": "1"})).await;
        assert_eq!(client.next().await, json!({"type": 3, "invocationId": "1"}), "{target}");
        assert_eq!(alive.load(Ordering::Relaxed), 0, "dropped before it is completed");
        client.send(&json!({"type": 5, "invocationId": "1"})).await;
        client.assert_silent().await;
    }
    client.stream("1", "Busy", json!([])).await;
    assert_eq!(client.next().await["type"], 2);
    client.send(&json!({"type": 5, "invocationId": "1"})).await;
    assert_eq!(client.items_of("1").await.1, None);
    client.assert_silent().await;
    assert_eq!((alive.load(Ordering::Relaxed), server.metric("streams")), (0, 0));
}

async fn hundreds_of_streams_run_at_once(wire: Wire) {
    const STREAMS: usize = 500;
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let hub = Hub::new().stream_method("Gated", move |_: Caller, (number,): (usize,)| {
        let gate = opened.clone();
        async move {
            Ok(stream::iter(0..3).then(move |item| {
                let gate = gate.clone();
                async move {
                    gate.acquire().await.unwrap().forget();
                    Ok((number, item))
                }
            }))
        }
    });
    let server = Server::start_with(wire, hub, Options::default()).await;
    let mut client = server.connect().await;
    for number in 0..STREAMS {
        client.stream(&number.to_string(), "Gated", json!([number])).await;
    }
    until("all run", || server.metric("streams") == STREAMS as u64).await;
    assert!(client.invoke("None", json!([])).await.is_err(), "other calls are answered meanwhile");
    gate.add_permits(3 * STREAMS);
    let (mut next, mut completed) = (vec![0; STREAMS], vec![false; STREAMS]);
    for _ in 0..4 * STREAMS {
        let message = client.next().await;
        let number: usize = message["invocationId"].as_str().unwrap().parse().unwrap();
        assert!(!completed[number], "nothing follows a completion");
        if message["type"] == 2 {
            assert_eq!(message["item"], json!([number, next[number]]));
            next[number] += 1;
        } else {
            assert_eq!((message.get("error"), next[number]), (None, 3));
            completed[number] = true;
        }
    }
    client.assert_silent().await;
    assert_eq!(server.metric("streams"), 0);
}

async fn a_stream_goes_at_the_pace_of_its_reader(wire: Wire) {
    const ITEMS: usize = 3_000;
    let produced = Arc::new(AtomicUsize::new(0));
    let server = Server::start_with(wire, heavy(&produced, &Arc::new(Semaphore::new(1))), Options::default()).await;
    let mut client = paused(&server, wire).await;
    client.stream("1", "Heavy", json!([ITEMS])).await;
    until("it has begun", || produced.load(Ordering::Relaxed) > 0).await;
    // Other connections get their turns: after so many the stream would be far ahead.
    let mut other = server.connect().await;
    for _ in 0..200 {
        other.invoke("Produced", json!([])).await.unwrap();
        assert!(server.metric("output_queued_bytes") < 64 * 1024 + 48 * 1024, "the queue has its bound");
    }
    until("it waits", || server.metric("output_queued_bytes") > 0).await;
    let ahead = produced.load(Ordering::Relaxed);
    assert!(ahead < ITEMS / 2, "{ahead} items of 10 KB for a client that does not read");
    let (items, error) = client.items_of("1").await;
    assert_eq!((items.len(), error), (ITEMS, None));
    assert!(items.iter().enumerate().all(|(index, item)| item[0] == index));
    assert_eq!(server.metric("limit_hits_total{limit=\"output_queue\"}"), 0);
}

async fn many_streams_together_go_at_the_pace_of_their_reader(wire: Wire) {
    const STREAMS: usize = 50;
    let (produced, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let server = Server::start_with(wire, heavy(&produced, &gate), Options::default()).await;
    let mut client = paused(&server, wire).await;
    for id in 0..STREAMS {
        client.stream(&id.to_string(), "Heavy", json!([100])).await;
    }
    until("all wait", || server.metric("streams") == STREAMS as u64).await;
    // By the connection's own task, so that all begin at once.
    client.tell("Release", json!([STREAMS])).await;
    until("they wait for the client", || server.metric("output_queued_bytes") > 0).await;
    let mut other = server.connect().await;
    for _ in 0..200 {
        other.invoke("Produced", json!([])).await.unwrap();
        assert!(server.metric("output_queued_bytes") < 64 * 1024 + 48 * 1024, "the bound is of the connection");
    }
    let (mut items, mut completions) = (vec![0; STREAMS], 0);
    while completions < STREAMS {
        let message = client.next().await;
        match message["type"].as_u64().unwrap() {
            2 => items[message["invocationId"].as_str().unwrap().parse::<usize>().unwrap()] += 1,
            _ => completions += 1,
        }
        if completions == 0 {
            let (least, most) = (items.iter().min().unwrap(), items.iter().max().unwrap());
            assert!(most - least < 10, "in turns: {items:?}");
        }
    }
    assert_eq!(items, [100; STREAMS]);
}

async fn a_stream_that_is_always_ready_starves_nobody(wire: Wire) {
    let alive = Arc::new(AtomicUsize::new(0));
    let server = Server::start_with(wire, endless(&alive), Options::default()).await;
    let mut client = server.connect().await;
    client.stream("busy", "Busy", json!([])).await;
    client.next().await;
    let mut other = server.connect().await;
    for number in 0..20 {
        assert_eq!(other.invoke("Alive", json!([])).await, Ok(json!(1)));
        // And calls of its own connection are answered between the items.
        client.call(&number.to_string(), "Alive", json!([])).await;
        let answered = async {
            loop {
                let message = client.next().await;
                if message["type"] == 3 {
                    return message;
                }
            }
        };
        assert_eq!(crate::common::soon("an answer", answered).await["invocationId"], number.to_string());
    }
}

async fn a_disconnect_drops_the_streams_before_the_hub_is_told(wire: Wire) {
    let alive = Arc::new(AtomicUsize::new(0));
    let told = Arc::new(Mutex::new(Vec::new()));
    let (counted, journal) = (alive.clone(), told.clone());
    let hub = endless(&alive).on_disconnected(move |_, _| {
        journal.lock().unwrap().push(counted.load(Ordering::Relaxed));
        async {}
    });
    let server = Server::start_with(wire, hub, Options::default()).await;
    for polite in [true, false] {
        let mut client = server.connect().await;
        for (id, target) in ["Silent", "Opening", "Busy"].iter().enumerate() {
            client.stream(&id.to_string(), target, json!([])).await;
        }
        until("they run", || alive.load(Ordering::Relaxed) == 3).await;
        if polite {
            client.send(&json!({"type": 7})).await;
            client.closed().await;
        }
        drop(client);
        until("it is gone", || server.metric("connections") == 0).await;
    }
    assert_eq!(*told.lock().unwrap(), [0, 0]);
    assert_eq!(server.metric("streams"), 0);
}

#[tokio::test]
async fn errors_of_streams_read_as_those_of_the_original() {
    const INVOKING: &str = "An unexpected error occurred invoking";
    const STREAMING: &str = "An error occurred on the server while streaming results.";
    for (detail, told) in DETAILS {
        let server = Server::start_with(Wire::Own, streaming(), with_details(detail)).await;
        let mut client = server.connect().await;
        let more = |text: String, more: &str| if told { format!("{text} {more}") } else { text };
        let rows = [
            ("FailAtOnce", 0, format!("{INVOKING} 'FailAtOnce' on the server. HubException: on purpose")),
            (
                "BreakAtOnce",
                0,
                more(format!("{INVOKING} 'BreakAtOnce' on the server."), "InvalidOperationException: inside"),
            ),
            ("FailLater", 2, format!("{STREAMING} HubException: on purpose")),
            ("BreakLater", 2, more(STREAMING.to_owned(), "InvalidOperationException: inside")),
            (
                "Unwritable",
                1,
                more(STREAMING.to_owned(), "SerializationException: cannot serialise: key must be a string"),
            ),
            (
                "Plain",
                0,
                "The client attempted to invoke the non-streaming 'Plain' method with a streaming invocation."
                    .to_owned(),
            ),
            (
                "Unknown",
                0,
                "Failed to invoke 'Unknown' due to an error on the server. HubException: Method does not \
                exist."
                    .to_owned(),
            ),
            (
                "Count",
                0,
                more(
                    "Failed to invoke 'Count' due to an error on the server.".to_owned(),
                    "InvalidDataException: Invocation provides 0 argument(s) but target expects 1.",
                ),
            ),
        ];
        for (target, items, text) in rows {
            client.stream("1", target, json!([])).await;
            let (came, error) = client.items_of("1").await;
            assert_eq!((came.len(), error), (items, Some(text)), "{target}");
            client.assert_silent().await;
        }
        assert_eq!(
            client.invoke("Count", json!([1])).await.unwrap_err(),
            "The client attempted to invoke the streaming 'Count' method with a non-streaming invocation."
        );
        client.tell("Count", json!([1])).await;
        client.assert_silent().await;
    }
}

#[tokio::test]
async fn the_id_of_a_running_stream_may_not_be_used_again() {
    for (detail, _) in DETAILS {
        let alive = Arc::new(AtomicUsize::new(0));
        let server = Server::start_with(Wire::Own, endless(&alive), with_details(detail)).await;
        let mut client = server.connect().await;
        client.stream("x", "Silent", json!([])).await;
        client.stream("x", "Silent", json!([])).await;
        assert_eq!(
            client.next().await,
            json!({"type": 3, "invocationId": "x", "error": "Invocation ID 'x' is already in use."})
        );
        assert_eq!(alive.load(Ordering::Relaxed), 1, "the first goes on");
        client.call("x", "Alive", json!([])).await;
        assert_eq!(client.next().await["result"], 1, "plain calls are apart");
        client.send(&json!({"type": 5, "invocationId": "x"})).await;
        assert_eq!(client.items_of("x").await, (vec![], None));
    }
}

#[tokio::test]
async fn streams_of_a_connection_are_bounded() {
    let alive = Arc::new(AtomicUsize::new(0));
    let options = Options { max_streams: 2, ..Options::default() };
    let server = Server::start_with(Wire::Own, endless(&alive), options).await;
    let mut client = server.connect().await;
    for id in ["1", "2", "3"] {
        client.stream(id, "Silent", json!([])).await;
    }
    let text = "An unexpected error occurred invoking 'Silent' on the server. HubException: This connection has as many \
                streams as it may have.";
    assert_eq!(client.items_of("3").await, (vec![], Some(text.to_owned())));
    assert_eq!(server.metric("limit_hits_total{limit=\"streams\"}"), 1);
    client.send(&json!({"type": 5, "invocationId": "1"})).await;
    assert_eq!(client.items_of("1").await.1, None);
    client.stream("3", "Silent", json!([])).await;
    until("there is room again", || server.metric("streams") == 2).await;
}

#[tokio::test]
async fn streams_wait_for_the_connected_handler_and_for_no_slot() {
    let (gate, alive) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (entry, held) = (gate.clone(), gate.clone());
    let hub = endless(&alive)
        .on_connected(move |_| {
            let gate = entry.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(())
            }
        })
        .method("Hold", move |_: Caller, (): ()| {
            let gate = held.clone();
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(())
            }
        });
    let server = Server::start(hub).await;
    let mut client = server.connect().await;
    client.stream("1", "Busy", json!([])).await;
    // So many answers to others come after the server had its turn with what was sent.
    for _ in 0..20 {
        server.http("POST /hub/negotiate", &[]).await;
    }
    assert_eq!(alive.load(Ordering::Relaxed), 0);
    gate.add_permits(1);
    assert_eq!(client.next().await["type"], 2);
    client.call("2", "Hold", json!([])).await;
    client.stream("3", "Count", json!([1])).await;
    loop {
        let message = client.next().await;
        assert_ne!(message["invocationId"], "2", "it is still held");
        if message["invocationId"] == "3" {
            break;
        }
    }
}

#[tokio::test]
async fn a_panicking_stream_ends_its_connection_alone() {
    for later in [false, true] {
        let hub = streaming().stream_method("Panic", move |_: Caller, (): ()| async move {
            assert!(later, "on purpose");
            Ok(stream::iter(0..3).map(|item| {
                assert!(item < 2, "on purpose");
                Ok(item)
            }))
        });
        let server = Server::start(hub).await;
        let (mut victim, mut other) = (server.connect().await, server.connect().await);
        victim.stream("1", "Panic", json!([])).await;
        victim.closed().await;
        assert_eq!((server.metric("panics_total"), server.metric("streams")), (1, 0));
        assert_eq!(other.invoke("Plain", json!([])).await, Ok(Value::Null));
    }
}

fn streaming() -> Hub {
    fn then_fail(error: HubError) -> impl Stream<Item = Result<i32, HubError>> {
        stream::iter([Ok(1), Ok(2), Err(error), Ok(3)])
    }
    let on_purpose = || HubError::new("on purpose");
    let inside = || HubError::internal("InvalidOperationException", "inside");
    type Nothing = stream::Empty<Result<(), HubError>>;
    Hub::new()
        .method("Plain", |_: Caller, (): ()| async { Ok(()) })
        .stream_method("Count", |_: Caller, (to,): (u32,)| async move { Ok(stream::iter(0..to).map(Ok)) })
        .stream_method("Nulls", |_: Caller, (): ()| async { Ok(stream::iter([Ok(None), Ok(Some(1))])) })
        .stream_method("FailAtOnce", move |_: Caller, (): ()| async move { Err::<Nothing, _>(on_purpose()) })
        .stream_method("BreakAtOnce", move |_: Caller, (): ()| async move { Err::<Nothing, _>(inside()) })
        .stream_method("FailLater", move |_: Caller, (): ()| async move { Ok(then_fail(on_purpose())) })
        .stream_method("BreakLater", move |_: Caller, (): ()| async move { Ok(then_fail(inside())) })
        .stream_method("Unwritable", |_: Caller, (): ()| async {
            let maps = [vec![], vec![((1, 2), 3)]];
            Ok(stream::iter(maps).map(|map| Ok(map.into_iter().collect::<std::collections::HashMap<_, _>>())))
        })
}

/// Streams that never end, counted while they live: `Opening` does not even begin, `Silent` has no item, `Busy` always one.
fn endless(alive: &Arc<AtomicUsize>) -> Hub {
    let counted = || alive.clone();
    let (alive, opening, silent, busy) = (counted(), counted(), counted(), counted());
    Hub::new()
        .method("Alive", move |_: Caller, (): ()| {
            let alive = alive.load(Ordering::Relaxed);
            async move { Ok(alive) }
        })
        .stream_method("Opening", move |_: Caller, (): ()| {
            let living = Living::new(&opening);
            async move {
                std::future::pending::<()>().await;
                Ok(Endless { living, item: None })
            }
        })
        .stream_method("Silent", move |_: Caller, (): ()| {
            let living = Living::new(&silent);
            async { Ok(Endless { living, item: None }) }
        })
        .stream_method("Busy", move |_: Caller, (): ()| {
            let living = Living::new(&busy);
            async { Ok(Endless { living, item: Some(1) }) }
        })
        .stream_method("Count", |_: Caller, (to,): (u32,)| async move { Ok(stream::iter(0..to).map(Ok)) })
}

/// `Heavy` streams items of 10 KB, counting them all, once it has a permit.
fn heavy(produced: &Arc<AtomicUsize>, gate: &Arc<Semaphore>) -> Hub {
    let (count, told, gate, released) = (produced.clone(), produced.clone(), gate.clone(), gate.clone());
    let text: Arc<str> = "x".repeat(10_000).into();
    Hub::new()
        .stream_method("Heavy", move |_: Caller, (items,): (usize,)| {
            let (count, text, gate) = (count.clone(), text.clone(), gate.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                Ok(stream::iter(0..items).map(move |item| {
                    count.fetch_add(1, Ordering::Relaxed);
                    Ok((item, text.to_string()))
                }))
            }
        })
        .method("Release", move |_: Caller, (streams,): (usize,)| {
            released.add_permits(streams);
            async { Ok(()) }
        })
        .method("Produced", move |_: Caller, (): ()| {
            let produced = told.load(Ordering::Relaxed);
            async move { Ok(produced) }
        })
}

struct Endless {
    #[allow(dead_code, reason = "counts by living")]
    living: Living,
    item: Option<u32>,
}

impl Stream for Endless {
    type Item = Result<u32, HubError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.item.map_or(Poll::Pending, |item| Poll::Ready(Some(Ok(item))))
    }
}

struct Living(Arc<AtomicUsize>);

impl Living {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A client that reads only when asked for messages, over buffers as small as can be.
async fn paused(server: &Server, wire: Wire) -> Client {
    let mut client = if wire == Wire::Duplex {
        server.open().await
    } else {
        Client::upgrade(Box::new(server.dial_narrow().await), "/hub").await
    };
    server.shake_hands(&mut client).await;
    client
}

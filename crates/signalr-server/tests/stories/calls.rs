//! Calls: what they are answered, in which order they run, and how their bytes may arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use signalr_server::{Caller, ErrorDetail, Hub, HubError, Options};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Server, Wire, frame, on_every_transport, on_every_wire, until};

on_every_wire!(
    a_call_may_be_split_at_every_byte,
    one_message_may_span_frames_and_fragments,
    input_held_back_keeps_its_order,
);

on_every_transport!(
    results_come_back,
    a_call_without_an_id_is_never_answered,
    equal_ids_are_answered_each,
    several_messages_may_share_a_frame,
    large_arguments_and_results_arrive_whole,
);

async fn results_come_back(wire: Wire) {
    let server = Server::start_with(wire, arithmetic(), Options::default()).await;
    let mut client = server.connect().await;
    assert_eq!(client.invoke("Add", json!([2, 3])).await, Ok(json!(5)));
    assert_eq!(client.invoke("aDD", json!([2, 3])).await, Ok(json!(5)));
    client.call("7", "Nothing", json!([])).await;
    assert_eq!(
        client.next().await,
        json!({"type": 3, "invocationId": "7", "result": null}),
        "a void method completes with null"
    );
    let odd = json!(["\u{1e}\"\\ ü 𝄞", {"a": [1.5, null, true]}]);
    assert_eq!(client.invoke("Echo", json!([odd])).await, Ok(odd));
}

async fn a_call_without_an_id_is_never_answered(wire: Wire) {
    let server = Server::start_with(wire, arithmetic(), Options::default()).await;
    let mut client = server.connect().await;
    for (target, arguments) in [
        ("Add", json!([1, 2])),
        ("Add", json!([1])),
        ("Add", json!(["a", "b"])),
        ("Fail", json!([])),
        ("Unknown", json!([])),
    ] {
        client.tell(target, arguments.clone()).await;
        let empty_id = json!({"type": 1, "invocationId": "", "target": target, "arguments": arguments});
        client.send(&empty_id).await;
    }
    client.assert_silent().await;
}

#[tokio::test]
async fn errors_read_as_those_of_the_original() {
    const PREFIX: &str = "An unexpected error occurred invoking";
    let wrong_type = "InvalidDataException: Error binding arguments. Make sure that the types of the provided values \
                      match the types of the hub method being invoked. Argument 2 does not fit: invalid type: string \
                      \"two\", expected i64";
    let count = "InvalidDataException: Invocation provides 1 argument(s) but target expects 2.";
    let rows =
        [(ErrorDetail::Hidden, false, false), (ErrorDetail::ClientFaults, true, false), (ErrorDetail::All, true, true)];
    for (detail, tells_faults, tells_all) in rows {
        let mut options = Options::default();
        options.protocol.error_detail = detail;
        let server = Server::start_with(Wire::Own, arithmetic(), options).await;
        let mut client = server.connect().await;
        let failed = |text: &str, told: bool, more: &str| {
            Err::<Value, _>(if told { format!("{text} {more}") } else { text.to_owned() })
        };
        assert_eq!(
            client.invoke("uNKNOWN", json!([])).await,
            failed(
                "Failed to invoke 'uNKNOWN' due to an error on the server.",
                true,
                "HubException: Method does not exist."
            )
        );
        assert_eq!(
            client.invoke("ADD", json!([1])).await,
            failed("Failed to invoke 'ADD' due to an error on the server.", tells_faults, count)
        );
        assert_eq!(
            client.invoke("Add", json!([1, "two"])).await,
            failed("Failed to invoke 'Add' due to an error on the server.", tells_faults, wrong_type)
        );
        assert_eq!(
            client.invoke("Fail", json!([])).await,
            failed(&format!("{PREFIX} 'Fail' on the server."), true, "HubException: on purpose")
        );
        assert_eq!(
            client.invoke("Break", json!([])).await,
            failed(&format!("{PREFIX} 'Break' on the server."), tells_all, "InvalidOperationException: inside")
        );
        assert_eq!(client.invoke("Add", json!([1, 1])).await, Ok(json!(2)));
    }
}

#[tokio::test]
async fn streams_are_refused_by_name() {
    let server = Server::start(arithmetic()).await;
    let mut client = server.connect().await;
    client.send(&json!({"type": 4, "invocationId": "1", "target": "Add", "arguments": [1, 2]})).await;
    assert_eq!(
        client.next().await["error"],
        "The client attempted to invoke the non-streaming 'Add' method with a streaming invocation."
    );
    client
        .send(&json!({"type": 1, "invocationId": "1", "target": "Add", "arguments": [1, 2], "streamIds": ["0"]}))
        .await;
    assert_eq!(
        client.next().await["error"],
        "An unexpected error occurred invoking 'Add' on the server. HubException: Client sent 1 stream(s), Hub method \
         expects 0."
    );
    client.send(&json!({"type": 5, "invocationId": "unknown"})).await;
    client.send(&json!({"type": 2, "invocationId": "unknown", "item": 1})).await;
    client.send(&json!({"type": 3, "invocationId": "unknown"})).await;
    client.send(&json!({"type": 99, "of": "the future"})).await;
    client.assert_silent().await;
}

async fn equal_ids_are_answered_each(wire: Wire) {
    let (hub, gate) = gated();
    let server = Server::start_with(wire, hub, Options::default()).await;
    let mut client = server.connect().await;
    client.call("same", "Late", json!([1])).await;
    client.call("same", "Late", json!([2])).await;
    gate.add_permits(2);
    let mut results = Vec::new();
    for _ in 0..2 {
        let completion = client.next().await;
        assert_eq!(completion["invocationId"], "same");
        results.push(completion["result"].as_u64().unwrap());
    }
    results.sort_unstable();
    assert_eq!(results, [1, 2]);
}

async fn a_call_may_be_split_at_every_byte(wire: Wire) {
    let server = Server::start_with(wire, arithmetic(), Options::default()).await;
    let mut client = server.connect().await;
    let call = b"{\"type\":1,\"invocationId\":\"1\",\"target\":\"Add\",\"arguments\":[2,3]}\x1e";
    for cut in 1..call.len() {
        let frames = [frame(0x81, &call[..cut]), frame(0x81, &call[cut..])].concat();
        client.write(&frames).await;
        assert_eq!(client.next().await["result"], 5, "two frames, cut at {cut}");
    }
    let whole = frame(0x81, call);
    for cut in 1..whole.len() {
        client.write(&whole[..cut]).await;
        tokio::task::yield_now().await;
        client.write(&whole[cut..]).await;
        assert_eq!(client.next().await["result"], 5, "one frame, cut at {cut}");
    }
    for byte in &whole {
        client.write(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.next().await["result"], 5, "byte by byte");
}

async fn several_messages_may_share_a_frame(wire: Wire) {
    let server = Server::start_with(wire, arithmetic(), Options::default()).await;
    let mut client = server.open().await;
    let mut text = "{\"protocol\":\"json\",\"version\":1}\x1e".to_owned();
    for index in 0..100 {
        text.push_str(&format!("{}\x1e", add(index)));
    }
    client.send_text(&text).await;
    assert_eq!(client.next().await, json!({}));
    for index in 0..100 {
        let completion = client.next().await;
        assert_eq!(completion["invocationId"], index.to_string());
        assert_eq!(completion["result"], index + 1);
    }
}

async fn one_message_may_span_frames_and_fragments(wire: Wire) {
    let server = Server::start_with(wire, arithmetic(), Options::default()).await;
    let mut client = server.connect().await;
    let call = format!("{}\x1e", add(1));
    let pieces: Vec<&[u8]> = call.as_bytes().chunks(5).collect();
    for piece in &pieces {
        client.write(&frame(0x82, piece)).await;
    }
    assert_eq!(client.next().await["result"], 2, "binary frames are read too");
    let (last, first) = pieces.split_last().unwrap();
    for (index, piece) in first.iter().enumerate() {
        client.write(&frame(if index == 0 { 0x01 } else { 0x00 }, piece)).await;
        client.write(&frame(0x89, b"between")).await;
    }
    client.write(&frame(0x80, last)).await;
    assert_eq!(client.next().await["result"], 2);
    client.assert_silent().await;
    assert!(client.pongs.iter().all(|pong| pong == b"between") && !client.pongs.is_empty());
}

async fn large_arguments_and_results_arrive_whole(wire: Wire) {
    let mut options = Options::default();
    options.protocol.max_message_bytes = 4 * 1024 * 1024;
    let server = Server::start_with(wire, arithmetic(), options).await;
    let mut client = server.connect().await;
    for length in [10, 125, 126, 65_535, 65_536, 3_000_000] {
        let text = json!("x".repeat(length));
        assert!(client.invoke("Echo", json!([text])).await == Ok(text), "{length}");
    }
}

#[tokio::test]
async fn calls_run_one_after_the_other_by_default_while_pings_are_taken() {
    let (hub, gate) = gated();
    let server = Server::start(hub).await;
    let mut client = server.connect().await;
    client.call("1", "Hold", json!([1])).await;
    client.send_frame(Message::Ping(b"are you there"[..].into())).await;
    until_pong(&mut client).await;
    gate.add_permits(1);
    assert_eq!(client.next().await["invocationId"], "1");
    // In one piece, so that the server has them all before any may end.
    let running = json!({"type": 1, "invocationId": "4", "target": "Running", "arguments": []});
    client.send_text(&format!("{}\x1e{}\x1e{running}\x1e", held(2), held(3))).await;
    for id in ["2", "3"] {
        until("it runs", || server.hub.calls_in_flight() == 1).await;
        gate.add_permits(1);
        assert_eq!(client.next().await["invocationId"], id);
    }
    let running = client.next().await;
    assert_eq!((&running["invocationId"], &running["result"]), (&json!("4"), &json!(1)), "never more than one at once");
}

#[tokio::test]
async fn more_slots_let_calls_overlap() {
    let (hub, gate) = gated();
    let options = Options { max_parallel_invocations: 2, ..Options::default() };
    let server = Server::start_with(Wire::Own, hub, options).await;
    let mut client = server.connect().await;
    client.call("1", "Hold", json!([1])).await;
    client.call("2", "Running", json!([])).await;
    assert_eq!(client.next().await["invocationId"], "2");
    gate.add_permits(1);
    assert_eq!(client.next().await["invocationId"], "1");
}

async fn input_held_back_keeps_its_order(wire: Wire) {
    let (hub, gate) = gated();
    let server = Server::start_with(wire, hub, Options::default()).await;
    let mut client = server.connect().await;
    // The first call holds back what follows, in all the ways it can be cut.
    let calls: String = (0..300).map(|index| format!("{}\x1e", held(index))).collect();
    let bytes = calls.as_bytes();
    let mut written = Vec::new();
    let (mut rest, mut length) = (bytes, 1);
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(length.min(rest.len()));
        written.extend_from_slice(&frame(0x81, piece));
        (rest, length) = (more, length * 7 % 311 + 1);
    }
    client.write(&written).await;
    for index in 0..300 {
        gate.add_permits(1);
        let completion = client.next().await;
        assert_eq!(completion["invocationId"], index.to_string());
        assert_eq!(completion["result"], index);
    }
}

#[tokio::test]
async fn a_panicking_method_ends_its_connection_alone() {
    for target in ["PanicAtOnce", "PanicLater", "PanicWhenAdmitted"] {
        let hub = arithmetic()
            .method("PanicAtOnce", |_: Caller, (): ()| {
                if true {
                    panic!("on purpose");
                }
                async { Ok(()) }
            })
            .method("PanicLater", |_: Caller, (): ()| async move {
                tokio::task::yield_now().await;
                if true {
                    panic!("on purpose");
                }
                Ok(())
            })
            .pipelined_method("PanicWhenAdmitted", |_: Caller, (): ()| async move {
                Ok(async move {
                    tokio::task::yield_now().await;
                    if true {
                        panic!("on purpose");
                    }
                    Ok(())
                })
            });
        let server = Server::start(hub).await;
        let (mut victim, mut other) = (server.connect().await, server.connect().await);
        victim.call("1", target, json!([])).await;
        victim.closed().await;
        assert_eq!(server.metric("panics_total"), 1);
        assert_eq!(other.invoke("Add", json!([1, 1])).await, Ok(json!(2)));
        until("it is forgotten", || server.metric("connections") == 1).await;
        assert_eq!(server.hub.calls_in_flight(), 0, "{target}");
        assert_eq!(server.metric("connections_closed_total{reason=\"panic\"}"), 1);
    }
}

#[tokio::test]
async fn calls_are_counted_by_method_and_outcome() {
    let server = Server::start(arithmetic()).await;
    let mut client = server.connect().await;
    let _ = client.invoke("add", json!([1, 1])).await;
    let _ = client.invoke("Add", json!([1])).await;
    let _ = client.invoke("Fail", json!([])).await;
    let _ = client.invoke("Made up by a client", json!([])).await;
    let counted = |method: &str, outcome: &str| {
        server.metric(&format!("invocations_total{{method=\"{method}\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!((counted("Add", "ok"), counted("Add", "error")), (1, 1));
    assert_eq!((counted("Fail", "ok"), counted("Fail", "error")), (0, 1));
    assert_eq!(counted("", "unknown_method"), 1, "no label of a client's making");
}

fn arithmetic() -> Hub {
    Hub::new()
        .method("Add", |_: Caller, (a, b): (i64, i64)| async move { Ok(a + b) })
        .method("Echo", |_: Caller, (value,): (Value,)| async move { Ok(value) })
        .method("Nothing", |_: Caller, (): ()| async { Ok(()) })
        .method("Fail", |_: Caller, (): ()| async { Err::<(), _>(HubError::new("on purpose")) })
        .method("Break", |_: Caller, (): ()| async {
            Err::<(), _>(HubError::internal("InvalidOperationException", "inside"))
        })
}

/// `Hold` and the second half of `Late` wait for a permit each; `Running` tells the most calls that ran at once.
fn gated() -> (Hub, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let running = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let (hold, late, counted) = (gate.clone(), gate.clone(), running.clone());
    let hub = Hub::new()
        .method("Hold", move |_: Caller, (number,): (u64,)| {
            let (gate, running) = (hold.clone(), counted.clone());
            async move {
                let now = running.0.fetch_add(1, Ordering::Relaxed) + 1;
                running.1.fetch_max(now, Ordering::Relaxed);
                gate.acquire().await.unwrap().forget();
                running.0.fetch_sub(1, Ordering::Relaxed);
                Ok(number)
            }
        })
        .pipelined_method("Late", move |_: Caller, (number,): (u64,)| {
            let gate = late.clone();
            async move {
                Ok(async move {
                    gate.acquire().await.unwrap().forget();
                    Ok(number)
                })
            }
        })
        .method("Running", move |_: Caller, (): ()| {
            let most = running.1.load(Ordering::Relaxed);
            async move { Ok(most) }
        });
    (hub, gate)
}

fn add(number: i64) -> Value {
    json!({"type": 1, "invocationId": number.to_string(), "target": "Add", "arguments": [number, 1]})
}

fn held(number: u64) -> Value {
    json!({"type": 1, "invocationId": number.to_string(), "target": "Hold", "arguments": [number]})
}

/// Waits for a pong, by calls that cannot be answered before it was sent.
async fn until_pong(client: &mut crate::common::Client) {
    // Streams take no slot, so their refusal comes even while a call runs.
    client.send(&json!({"type": 4, "invocationId": "mark", "target": "None", "arguments": []})).await;
    assert_eq!(client.next().await["invocationId"], "mark");
    assert_eq!(client.pongs.len(), 1);
}

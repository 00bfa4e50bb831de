//! Uploads: streams that clients feed while a method reads, at the method's pace.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use signalr_server::{Caller, Hub, HubError, Options, Upload};
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Client, DETAILS, Server, Wire, frame, on_every_wire, soon, until, with_details};

on_every_wire!(
    a_method_reads_what_its_caller_uploads,
    a_full_upload_stops_the_reading_and_nothing_is_lost,
    a_full_upload_whose_method_ends_lets_the_reading_go_on,
    an_upload_may_be_split_at_every_byte,
    a_disconnect_fails_readers_before_the_hub_is_told,
    uploads_take_no_slot_and_count_as_no_call_in_flight,
);

async fn a_method_reads_what_its_caller_uploads(wire: Wire) {
    let server = Server::start_with(wire, reading(), Options::default()).await;
    let mut client = server.connect().await;
    upload(&mut client, 1, Some("1"), "sUM", json!([]), &["0"]).await;
    for item in 1..=100 {
        client.item("0", json!(item)).await;
    }
    client.item("unknown", json!("ignored")).await;
    client.end_upload("unknown").await;
    client.end_upload("0").await;
    assert_eq!(client.next().await, json!({"type": 3, "invocationId": "1", "result": 5050}));

    // Two streams, in the order of the call's ids, whatever order the items come in.
    upload(&mut client, 1, Some("2"), "Zip", json!(["-"]), &["b", "a"]).await;
    for (id, item) in [("a", "1"), ("b", "x"), ("b", "y"), ("a", "2")] {
        client.item(id, json!(item)).await;
    }
    client.end_upload("a").await;
    client.end_upload("b").await;
    assert_eq!(client.next().await["result"], "x-1 y-2");

    // A stream for a stream, each item as it comes.
    upload(&mut client, 4, Some("3"), "Upper", json!([]), &["0"]).await;
    for item in ["a", "b", "c"] {
        client.item("0", json!(item)).await;
        assert_eq!(client.next().await, json!({"type": 2, "invocationId": "3", "item": item.to_uppercase()}));
    }
    client.end_upload("0").await;
    assert_eq!(client.next().await, json!({"type": 3, "invocationId": "3"}));
    client.assert_silent().await;
    assert_eq!((server.metric("upload_streams"), server.metric("streams")), (0, 0));
}

async fn a_full_upload_stops_the_reading_and_nothing_is_lost(wire: Wire) {
    let (gated, gate) = Gated::new();
    let server = Server::start_with(wire, gated.hub(), Options::default()).await;
    let mut client = server.connect().await;
    upload(&mut client, 1, Some("1"), "Gated", json!([]), &["0"]).await;
    // Items behind each other in one frame, and a ping and a call behind them.
    let items: String =
        (0..30).map(|item| format!("{}\x1e", json!({"type": 2, "invocationId": "0", "item": item}))).collect();
    client.send_text(&items).await;
    client.send_frame(Message::Ping("behind".into())).await;
    client.call("2", "Marks", json!([])).await;
    client.end_upload("0").await;
    // The first item is with the method, which reads no other.
    gate.add_permits(1);
    until("the first is read", || gated.read() == [0]).await;
    // Ten wait in the upload: the mark of another connection comes while the call behind waits.
    let mut other = server.connect().await;
    for _ in 0..50 {
        assert_eq!(other.invoke("Marks", json!([])).await.unwrap(), json!(gated.read().len()));
    }
    assert_eq!(gated.calls.load(Ordering::Relaxed), 50, "the call behind the items has not run");
    gate.add_permits(30);
    // It runs as soon as the last items fit in, though the method may not have read them.
    let (mut results, mut answered) = (Value::Null, false);
    while results.is_null() || !answered {
        let completion = client.next().await;
        match completion["invocationId"].as_str() {
            Some("1") => results = completion["result"].clone(),
            _ => answered = true,
        }
    }
    assert_eq!(results, json!(30));
    assert_eq!(gated.read(), (0..30).collect::<Vec<_>>());
    assert_eq!(client.pongs, [b"behind"]);
}

async fn a_full_upload_whose_method_ends_lets_the_reading_go_on(wire: Wire) {
    let (gated, gate) = Gated::new();
    let server = Server::start_with(wire, gated.hub(), Options::default()).await;
    let mut client = server.connect().await;
    upload(&mut client, 1, Some("1"), "EndWhenTold", json!([]), &["0"]).await;
    for item in 0..40 {
        client.item("0", json!(item)).await;
    }
    client.call("2", "Marks", json!([])).await;
    gate.add_permits(1);
    assert_eq!(client.next().await, json!({"type": 3, "invocationId": "1", "result": null}));
    assert_eq!(client.next().await["invocationId"], "2");
    assert_eq!(server.metric("upload_streams"), 0);
    // Abandoned without an end: what comes is thrown away, and the stream ends with the method.
    upload(&mut client, 1, Some("3"), "Abandon", json!([]), &["0"]).await;
    for item in 0..40 {
        client.item("0", json!(item)).await;
    }
    client.call("4", "Marks", json!([])).await;
    assert_eq!(client.next().await["invocationId"], "4");
    gate.add_permits(1);
    assert_eq!(client.next().await["invocationId"], "3");
    client.item("0", json!("late")).await;
    client.assert_silent().await;
}

async fn an_upload_may_be_split_at_every_byte(wire: Wire) {
    let (gated, gate) = Gated::new();
    let server = Server::start_with(wire, gated.hub(), Options::default()).await;
    let mut client = server.connect().await;
    upload(&mut client, 1, Some("1"), "Gated", json!([]), &["0"]).await;
    let mut messages: String =
        (0..200).map(|item| format!("{}\x1e", json!({"type": 2, "invocationId": "0", "item": item}))).collect();
    messages.push_str("{\"type\":3,\"invocationId\":\"0\"}\x1e");
    let (mut rest, mut length, mut written) = (messages.as_bytes(), 1, Vec::new());
    while !rest.is_empty() {
        let (piece, more) = rest.split_at(length.min(rest.len()));
        written.extend_from_slice(&frame(0x81, piece));
        (rest, length) = (more, length * 7 % 311 + 1);
    }
    client.write(&written).await;
    for item in 0..200 {
        gate.add_permits(1);
        until("it is read", || gated.read().len() == item + 1).await;
    }
    assert_eq!(client.next().await["result"], 200);
    assert_eq!(gated.read(), (0..200).collect::<Vec<_>>());
}

async fn a_disconnect_fails_readers_before_the_hub_is_told(wire: Wire) {
    let journal = Arc::new(Mutex::new(Vec::new()));
    let (reader, handler) = (journal.clone(), journal.clone());
    let (out, mut elsewhere) = mpsc::unbounded_channel::<Upload<i32>>();
    let hub = Hub::new()
        .upload_method("Read", move |_: Caller, (): (), (items,): (Upload<i32>,)| {
            let dropped = Note(reader.clone(), "reader dropped");
            async move {
                let _dropped = dropped;
                items.try_fold(0, |sum, item| async move { Ok(sum + item) }).await
            }
        })
        .upload_method("GiveAway", move |_: Caller, (): (), (items,): (Upload<i32>,)| {
            let _ = out.send(items);
            std::future::pending::<Result<(), HubError>>()
        })
        .on_disconnected(move |_, _| {
            handler.lock().unwrap().push("hub told");
            async {}
        });
    let server = Server::start_with(wire, hub, Options::default()).await;
    let mut client = server.connect().await;
    upload(&mut client, 1, Some("1"), "Read", json!([]), &["0"]).await;
    upload(&mut client, 1, Some("2"), "GiveAway", json!([]), &["1"]).await;
    client.item("1", json!(7)).await;
    let mut given = soon("an upload", elsewhere.recv()).await.unwrap();
    assert_eq!(soon("an item", given.next()).await, Some(Ok(7)));
    drop(client);
    let end = soon("an end", given.next()).await.unwrap().unwrap_err();
    assert_eq!(end.to_string(), "OperationCanceledException: The underlying connection was closed.");
    assert_eq!(soon("nothing more", given.next()).await, None);
    until("it is gone", || server.metric("connections") == 0).await;
    assert_eq!(*journal.lock().unwrap(), ["reader dropped", "hub told"]);
    assert_eq!((server.metric("upload_streams"), server.hub.calls_in_flight()), (0, 0));
}

async fn uploads_take_no_slot_and_count_as_no_call_in_flight(wire: Wire) {
    let options = Options { max_calls_in_flight: 1, max_bytes_in_flight: 1, ..Options::default() };
    let server = Server::start_with(wire, reading(), options).await;
    let mut client = server.connect().await;
    for id in 0..5 {
        upload(&mut client, 1, Some(&id.to_string()), "Sum", json!([]), &[&format!("u{id}")]).await;
    }
    assert_eq!(client.invoke("Plain", json!([])).await, Ok(Value::Null));
    for id in 0..5 {
        client.item(&format!("u{id}"), json!(id)).await;
        client.end_upload(&format!("u{id}")).await;
        assert_eq!(client.next().await, json!({"type": 3, "invocationId": id.to_string(), "result": id}));
    }
}

#[tokio::test]
async fn readers_fail_with_the_texts_of_the_original() {
    const PREFIX: &str = "An unexpected error occurred invoking 'Sum' on the server. HubException:";
    for (detail, told) in DETAILS {
        let server = Server::start_with(Wire::Own, reading(), with_details(detail)).await;
        let mut client = server.connect().await;
        upload(&mut client, 1, Some("1"), "Sum", json!([]), &["0"]).await;
        client.item("0", json!(1)).await;
        client.item("0", json!("no number")).await;
        client.item("0", json!(2)).await;
        let more = if told { " InvalidDataException: invalid type: string \"no number\", expected i64" } else { "" };
        assert_eq!(client.next().await["error"], format!("{PREFIX} Failed to bind Stream message.{more}"));
        client.end_upload("0").await;

        upload(&mut client, 1, Some("1"), "Sum", json!([]), &["0"]).await;
        client.item("0", json!(1)).await;
        client.send(&json!({"type": 3, "invocationId": "0", "error": "out of numbers"})).await;
        assert_eq!(client.next().await["error"], format!("{PREFIX} out of numbers"));

        let counts: [(&str, &[&str], usize); 3] = [("Sum", &[], 1), ("Sum", &["0", "1"], 1), ("Zip", &["0"], 2)];
        for (target, ids, expected) in counts {
            upload(&mut client, 1, Some("1"), target, json!([]), ids).await;
            let text = format!(
                "An unexpected error occurred invoking '{target}' on the server. HubException: Client sent {} \
                 stream(s), Hub method expects {expected}.",
                ids.len()
            );
            assert_eq!(client.next().await["error"], text);
        }
        upload(&mut client, 1, Some("1"), "Sum", json!([3]), &["0"]).await;
        let told_error = "Failed to invoke 'Sum' due to an error on the server. InvalidDataException: Invocation \
                          provides 1 argument(s) but target expects 0.";
        let error = client.next().await["error"].as_str().unwrap().to_owned();
        assert_eq!(error, if told { told_error } else { "Failed to invoke 'Sum' due to an error on the server." });
        client.assert_silent().await;
        assert_eq!(server.metric("upload_streams"), 0);
    }
}

#[tokio::test]
async fn ids_of_open_uploads_may_not_be_used_again_and_their_number_is_bounded() {
    let options = Options { max_upload_streams: 3, ..Options::default() };
    let server = Server::start_with(Wire::Own, reading(), options).await;
    let mut client = server.connect().await;
    upload(&mut client, 1, Some("1"), "Sum", json!([]), &["0"]).await;
    upload(&mut client, 1, Some("2"), "Sum", json!([]), &["0"]).await;
    assert_eq!(client.next().await["error"], "Invocation ID '0' is already in use.");
    upload(&mut client, 1, Some("2"), "Zip", json!([""]), &["a", "a"]).await;
    assert_eq!(client.next().await["error"], "Invocation ID 'a' is already in use.");
    upload(&mut client, 1, Some("2"), "Zip", json!([""]), &["a", "b"]).await;
    upload(&mut client, 1, Some("3"), "Sum", json!([]), &["c"]).await;
    assert_eq!(
        client.next().await["error"],
        "An unexpected error occurred invoking 'Sum' on the server. HubException: This connection has as many streams \
         as it may have."
    );
    assert_eq!(server.metric("limit_hits_total{limit=\"upload_streams\"}"), 1);
    client.end_upload("0").await;
    assert_eq!(client.next().await["result"], 0);
}

#[tokio::test]
async fn calls_whose_uploads_have_ended_are_as_many_as_uploads_may_be() {
    let gate = Arc::new(Semaphore::new(0));
    let opens = gate.clone();
    let hub = Hub::new().upload_method("Hold", move |_: Caller, (): (), (items,): (Upload<i64>,)| {
        let opens = opens.clone();
        async move {
            let items: Vec<i64> = items.try_collect().await?;
            opens.acquire().await.unwrap().forget();
            Ok(items.len())
        }
    });
    let server = Server::start_with(Wire::Own, hub, Options { max_upload_streams: 2, ..Options::default() }).await;
    let mut client = server.connect().await;
    for id in ["1", "2", "3"] {
        upload(&mut client, 1, Some(id), "Hold", json!([]), &[id]).await;
        client.end_upload(id).await;
    }
    let refused = client.next().await;
    assert_eq!(refused["invocationId"], "3");
    assert!(refused["error"].as_str().unwrap().ends_with("as many streams as it may have."), "{refused}");
    gate.add_permits(2);
    for _ in 0..2 {
        assert_eq!(client.next().await["result"], 0);
    }
}

#[tokio::test]
async fn items_that_wait_count_as_unfinished_input() {
    let (gated, gate) = Gated::new();
    let options = Options { max_total_input_bytes: 2_000, ..Options::default() };
    let server = Server::start_with(Wire::Own, gated.hub(), options).await;
    let mut client = server.connect().await;
    upload(&mut client, 1, Some("1"), "Gated", json!([]), &["0"]).await;
    let item = |item: usize| json!({"type": 2, "invocationId": "0", "item": item, "padding": "x".repeat(400)});
    for number in 0..20 {
        gate.add_permits(1);
        client.send(&item(number)).await;
        until("it is read", || gated.read().len() == number + 1).await;
    }
    assert_eq!(server.metric("limit_hits_total{limit=\"input_total\"}"), 0, "what is read does not count");
    for number in 0..6 {
        client.send(&item(number)).await;
    }
    assert_eq!(client.closed().await.0.unwrap()["allowReconnect"], true);
    assert_eq!(server.metric("limit_hits_total{limit=\"input_total\"}"), 1);
}

#[tokio::test]
async fn a_call_without_an_id_may_upload() {
    let server = Server::start(reading()).await;
    let mut client = server.connect().await;
    upload(&mut client, 1, None, "Tell", json!([]), &["0"]).await;
    client.item("0", json!(3)).await;
    client.end_upload("0").await;
    assert_eq!(client.next_call().await, ("Told".into(), json!([3])));
    upload(&mut client, 1, None, "Sum", json!([]), &["0"]).await;
    client.end_upload("0").await;
    until("it has ended", || server.metric("upload_streams") == 0).await;
    client.assert_silent().await;
}

#[tokio::test]
async fn a_cancelled_stream_closes_what_it_reads() {
    let server = Server::start(reading()).await;
    let mut client = server.connect().await;
    upload(&mut client, 4, Some("1"), "Upper", json!([]), &["0"]).await;
    until("it reads", || server.metric("upload_streams") == 1).await;
    client.send(&json!({"type": 5, "invocationId": "1"})).await;
    assert_eq!(client.next().await, json!({"type": 3, "invocationId": "1"}));
    assert_eq!((server.metric("upload_streams"), server.metric("streams")), (0, 0));
}

/// Calls under way get what they wait for while the server drains, and no new ones begin.
#[tokio::test]
async fn a_drain_lets_uploads_end() {
    let server = Server::start(reading()).await;
    let mut client = server.connect().await;
    upload(&mut client, 1, Some("1"), "Sum", json!([]), &["0"]).await;
    client.item("0", json!(1)).await;
    until("it reads", || server.hub.calls_in_flight() == 1).await;
    let hub = server.hub.clone();
    let draining = tokio::spawn(async move { hub.drain().await });
    let refused = async { while server.http("POST /hub/negotiate", &[]).await.status != 503 {} };
    soon("the drain to begin", refused).await;
    client.item("0", json!(2)).await;
    client.end_upload("0").await;
    client.call("late", "Plain", json!([])).await;
    assert_eq!(client.next().await, json!({"type": 3, "invocationId": "1", "result": 3}));
    assert_eq!(client.closed().await.0, Some(json!({"type": 7, "allowReconnect": true})));
    soon("the end of the drain", draining).await.unwrap();
}

/// Calls with uploads.
async fn upload(client: &mut Client, kind: u8, id: Option<&str>, target: &str, arguments: Value, streams: &[&str]) {
    let mut call = json!({"type": kind, "target": target, "arguments": arguments, "streamIds": streams});
    if let Some(id) = id {
        call["invocationId"] = id.into();
    }
    client.send(&call).await;
}

fn reading() -> Hub {
    let sum = |items: Upload<i64>| items.try_fold(0, |sum, item| async move { Ok(sum + item) });
    Hub::new()
        .method("Plain", |_: Caller, (): ()| async { Ok(()) })
        .upload_method("Sum", move |_: Caller, (): (), (items,): (Upload<i64>,)| sum(items))
        .upload_method("Tell", move |caller: Caller, (): (), (items,): (Upload<i64>,)| async move {
            Ok(caller.itself().send("Told", &(sum(items).await?,)).await?)
        })
        .upload_method(
            "Zip",
            |_: Caller, (separator,): (String,), (a, b): (Upload<String>, Upload<String>)| async move {
                let (a, b): (Vec<_>, Vec<_>) = (a.try_collect().await?, b.try_collect().await?);
                let pairs = a.iter().zip(&b).map(|(a, b)| format!("{a}{separator}{b}"));
                Ok(pairs.collect::<Vec<_>>().join(" "))
            },
        )
        .upload_stream_method("Upper", |_: Caller, (): (), (items,): (Upload<String>,)| async move {
            Ok(items.map_ok(|item| item.to_uppercase()))
        })
}

/// Methods that read one item for each permit of a gate, or none before it.
struct Gated {
    gate: Arc<Semaphore>,
    read: Arc<Mutex<Vec<usize>>>,
    calls: Arc<AtomicUsize>,
}

impl Gated {
    fn new() -> (Self, Arc<Semaphore>) {
        let gate = Arc::new(Semaphore::new(0));
        (Self { gate: gate.clone(), read: Arc::default(), calls: Arc::default() }, gate)
    }

    fn read(&self) -> Vec<usize> {
        self.read.lock().unwrap().clone()
    }

    fn hub(&self) -> Hub {
        let (gate, read) = (self.gate.clone(), self.read.clone());
        let (told, abandoned) = (gate.clone(), gate.clone());
        let (marks, calls) = (self.read.clone(), self.calls.clone());
        Hub::new()
            .upload_method("Gated", move |_: Caller, (): (), (mut items,): (Upload<usize>,)| {
                let (gate, read) = (gate.clone(), read.clone());
                async move {
                    while let Some(item) = {
                        gate.acquire().await.unwrap().forget();
                        items.next().await
                    } {
                        read.lock().unwrap().push(item?);
                        if read.lock().unwrap().len() == 200 {
                            break;
                        }
                    }
                    Ok(read.lock().unwrap().len())
                }
            })
            .upload_method("EndWhenTold", move |_: Caller, (): (), (items,): (Upload<usize>,)| {
                let gate = told.clone();
                async move {
                    gate.acquire().await.unwrap().forget();
                    drop(items);
                    Ok(())
                }
            })
            .upload_method("Abandon", move |_: Caller, (): (), (items,): (Upload<usize>,)| {
                let gate = abandoned.clone();
                async move {
                    drop(items);
                    gate.acquire().await.unwrap().forget();
                    Ok(())
                }
            })
            .method("Marks", move |_: Caller, (): ()| {
                calls.fetch_add(1, Ordering::Relaxed);
                let read = marks.lock().unwrap().len();
                async move { Ok(read) }
            })
    }
}

struct Note(Arc<Mutex<Vec<&'static str>>>, &'static str);

impl Drop for Note {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(self.1);
    }
}

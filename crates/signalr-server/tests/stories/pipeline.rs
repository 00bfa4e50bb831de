//! Methods of two parts: admitted in order, completed side by side, up to the bounds of a connection.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::json;
use signalr_server::{Caller, ConnectionHandle, FrameBuilder, Hub, HubError, Options};
use tokio::sync::Semaphore;

use crate::common::{Server, Wire, frame, on_every_transport, on_every_wire, soon, until};

on_every_wire!(at_the_bound_of_calls_the_socket_is_not_read_and_nothing_is_lost,);

on_every_transport!(
    pipelined_calls_are_admitted_in_order_and_run_side_by_side,
    what_a_guard_lets_go_comes_behind_its_completion,
);

async fn pipelined_calls_are_admitted_in_order_and_run_side_by_side(wire: Wire) {
    const CALLS: usize = 2_000;
    let pipeline = Pipeline::default();
    let options = Options { max_calls_in_flight: 1_000, ..Options::default() };
    let server = Server::start_with(wire, pipeline.hub(), options).await;
    let mut client = server.connect().await;
    let (gate, hub) = (pipeline.gate.clone(), server.hub.clone());
    let releasing = tokio::spawn(async move {
        until("the bound is reached", || hub.calls_in_flight() == 1_000).await;
        gate.add_permits(CALLS);
    });
    for index in 0..CALLS {
        client.call(&index.to_string(), "Admit", json!([index])).await;
    }
    let mut answered = HashSet::new();
    for _ in 0..CALLS {
        let completion = client.next().await;
        assert_eq!(completion["result"].to_string(), completion["invocationId"].as_str().unwrap());
        assert!(answered.insert(completion["invocationId"].to_string()));
    }
    releasing.await.unwrap();
    assert_eq!(pipeline.admitted(), (0..CALLS).collect::<Vec<_>>());
    assert_eq!(pipeline.most.load(Ordering::Relaxed), 1_000, "up to the bound, and not past it");
    assert_eq!(server.hub.calls_in_flight(), 0);
}

async fn at_the_bound_of_calls_the_socket_is_not_read_and_nothing_is_lost(wire: Wire) {
    const CALLS: usize = 400;
    let pipeline = Pipeline::default();
    let options = Options { max_calls_in_flight: 3, ..Options::default() };
    let server = Server::start_with(wire, pipeline.hub(), options).await;
    let mut client = server.connect().await;
    // More than all buffers on the way can hold.
    let padding = "x".repeat(30_000);
    let mut bytes = Vec::new();
    for index in 0..CALLS {
        let call = json!({"type": 1, "invocationId": index.to_string(), "target": "Admit", "arguments": [index],
            "padding": padding});
        bytes.extend(frame(0x81, format!("{call}\x1e").as_bytes()));
    }
    let mut written = false;
    {
        let mut writing = std::pin::pin!(client.write(&bytes));
        tokio::select! {
            () = &mut writing => written = true,
            () = until("the bound is reached", || server.hub.calls_in_flight() == 3) => {}
        }
        if wire == Wire::Duplex {
            for _ in 0..2_000 {
                assert!(!written, "the connection is read past the bound");
                written = futures::poll!(&mut writing).is_ready();
                tokio::task::yield_now().await;
            }
        }
        until("three calls wait", || server.hub.calls_in_flight() == 3).await;
        assert_eq!(pipeline.admitted(), [0, 1, 2]);
        pipeline.gate.add_permits(CALLS);
        if !written {
            soon("all is read", writing).await;
        }
    }
    let mut answered = HashSet::new();
    for _ in 0..CALLS {
        answered.insert(client.next().await["invocationId"].to_string());
    }
    assert_eq!(answered.len(), CALLS);
    assert_eq!(pipeline.admitted(), (0..CALLS).collect::<Vec<_>>());
    assert_eq!(pipeline.most.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn the_bound_in_bytes_holds_as_well() {
    let pipeline = Pipeline::default();
    let options = Options { max_bytes_in_flight: 1_000, ..Options::default() };
    let server = Server::start_with(Wire::Own, pipeline.hub(), options).await;
    let mut client = server.connect().await;
    let padding = "x".repeat(400);
    for index in 0..10 {
        client
            .send(&json!({"type": 1, "invocationId": index.to_string(), "target": "Admit", "arguments": [index],
                "padding": padding}))
            .await;
    }
    until("the bound is reached", || server.hub.calls_in_flight() == 3).await;
    pipeline.gate.add_permits(10);
    for _ in 0..10 {
        client.next().await;
    }
    assert_eq!(pipeline.most.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn an_admission_that_waits_holds_up_later_calls_and_one_that_fails_does_not() {
    let (admission, admitted) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (waits, order) = (admission.clone(), admitted.clone());
    let hub = Hub::new().pipelined_method("Admit", move |_: Caller, (number,): (u64,)| {
        let (waits, order) = (waits.clone(), order.clone());
        async move {
            waits.acquire().await.unwrap().forget();
            order.lock().unwrap().push(number);
            if number == 2 {
                return Err(HubError::of_kind("NotWritten", "not this one"));
            }
            Ok(async move { Ok(number) })
        }
    });
    let server = Server::start(hub).await;
    let mut client = server.connect().await;
    for number in 1..=3 {
        client.call(&number.to_string(), "Admit", json!([number])).await;
    }
    admission.add_permits(3);
    assert_eq!(client.next().await["result"], 1);
    assert_eq!(
        client.next().await["error"],
        "An unexpected error occurred invoking 'Admit' on the server. NotWritten: not this one"
    );
    assert_eq!(client.next().await["result"], 3);
    assert_eq!(*admitted.lock().unwrap(), [1, 2, 3]);
}

async fn what_a_guard_lets_go_comes_behind_its_completion(wire: Wire) {
    let hub = Hub::new().holding_method("Watch", |caller: Caller, (number, waits): (usize, bool)| async move {
        if waits {
            tokio::task::yield_now().await;
        }
        Ok((number, Changes(caller.connection().clone(), number)))
    });
    let server = Server::start_with(wire, hub, Options::default()).await;
    let mut client = server.connect().await;
    for number in 0..50 {
        client.call(&number.to_string(), "Watch", json!([number, number % 2 == 0])).await;
        assert_eq!(client.next().await["result"], number);
        assert_eq!(client.next().await["arguments"], json!([number]));
    }
    client.tell("Watch", json!([50, false])).await;
    assert_eq!(client.next().await["arguments"], json!([50]), "without a completion at once");
}

/// Tells a client of a change when dropped.
struct Changes(ConnectionHandle, usize);

impl Drop for Changes {
    fn drop(&mut self) {
        let mut frame = FrameBuilder::new(self.0.encoding().unwrap());
        frame.invocation("Changed", &(self.1,)).unwrap();
        self.0.push(&frame.finish(), Instant::now());
    }
}

/// A method whose admissions are noted and whose completions the test holds.
struct Pipeline {
    gate: Arc<Semaphore>,
    admitted: Arc<Mutex<Vec<usize>>>,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            admitted: Arc::default(),
            running: Arc::default(),
            most: Arc::default(),
        }
    }
}

impl Pipeline {
    fn hub(&self) -> Hub {
        let (gate, admitted) = (self.gate.clone(), self.admitted.clone());
        let (running, most) = (self.running.clone(), self.most.clone());
        Hub::new().pipelined_method("Admit", move |_: Caller, (number,): (usize,)| {
            admitted.lock().unwrap().push(number);
            most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            let (gate, running) = (gate.clone(), running.clone());
            async move {
                Ok(async move {
                    gate.acquire().await.unwrap().forget();
                    running.fetch_sub(1, Ordering::Relaxed);
                    Ok(number)
                })
            }
        })
    }

    fn admitted(&self) -> Vec<usize> {
        self.admitted.lock().unwrap().clone()
    }
}

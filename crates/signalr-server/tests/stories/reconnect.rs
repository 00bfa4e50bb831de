//! Stateful reconnect: a connection outlives its websocket, and nothing is lost, doubled or reordered.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signalr_server::{Caller, Hub, Options};

use crate::common::{Answer, Client, End, Server, Wire, on_every_wire, until, upgrade_request};

on_every_wire!(
    what_was_not_acknowledged_comes_again_and_what_comes_again_is_done_once,
    an_acknowledgement_that_was_lost_comes_again,
    an_open_websocket_gives_way_to_another,
    a_connection_waits_only_so_long,
    a_goodbye_is_the_end,
);

async fn what_was_not_acknowledged_comes_again_and_what_comes_again_is_done_once(wire: Wire) {
    let stage = Stage::start(wire).await;
    let mut client = stage.connect().await;
    for number in 1..=3 {
        assert_eq!(client.invoke("Note", json!([number])).await, Ok(json!(number)));
    }
    client.send(&json!({"type": 8, "sequenceId": 2})).await; // two completions
    assert_eq!(client.invoke("Note", json!([4])).await, Ok(json!(4)));
    client.tell("Note", json!([5])).await;
    until("it is done", || stage.noted().len() == 5).await;
    drop(client);
    until("it is noticed", || stage.is_detached()).await;
    stage.server.hub.clients().all().send("Said", &("meanwhile",)).await.unwrap();

    let mut client = stage.reattach().await;
    // Nothing counts before the number; then the last two calls come again, and one more.
    client.tell("Note", json!([99])).await;
    client.send(&json!({"type": 9, "sequenceId": 4})).await;
    for number in [4, 5, 6] {
        client.tell("Note", json!([number])).await;
    }
    assert_eq!(client.next().await, json!({"type": 9, "sequenceId": 3}));
    for number in [3, 4] {
        let completion = client.next().await;
        assert_eq!((&completion["type"], &completion["result"]), (&json!(3), &json!(number)));
    }
    assert_eq!(client.next_call().await.1, json!(["meanwhile"]));
    assert_eq!(client.invoke("Note", json!([7])).await, Ok(json!(7)));
    assert_eq!(stage.noted(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(client.next().await, json!({"type": 8, "sequenceId": 7}), "within a second");
    assert_eq!(stage.left(), Vec::<Option<String>>::new());
}

async fn an_acknowledgement_that_was_lost_comes_again(wire: Wire) {
    let stage = Stage::start(wire).await;
    let mut client = stage.connect().await;
    client.tell("Note", json!([1])).await;
    let acknowledgement = json!({"type": 8, "sequenceId": 1});
    assert_eq!(client.next().await, acknowledgement);
    // As if it had not come: the client may send nothing new before it has.
    let mut client = stage.reattach().await;
    client.send(&json!({"type": 9, "sequenceId": 1})).await;
    client.tell("Note", json!([1])).await;
    assert_eq!(client.next().await, json!({"type": 9, "sequenceId": 1}));
    assert_eq!(client.next().await, acknowledgement);
    assert_eq!(stage.noted(), [1]);
}

/// Which is no time without one.
async fn an_open_websocket_gives_way_to_another(wire: Wire) {
    let options = Options { max_detached: 0, max_reattaches_per_second: 1_000, ..Options::default() };
    let stage = Stage::start_with(wire, options).await;
    let mut old = stage.connect().await;
    for round in 0..20 {
        stage.server.hub.clients().all().send("Said", &(round,)).await.unwrap();
        let mut new = stage.reattach().await;
        new.send(&json!({"type": 9, "sequenceId": 1})).await;
        assert_eq!(new.next().await, json!({"type": 9, "sequenceId": 1}));
        for before in 0..=round {
            assert_eq!(new.next_call().await.1, json!([before]));
        }
        while old.next_or_end().await.is_ok() {}
        old = new;
    }
}

async fn a_connection_waits_only_so_long(wire: Wire) {
    let stage = Stage::start(wire).await;
    drop(stage.connect().await);
    until("it is detached", || stage.is_detached()).await;
    until("it is given up", || !stage.left().is_empty()).await;
    assert_eq!(stage.left(), [Some("The transport ended without a close frame.".to_owned())]);
    until("it is forgotten", || stage.server.metric("connections") == 0).await;
    assert_eq!(stage.try_again().await.status, 404);
}

async fn a_goodbye_is_the_end(wire: Wire) {
    let stage = Stage::start(wire).await;
    let mut client = stage.connect().await;
    client.send(&json!({"type": 7})).await;
    assert_eq!(client.closed().await, (Some(json!({"type": 7})), End::Close(Some(1000))));
    assert_eq!(stage.try_again().await.status, 404);
    assert_eq!(stage.left(), [None]);
}

#[tokio::test]
async fn a_connection_is_given_another_websocket_only_so_often() {
    let stage = Stage::start_with(Wire::Own, Options::default()).await;
    let _first = stage.connect().await;
    let start = Instant::now();
    let mut granted = 0;
    let refused = loop {
        match stage.try_again().await {
            answer if answer.status == 101 => granted += 1,
            answer => break answer,
        }
        assert!(granted < 1_000, "it is granted for ever");
    };
    let most = 5 + start.elapsed().as_millis() / 200;
    assert!((5..=most).contains(&granted), "{granted} are granted");
    assert_eq!(refused.told(), (429, "This connection is reattached too often."));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(stage.server.metric("limit_hits_total{limit=\"reattach\"}"), 1);
    while stage.try_again().await.status != 101 {
        assert!(start.elapsed() < Duration::from_secs(10), "it is never granted again");
    }
}

#[tokio::test]
async fn a_gap_ends_the_connection() {
    let stage = Stage::start(Wire::Own).await;
    let mut client = stage.connect().await;
    client.send(&json!({"type": 9, "sequenceId": 2})).await;
    let (close, _) = client.closed().await;
    assert_eq!(close, Some(json!({"type": 7, "error": "Connection closed with an error.", "allowReconnect": true})));
}

#[tokio::test]
async fn it_must_be_allowed_asked_for_and_agreed_on() {
    let stage = Stage::start(Wire::Own).await;
    assert!(stage.negotiated.get("useStatefulReconnect").is_some());
    let unasked = stage.server.http("POST /hub/negotiate?negotiateVersion=1", &[]).await.json();
    assert!(unasked.get("useStatefulReconnect").is_none());
    let mut client = stage.open().await;
    client.shake_hands().await; // version 1
    assert_eq!(stage.try_again().await.status, 409);
    client.send(&json!({"type": 9, "sequenceId": 50})).await;
    client.assert_silent().await;

    let forbidding = Server::start(Hub::new()).await;
    let refused = forbidding.http("POST /hub/negotiate?negotiateVersion=1&useStatefulReconnect=true", &[]).await.json();
    assert!(refused.get("useStatefulReconnect").is_none());
}

struct Stage {
    server: Server,
    negotiated: Value,
    noted: Arc<Mutex<Vec<u64>>>,
    left: Arc<Mutex<Vec<Option<String>>>>,
}

impl Stage {
    async fn start(wire: Wire) -> Self {
        Self::start_with(wire, Options { max_reattaches_per_second: 1_000, ..Options::default() }).await
    }

    async fn start_with(wire: Wire, options: Options) -> Self {
        let (noted, left) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (notes, leavers) = (noted.clone(), left.clone());
        let hub = Hub::new()
            .method("Note", move |_: Caller, (number,): (u64,)| {
                notes.lock().unwrap().push(number);
                async move { Ok(number) }
            })
            .on_disconnected(move |_, error| {
                leavers.lock().unwrap().push(error);
                async {}
            });
        let options = Options { stateful_reconnect: true, disconnect_timeout: Duration::from_secs(2), ..options };
        let server = Server::start_with(wire, hub, options).await;
        let negotiate = "POST /hub/negotiate?negotiateVersion=1&useStatefulReconnect=true";
        let negotiated = server.http(negotiate, &[]).await.json();
        Self { server, negotiated, noted, left }
    }

    fn path(&self) -> String {
        format!("/hub?id={}", self.negotiated["connectionToken"].as_str().unwrap())
    }

    async fn open(&self) -> Client {
        Client::upgrade(self.server.dial().await, &self.path()).await
    }

    async fn connect(&self) -> Client {
        let mut client = self.open().await;
        client.send(&json!({"protocol": "json", "version": 2})).await;
        assert_eq!(client.next().await, json!({}));
        client
    }

    /// Another websocket, which needs no handshake.
    async fn reattach(&self) -> Client {
        self.open().await
    }

    /// What an attempt to do so is answered.
    async fn try_again(&self) -> Answer {
        self.server.http(&format!("GET {}", self.path()), &upgrade_request()).await
    }

    fn is_detached(&self) -> bool {
        self.server.metric("detached_connections") == 1
    }

    fn noted(&self) -> Vec<u64> {
        self.noted.lock().unwrap().clone()
    }

    fn left(&self) -> Vec<Option<String>> {
        self.left.lock().unwrap().clone()
    }
}

//! Sends from the server, groups, and what the hub is told of connections that come and go.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use signalr_server::{Caller, CloseReason, ConnectionHandle, ConnectionId, ErrorDetail, Hub, HubError, Options};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Client, End, Lobby, Server, Wire, frame, on_every_transport, on_every_wire, until};

on_every_wire!(the_disconnected_handler_runs_once_whatever_the_end,);

on_every_transport!(
    a_send_reaches_whom_it_names_and_nobody_else,
    groups_are_joined_and_left,
    sends_to_one_connection_keep_their_order,
    nothing_is_sent_before_the_handshake,
    the_connected_handler_runs_before_the_first_call,
);

async fn a_send_reaches_whom_it_names_and_nobody_else(wire: Wire) {
    let lobby = Lobby::default();
    let server = Server::start_with(wire, hub(&lobby), Options::default()).await;
    let mut clients = [server.connect().await, server.connect().await, server.connect().await];
    until("all are there", || lobby.handles().len() == 3).await;
    let ids: Vec<ConnectionId> = lobby.handles().iter().map(ConnectionHandle::id).collect();
    let [a, b, c] = ids[..] else { panic!("three") };
    for id in [a, b] {
        server.hub.groups().add(id, "g").unwrap();
    }
    let all = server.hub.clients();
    let targets = [
        ("all", all.all(), vec![a, b, c]),
        ("all_except", all.all_except(&[b]), vec![a, c]),
        ("connection", all.connection(b).into(), vec![b]),
        ("connections", all.connections(&[a, c]), vec![a, c]),
        ("group", all.group("g"), vec![a, b]),
        ("group_except", all.group_except("g", &[a]), vec![b]),
        ("no such group", all.group("G"), vec![]),
    ];
    let mut expected = vec![Vec::new(); 3];
    for (name, target, members) in targets {
        target.send("Said", &(name, 1)).await.unwrap();
        for (id, expected) in ids.iter().zip(&mut expected) {
            if members.contains(id) {
                expected.push(("Said".to_owned(), json!([name, 1])));
            }
        }
    }
    for (client, expected) in clients.iter_mut().zip(expected) {
        for call in expected {
            assert_eq!(client.next_call().await, call);
        }
        client.assert_silent().await;
    }
}

async fn groups_are_joined_and_left(wire: Wire) {
    let lobby = Lobby::default();
    let server = Server::start_with(wire, hub(&lobby), Options::default()).await;
    let (mut stays, mut leaves, mut goes) = (server.connect().await, server.connect().await, server.connect().await);
    for client in [&mut stays, &mut leaves, &mut goes] {
        for _ in 0..2 {
            assert_eq!(client.invoke("Join", json!(["g"])).await, Ok(Value::Null));
        }
    }
    leaves.invoke("Leave", json!(["g"])).await.unwrap();
    leaves.invoke("Leave", json!(["never joined"])).await.unwrap();
    goes.send(&json!({"type": 7})).await;
    goes.closed().await;
    drop(goes);
    until("it is gone", || server.metric("connections") == 2).await;
    server.hub.clients().group("g").send("Said", &("once",)).await.unwrap();
    assert_eq!(stays.next_call().await, ("Said".into(), json!(["once"])));
    stays.assert_silent().await;
    leaves.assert_silent().await;

    leaves.invoke("Join", json!(["g"])).await.unwrap();
    server.hub.clients().group("g").send("Said", &("again",)).await.unwrap();
    assert_eq!(leaves.next_call().await, ("Said".into(), json!(["again"])));
    assert_eq!(
        leaves.invoke("Join", json!([""])).await.unwrap_err(),
        "An unexpected error occurred invoking 'Join' on the server. HubException: A group needs a name."
    );
}

async fn sends_to_one_connection_keep_their_order(wire: Wire) {
    const SENDS: usize = 2_000;
    let lobby = Lobby::default();
    let server = Server::start_with(wire, hub(&lobby), Options::default()).await;
    let mut client = server.connect().await;
    let clients = server.hub.clients();
    let sending = tokio::spawn(async move {
        for index in 0..SENDS {
            clients.all().send("Number", &(index,)).await.unwrap();
            if index % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    for index in 0..SENDS {
        assert_eq!(client.next_call().await.1, json!([index]));
    }
    sending.await.unwrap();
}

async fn nothing_is_sent_before_the_handshake(wire: Wire) {
    let lobby = Lobby::default();
    let server = Server::start_with(wire, hub(&lobby), Options::default()).await;
    let mut client = server.open().await;
    until("it is connected", || server.metric("connections") == 1).await;
    server.hub.clients().all().send("Said", &("too early",)).await.unwrap();
    client.shake_hands().await;
    client.assert_silent().await;

    // And whatever is said while it comes in, the response is first.
    let clients = server.hub.clients();
    let talking = tokio::spawn(async move {
        loop {
            clients.all().send("Said", &("all the time",)).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..50 {
        server.connect().await;
    }
    talking.abort();
}

async fn the_connected_handler_runs_before_the_first_call(wire: Wire) {
    let (gate, journal) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (wait, connected, called) = (gate.clone(), journal.clone(), journal.clone());
    let hub = Hub::new()
        .on_connected(move |caller| {
            let (wait, journal) = (wait.clone(), connected.clone());
            async move {
                caller.itself().send("Welcome", &()).await?;
                wait.acquire().await.unwrap().forget();
                journal.lock().unwrap().push("connected");
                Ok(())
            }
        })
        .method("Call", move |_: Caller, (): ()| {
            called.lock().unwrap().push("called");
            async { Ok(()) }
        });
    let server = Server::start_with(wire, hub, Options::default()).await;
    let mut client = server.open().await;
    let call = json!({"type": 1, "invocationId": "1", "target": "Call", "arguments": []});
    client.send_text(&format!("{{\"protocol\":\"json\",\"version\":1}}\x1e{call}\x1e")).await;
    assert_eq!(client.next().await, json!({}), "the response is first");
    assert_eq!(client.next_call().await, ("Welcome".into(), json!([])));
    assert!(journal.lock().unwrap().is_empty());
    gate.add_permits(1);
    assert_eq!(client.next().await["invocationId"], "1");
    assert_eq!(*journal.lock().unwrap(), ["connected", "called"]);
}

#[tokio::test]
async fn a_connected_handler_that_fails_ends_the_connection() {
    let rows = [
        (ErrorDetail::Hidden, "Connection closed with an error."),
        (ErrorDetail::All, "Connection closed with an error. InvalidOperationException: inside"),
    ];
    for (detail, text) in rows {
        for later in [false, true] {
            let gone = Arc::new(Mutex::new(0));
            let count = gone.clone();
            let hub = Hub::new()
                .on_connected(move |_| async move {
                    if later {
                        tokio::task::yield_now().await;
                    }
                    Err(HubError::internal("InvalidOperationException", "inside"))
                })
                .on_disconnected(move |_, _| {
                    *count.lock().unwrap() += 1;
                    async {}
                });
            let mut options = Options::default();
            options.protocol.error_detail = detail;
            let server = Server::start_with(Wire::Own, hub, options).await;
            let mut client = server.connect().await;
            let (close, end) = client.closed().await;
            assert_eq!(close, Some(json!({"type": 7, "error": text})), "{detail:?}");
            assert_eq!(end, End::Close(Some(1000)));
            drop(client);
            until("it is gone", || server.metric("connections") == 0).await;
            assert_eq!(*gone.lock().unwrap(), 0, "what never came does not leave");
        }
    }
}

/// An error that a connected handler raises for the client is told, as that of a method is. Source: ASP.NET Core.
#[tokio::test]
async fn a_refusal_on_purpose_is_told() {
    let hub = Hub::new().on_connected(|_| async { Err(HubError::new("full")) });
    let server = Server::start(hub).await;
    let (close, _) = server.connect().await.closed().await;
    assert_eq!(close, Some(json!({"type": 7, "error": "Connection closed with an error. HubException: full"})));
}

async fn the_disconnected_handler_runs_once_whatever_the_end(wire: Wire) {
    const SILENT: &str = "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.";
    let ends: [(&str, Option<&str>); 9] = [
        ("a Close message", None),
        ("a Close message with an error", Some("tired")),
        ("a close frame", None),
        ("the end of the stream", Some("The transport ended without a close frame.")),
        ("a partial message", Some("Connection terminated while reading a message.")),
        ("the server", None),
        ("silence", Some(SILENT)),
        ("a fault", Some("WebSocket: an unknown opcode.")),
        ("a panic", Some("A hub method panicked.")),
    ];
    for (end, error) in ends {
        let lobby = Lobby::default();
        let mut options = Options::default();
        if end == "silence" {
            options.protocol.peer_timeout = Duration::from_millis(50);
        }
        let server = Server::start_with(wire, hub(&lobby), options).await;
        let mut client = server.connect().await;
        client.invoke("Join", json!(["g"])).await.unwrap();
        match end {
            "a Close message" => client.send(&json!({"type": 7})).await,
            "a Close message with an error" => client.send(&json!({"type": 7, "error": "tired"})).await,
            "a close frame" => client.send_frame(Message::Close(None)).await,
            "the end of the stream" => drop(std::mem::replace(client.io(), Box::new(tokio::io::duplex(1).0))),
            "a partial message" => {
                client.write(&frame(0x81, b"{\"type\":")).await;
                client.write(&frame(0x88, &1000_u16.to_be_bytes())).await;
            }
            "the server" => lobby.handles()[0].end(CloseReason::Ended),
            "silence" => client.send(&json!({"type": 6})).await,
            "a fault" => client.write(&frame(0x83, b"")).await,
            "a panic" => client.tell("Panic", json!([])).await,
            other => panic!("no such end: {other}"),
        }
        until("the hub is told", || !lobby.left().is_empty()).await;
        drop(client);
        until("it is forgotten", || server.metric("connections") == 0).await;
        assert_eq!(lobby.left(), [error.map(str::to_owned)], "{end}");
        assert!(lobby.handles()[0].is_ended(), "{end}");
    }
}

#[tokio::test]
async fn a_reset_is_an_end_like_any_other() {
    let lobby = Lobby::default();
    let server = Server::start_with(Wire::Own, hub(&lobby), Options::default()).await;
    let io = server.dial_narrow().await;
    socket2::SockRef::from(&io).set_linger(Some(Duration::ZERO)).unwrap();
    let mut client = Client::upgrade(Box::new(io), "/hub").await;
    client.shake_hands().await;
    drop(client);
    until("it is forgotten", || server.metric("connections") == 0).await;
    assert_eq!(lobby.left(), [Some("The transport ended without a close frame.".to_owned())]);
}

#[tokio::test]
async fn a_client_that_never_shook_hands_is_nothing_to_the_hub() {
    let lobby = Lobby::default();
    let server = Server::start_with(Wire::Own, hub(&lobby), Options::default()).await;
    drop(server.open().await);
    until("it is forgotten", || server.metric("connections") == 0).await;
    assert!(lobby.left().is_empty() && lobby.handles().is_empty());
}

#[tokio::test]
async fn the_disconnected_handler_still_finds_the_groups_of_its_connection() {
    let hub = Hub::new()
        .method("Join", |caller: Caller, (): ()| async move { caller.groups().add(caller.connection_id(), "g") })
        .on_disconnected(|caller, _| async move {
            caller.clients().group_except("g", &[caller.connection_id()]).send("Left", &()).await.unwrap();
        });
    let server = Server::start(hub).await;
    let (mut stays, mut goes) = (server.connect().await, server.connect().await);
    stays.invoke("Join", json!([])).await.unwrap();
    goes.invoke("Join", json!([])).await.unwrap();
    drop(goes);
    assert_eq!(stays.next_call().await, ("Left".into(), json!([])));
}

#[tokio::test]
async fn a_handle_that_somebody_keeps_keeps_no_connection_open() {
    let lobby = Lobby::default();
    let server = Server::start_with(Wire::Own, hub(&lobby), Options::default()).await;
    let mut client = server.connect().await;
    client.tell("Panic", json!([])).await;
    assert_eq!(client.closed().await, (None, End::Broken), "the socket ends with its task");
    assert_eq!(lobby.handles().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_written_down_is_told_to_the_sender() {
    let server = Server::start(Hub::new()).await;
    let mut client = server.connect().await;
    let everyone = server.hub.clients().all();
    let error = everyone.send("Said", &"no sequence").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot send 'Said': arguments must serialise as a sequence, such as a tuple");
    client.assert_silent().await;
}

/// The lobby's, and what these stories call beside.
fn hub(lobby: &Lobby) -> Hub {
    lobby
        .hub()
        .method("Join", |caller: Caller, (group,): (String,)| async move {
            caller.groups().add(caller.connection_id(), &group)
        })
        .method("Leave", |caller: Caller, (group,): (String,)| async move {
            caller.groups().remove(caller.connection_id(), &group)
        })
        .method("Panic", |_: Caller, (): ()| async move {
            tokio::task::yield_now().await;
            if true {
                panic!("on purpose");
            }
            Ok(())
        })
}

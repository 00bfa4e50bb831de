//! Clients that speak MessagePack: the same calls in binary frames, beside others that speak JSON.

use std::sync::Arc;

use serde_json::json;
use signalr_server::value::AnyValue;
use signalr_server::{Caller, ErrorDetail, Hub, HubError, Options};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Client, End, Server, Wire, on_every_wire};

on_every_wire!(
    calls_are_answered_in_binary_frames,
    input_held_back_keeps_its_order_in_binary,
    all_get_what_they_speak,
    members_of_a_group_get_what_they_speak,
    values_may_nest_64_deep_in_binary,
);

const HANDSHAKE: &str = "{\"protocol\":\"messagepack\",\"version\":1}\x1e";

/// `Add(2, 3)` and its answer, as id "1".
const ADD: &[u8] = b"\x0d\x96\x01\x80\xa11\xa3Add\x92\x02\x03\x90";
const SUM: &[u8] = b"\x07\x95\x03\x80\xa11\x03\x05";

async fn calls_are_answered_in_binary_frames(wire: Wire) {
    let server = Server::start_with(wire, hub(), Options::default()).await;
    let mut client = connect(&server).await;
    let answer = |bytes: &[u8]| [&[bytes.len() as u8], bytes].concat();
    let any = b"\x83\xc0\xc7\x02\x05\x00\xff\x01\xcf\x00\x00\x00\x00\x00\x00\x00\x05\xa1k\xd6\xff8mC\x80";
    let rows = [
        (b"\x96\x01\x80\xa11\xa3add\x92\xcd\x00\x02\x03\x90".to_vec(), SUM[1..].to_vec()),
        (b"\x95\x01\x80\xa12\xa7Nothing\x90".to_vec(), b"\x95\x03\x80\xa12\x03\xc0".to_vec()),
        (
            [b"\x96\x01\x80\xa13\xa7EchoAny\x91", &any[..], b"\x90"].concat(),
            [b"\x95\x03\x80\xa13\x03", &any[..]].concat(),
        ),
        (
            b"\x96\x01\x80\xa14\xa4Fail\x90\x90".to_vec(),
            [
                b"\x95\x03\x80\xa14\x01\xd9\x50",
                &b"An unexpected error occurred invoking 'Fail' on the server. HubException: no way"[..],
            ]
            .concat(),
        ),
    ];
    for (call, completion) in rows {
        client.send_frame(Message::binary(answer(&call))).await;
        assert_eq!(client.next_binary().await, answer(&completion));
    }
    client.send_frame(Message::binary(b"\x03\x92\x07\xc0".to_vec())).await;
    assert_eq!(client.next_binary().await, b"\x04\x93\x07\xc0\xc2", "a goodbye is answered");
}

async fn input_held_back_keeps_its_order_in_binary(wire: Wire) {
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let hub = hub().method("Wait", move |_: Caller, (): ()| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.map_err(|_| HubError::new("closed"))?.forget();
            Ok(())
        }
    });
    let server = Server::start_with(wire, hub, Options::default()).await;
    let mut client = connect(&server).await;
    let wait = b"\x0c\x96\x01\x80\xa10\xa4Wait\x90\x90";
    let bytes = [&wait[..], ADD, ADD].concat();
    for cut in 1..bytes.len() {
        client.send_frame(Message::binary(bytes[..cut].to_vec())).await;
        client.send_frame(Message::binary(bytes[cut..].to_vec())).await;
        opened.add_permits(1);
        let expected = [b"\x07\x95\x03\x80\xa10\x03\xc0", SUM, SUM].concat();
        let mut answers = Vec::new();
        while answers.len() < expected.len() {
            answers.extend(client.next_binary().await);
        }
        assert_eq!(answers, expected, "cut at {cut}");
    }
}

async fn all_get_what_they_speak(wire: Wire) {
    let server = Server::start_with(wire, hub(), Options::default()).await;
    let mut text = server.connect().await;
    let mut binary = connect(&server).await;
    text.tell("Tell", json!([[1, "x"]])).await;
    assert_eq!(text.next_call().await, ("Told".to_owned(), json!([[1, "x"]])));
    assert_eq!(binary.next_binary().await, b"\x0f\x96\x01\x80\xc0\xa4Told\x91\x92\x01\xa1x\x90");
}

async fn members_of_a_group_get_what_they_speak(wire: Wire) {
    for is_text_first in [true, false] {
        let server = Server::start_with(wire, hub(), Options::default()).await;
        let (mut text, mut binary, mut outsider) =
            (server.connect().await, connect(&server).await, server.connect().await);
        for joins_text in [is_text_first, !is_text_first] {
            if joins_text {
                assert_eq!(text.invoke("Join", json!([])).await, Ok(json!(null)));
            } else {
                binary.send_frame(Message::binary(b"\x0c\x96\x01\x80\xa1j\xa4Join\x90\x90".to_vec())).await;
                assert_eq!(binary.next_binary().await, b"\x07\x95\x03\x80\xa1j\x03\xc0");
            }
        }
        for _ in 0..3 {
            assert_eq!(outsider.invoke("TellGroup", json!([[1, "x"]])).await, Ok(json!(null)));
            assert_eq!(text.next_call().await, ("Told".to_owned(), json!([[1, "x"]])));
            assert_eq!(binary.next_binary().await, b"\x0f\x96\x01\x80\xc0\xa4Told\x91\x92\x01\xa1x\x90");
        }
    }
}

/// The message and the list of its arguments are two of them.
async fn values_may_nest_64_deep_in_binary(wire: Wire) {
    let mut options = Options::default();
    options.protocol.error_detail = ErrorDetail::ClientFaults;
    let server = Server::start_with(wire, hub(), options).await;
    let nested = |arrays: usize| [&[0x91].repeat(arrays - 1)[..], b"\x90"].concat();
    let call = |depth: usize| {
        let call = [b"\x96\x01\x80\xa1e\xa7EchoAny", &nested(depth - 1)[..], b"\x90"].concat();
        [&[call.len() as u8], &call[..]].concat()
    };
    let mut client = connect(&server).await;
    client.send_frame(Message::binary(call(64))).await;
    let result = [b"\x95\x03\x80\xa1e\x03", &nested(62)[..]].concat();
    assert_eq!(client.next_binary().await, [&[result.len() as u8], &result[..]].concat());
    client.send_frame(Message::binary(call(65))).await;
    let close = client.next_binary().await;
    let text = "Connection closed with an error. InvalidDataException: The message is nested deeper than 64 levels.";
    let told = [b"\x93\x07\xd9", &[text.len() as u8][..], text.as_bytes(), b"\xc3"].concat();
    assert_eq!(String::from_utf8_lossy(&close[1..]), String::from_utf8_lossy(&told));
    assert_eq!(client.closed().await, (None, End::Close(Some(1000))));
}

fn hub() -> Hub {
    Hub::new()
        .method("Add", |_: Caller, (a, b): (i64, i64)| async move { Ok(a + b) })
        .method("EchoAny", |_: Caller, (value,): (AnyValue,)| async move { Ok(value) })
        .method("Nothing", |_: Caller, (): ()| async { Ok(()) })
        .method("Fail", |_: Caller, (): ()| async { Err::<(), _>(HubError::new("no way")) })
        .method("Tell", |caller: Caller, (value,): (AnyValue,)| async move {
            Ok(caller.clients().all().send("Told", &(value,)).await?)
        })
        .method("Join", |caller: Caller, (): ()| async move { caller.groups().add(caller.connection_id(), "members") })
        .method("TellGroup", |caller: Caller, (value,): (AnyValue,)| async move {
            Ok(caller.clients().group("members").send("Told", &(value,)).await?)
        })
}

/// A connection that is a target, the answer to its handshake in a binary frame like all the rest.
async fn connect(server: &Server) -> Client {
    let mut client = server.open().await;
    client.send_text(HANDSHAKE).await;
    assert_eq!(client.next_binary().await, b"{}\x1e");
    client.send_frame(Message::binary(ADD.to_vec())).await;
    assert_eq!(client.next_binary().await, SUM, "it is open");
    client
}

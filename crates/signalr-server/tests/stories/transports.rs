//! Transports beside each other: what one connection may change, what a server may leave out, its bounds, and HTTP/2.

use http_body_util::BodyExt;
use serde_json::json;
use signalr_server::{ErrorDetail, Options, Transport};

use crate::common::{
    ACCEPT_EVENTS, Answer, Client, End, HANDSHAKE, Http1, Http2, Lobby, Server, Wire, call, soon, until,
    upgrade_request,
};

#[tokio::test]
async fn a_connection_keeps_its_transport() {
    let server = Server::start(Lobby::default().hub()).await;
    for used in [Transport::ServerSentEvents, Transport::LongPolling] {
        let path = server.negotiated().await;
        let (io, posts) = (server.dial().await, server.dial().await);
        let mut client = match used {
            Transport::LongPolling => Client::polls(io, posts, path.clone()).await,
            _ => Client::events(io, posts, path.clone()).await,
        };
        client.shake_hands().await;
        for other in Transport::ALL.into_iter().filter(|other| *other != used) {
            let answer = ask(&server, &path, other).await;
            assert_eq!(answer.told(), (400, "Cannot change transports mid-connection"), "{used:?} to {other:?}");
        }
        assert_eq!(client.invoke("Echo", json!([1])).await, Ok(json!(1)));
    }
}

#[tokio::test]
async fn a_transport_that_is_not_served_is_neither_offered_nor_granted() {
    for left_out in Transport::ALL {
        let transports: Vec<_> = Transport::ALL.into_iter().filter(|served| *served != left_out).collect();
        let options = Options { transports: transports.clone(), ..Options::default() };
        let server = Server::start_with(Wire::Own, Lobby::default().hub(), options).await;
        let offered = server.http("POST /hub/negotiate?negotiateVersion=1", &[]).await.json();
        let offered = offered["availableTransports"].as_array().unwrap().iter().map(|offer| offer["transport"].clone());
        assert!(offered.eq(transports.iter().map(|served| served.name())));

        let path = server.negotiated().await;
        let text = format!("{} transport not supported by this end point type", left_out.name());
        assert_eq!(ask(&server, &path, left_out).await.told(), (404, text.as_str()));
        for served in transports {
            let answer = ask(&server, &server.negotiated().await, served).await;
            assert!([101, 200].contains(&answer.status), "{served:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn an_unknown_connection_is_unknown_to_every_method_and_transport() {
    let server = Server::start(Lobby::default().hub()).await;
    for id in ["0123456789012345678901", "short", ""] {
        let path = format!("/hub?id={id}");
        for transport in Transport::ALL {
            assert_eq!(ask(&server, &path, transport).await.told(), (404, "No Connection with that ID"));
        }
        for method in ["POST", "DELETE"] {
            let answer = server.http(&format!("{method} {path}"), &[]).await;
            assert_eq!(answer.told(), (404, "No Connection with that ID"), "{method}");
        }
    }
}

#[tokio::test]
async fn the_bound_of_connections_holds_for_all_transports() {
    for wire in [Wire::Events, Wire::Polls] {
        let options = Options { max_connections: 1, ..Options::default() };
        let server = Server::start_with(wire, Lobby::default().hub(), options).await;
        let path = server.negotiated().await;
        let mut client = server.connect().await;
        for transport in Transport::ALL {
            let refused = ask(&server, &path, transport).await;
            assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{transport:?}");
        }
        assert_eq!(client.invoke("Echo", json!([1])).await, Ok(json!(1)), "who is there stays");
        client.send(&json!({"type": 7})).await;
        client.closed().await;
        drop(client);
        until("there is room", || server.metric("connections") == 0).await;
        assert_eq!(
            ask(&server, &path, Transport::LongPolling).await.told(),
            (200, ""),
            "the token is as good as before"
        );
    }
}

/// What was posted and waits counts as unfinished input, whether it is read already or not.
#[tokio::test]
async fn posted_input_has_its_share_of_the_bound_of_all() {
    for wire in [Wire::Events, Wire::Polls] {
        let lobby = Lobby::default();
        let mut options = Options { max_total_input_bytes: 320_000, ..Options::default() };
        options.protocol.error_detail = ErrorDetail::ClientFaults;
        let server = Server::start_with(wire, lobby.hub(), options).await;
        let mut oldest = server.connect().await;
        let held = format!("{}{}", call("1", "Hold", json!([])), call("2", "Echo", json!(["x".repeat(30_000)])));
        oldest.send_text(&held).await;
        until("the call runs", || server.hub.calls_in_flight() == 1).await;
        // 30 KB are read and held back, 60 KB more are not read: all together three connections hold less than the bound.
        let text = call("2", "Echo", json!(["x".repeat(30_000)]));
        oldest.send_text(&text).await;
        oldest.send_text(&text).await;
        let mut others = Vec::new();
        for calls in 2..=3 {
            let mut client = server.connect().await;
            client.send_text(&held).await;
            until("the call runs", || server.hub.calls_in_flight() == calls).await;
            client.send_text(&text).await;
            client.send_text(&text).await;
            others.push(client);
        }
        assert_eq!(server.metric("limit_hits_total{limit=\"input_total\"}"), 0, "{wire:?}");
        let mut last = server.connect().await;
        last.send_text(&held).await;
        until("the call runs", || server.hub.calls_in_flight() == 4).await;
        last.send_text(&text).await;
        until("the bound is met", || server.metric("limit_hits_total{limit=\"input_total\"}") == 1).await;
        let (close, end) = oldest.closed().await;
        let text = "Connection closed with an error. The server holds too much unfinished input.";
        assert_eq!((&close.unwrap()["error"], end), (&json!(text), wire.end()));
        lobby.gate.add_permits(10);
        for client in others.iter_mut().chain([&mut last]) {
            assert_eq!(client.next().await["invocationId"], "1", "the others stay");
        }
    }
}

#[tokio::test]
async fn every_transport_is_served_over_http2() {
    let lobby = Lobby::default();
    let server = Server::start(lobby.hub()).await;
    let mut http = Http2::over(server.dial().await).await;

    let (status, document) = http.told("POST /hub/negotiate?negotiateVersion=1", "").await;
    assert_eq!(status, 200);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let path = format!("/hub?id={}", document["connectionToken"].as_str().unwrap());
    let (get, post) = (format!("GET {path}"), format!("POST {path}"));
    assert_eq!(http.told(&get, "").await, (200, String::new()));
    // Beside each other on one connection: a poll that waits, and what it waits for.
    let mut waiting = http.clone();
    let poll = tokio::spawn(async move { waiting.told(&get, "").await });
    assert_eq!(http.told(&post, HANDSHAKE).await, (200, String::new()));
    assert_eq!(soon("the poll", poll).await.unwrap(), (200, "{}\x1e".to_owned()));
    assert_eq!(http.told(&format!("DELETE {path}"), "").await.0, 202);
    until("it is forgotten", || server.metric("connections") == 0).await;

    let path = server.negotiated().await;
    let stream = http.ask(&format!("GET {path}"), &ACCEPT_EVENTS, "").await;
    assert_eq!(
        (stream.status().as_u16(), &stream.headers()["content-type"]),
        (200, &"text/event-stream".parse().unwrap())
    );
    let mut events = stream.into_body();
    assert_eq!(next_data(&mut events).await.as_deref(), Some(":\r\n"));
    http.told(&format!("POST {path}"), HANDSHAKE).await;
    assert_eq!(next_data(&mut events).await.as_deref(), Some("data: {}\x1e\r\n\r\n"));
    drop(events); // resets the stream, and leaves the HTTP connection
    until("it is forgotten", || server.metric("connections") == 0).await;
    assert_eq!(lobby.left(), [None, None]);

    let mut client = http.websocket("/hub").await;
    client.shake_hands().await;
    assert_eq!(client.invoke("Echo", json!(["over HTTP/2"])).await, Ok(json!("over HTTP/2")));
    client.send(&json!({"type": 7})).await;
    assert_eq!(client.closed().await, (Some(json!({"type": 7})), End::Close(Some(1000))));
    drop(client);
    until("it is forgotten", || server.metric("connections") == 0).await;
}

async fn next_data(body: &mut hyper::body::Incoming) -> Option<String> {
    let frame = soon("a frame of the body", body.frame()).await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_negotiated_websocket_over_http2_has_its_id_and_is_refused_like_any_other() {
    let server = Server::start(Lobby::default().hub()).await;
    let mut http = Http2::over(server.dial().await).await;
    let path = server.negotiated().await;
    let mut client = http.websocket(&path).await;
    client.shake_hands().await;
    for (path, status) in [(path.as_str(), 409), ("/hub?id=unknown", 404), ("/elsewhere", 404)] {
        assert_eq!(http.connect(path).await.status(), status, "{path}");
    }
    assert_eq!(client.invoke("Echo", json!([1])).await, Ok(json!(1)), "on the same connection");
}

#[tokio::test]
async fn an_offer_of_h2c_is_passed_over() {
    let server = Server::start(Lobby::default().hub()).await;
    let h2c =
        [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")];
    let path = server.negotiated().await;
    let mut http = Http1::new(server.dial().await);
    assert_eq!(http.ask(&format!("GET {path}"), &h2c, "").await.told(), (200, ""));
    assert_eq!(http.ask(&format!("POST {path}"), &h2c, HANDSHAKE).await.told(), (200, ""));
    assert_eq!(http.ask(&format!("GET {path}"), &h2c, "").await.told(), (200, "{}\x1e"));
    assert_eq!(http.ask(&format!("DELETE {path}"), &h2c, "").await.told(), (202, ""));
}

#[tokio::test]
async fn requests_may_come_before_the_answers_to_those_before_them() {
    let server = Server::start(Lobby::default().hub()).await;
    let path = server.negotiated().await;
    let mut http = Http1::new(server.dial().await);
    http.begin(&format!("GET {path}"), &[], "").await;
    http.begin(&format!("POST {path}"), &[], HANDSHAKE).await;
    http.begin(&format!("POST {path}"), &[], &call("1", "Echo", json!([1]))).await;
    for _ in 0..3 {
        assert_eq!(http.answer().await.told(), (200, ""));
    }
    http.begin(&format!("GET {path}"), &[], "").await;
    let mut output = http.answer().await.body;
    while !output.contains("\"result\":1") {
        output.push_str(&http.ask(&format!("GET {path}"), &[], "").await.body);
    }
    assert!(output.starts_with("{}\x1e"));
}

/// What is answered to the request that would open, or go on with, a connection of this transport.
async fn ask(server: &Server, path: &str, transport: Transport) -> Answer {
    let headers = match transport {
        Transport::WebSockets => upgrade_request(),
        Transport::ServerSentEvents => ACCEPT_EVENTS.to_vec(),
        Transport::LongPolling => Vec::new(),
    };
    server.http(&format!("GET {path}"), &headers).await
}

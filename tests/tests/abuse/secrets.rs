//! Logs at their most talkative hold no token, whatever way it came, and no more of a client's text than is useful.

use e2e::client::{ConnectOptions, HubClient};
use e2e::program::{Program, process};
use serde_json::Value;

use crate::process::settled;
use crate::raw::{Raw, exchange, upgrade};

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_ever_logged() {
    let mut serve = process();
    serve.env("RUST_LOG", "trace").args([
        "serve",
        "--memory",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let program = Program::start(serve).await;
    let address = program.address();
    let hub = format!("{}/hub", program.url);
    let header = format!("authorization: Bearer {SECRET}\r\n");
    let query = format!("access_token={SECRET}");

    let options = ConnectOptions { access_token: Some(SECRET.to_owned()), ..ConnectOptions::default() };
    let client = HubClient::connect_with(&hub, &options).await.unwrap();
    let other = HubClient::connect(&format!("{hub}?{query}")).await.unwrap();
    client.invoke("SubscribeToPackages", &("t",)).await.unwrap();
    for target in ["SendEventData", "NoSuchMethod"] {
        client.invoke(target, &(SECRET,)).await.unwrap_err();
        client.send(target, &(SECRET,)).unwrap();
    }
    let negotiated = reqwest::Client::new().post(format!("{hub}/negotiate?negotiateVersion=1")).send().await.unwrap();
    let negotiated: Value = negotiated.json().await.unwrap();
    let connection_token = negotiated["connectionToken"].as_str().unwrap();
    for request in [
        upgrade(address, &format!("/hub?id={connection_token}&{query}"), &header),
        upgrade(address, &format!("/hub?id=unknown&{query}"), &header),
        upgrade("evil.example", &format!("/hub?{query}"), &header),
        upgrade(address, &format!("/hub?{query}"), &format!("origin: http://evil.example\r\n{header}")),
        format!("GET /topics?{query} HTTP/1.1\r\nhost: {address}\r\n{header}\r\n"),
        format!("GET /topics/t/packages?from=x&{query} HTTP/1.1\r\nhost: {address}\r\n{header}\r\n"),
        format!("POST /topics/t/packages?{query} HTTP/1.1\r\nhost: {address}\r\n{header}content-length: 2\r\n\r\n{{}}"),
        format!("GET /nowhere?{query} HTTP/1.1\r\nhost: {address}\r\n{header}broken\r\n\r\n"),
        format!("GET /{}?{query} HTTP/1.1\r\nhost: {address}\r\n\r\n", "x".repeat(100_000)),
    ] {
        let mut raw = Raw::connect(address).await;
        let _ = raw.send(request.as_bytes()).await;
        raw.finish().await;
    }
    client.close().await;
    other.abort().await;
    settled(&program, 0).await;
    program.logs("connection closed").await;
    let log = program.log();
    for secret in [SECRET, connection_token] {
        let told = log.lines().find(|line| line.contains(secret));
        assert!(told.is_none(), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_write_much_into_the_log_and_nothing_that_a_terminal_obeys() {
    let program = Program::serve(&["--memory"]).await;
    let long = format!("\\u001b[31m\\r\\n\\u009b{}", "x".repeat(1 << 20));
    let says = [
        format!(r#"{{"type":7,"error":"{long}"}}"#),
        format!(r#"{{"type":"{long}"}}"#),
        format!(r#"{{"type":6,"x":"{long}","invocationId":{{"{long}":1}}}} {long}"#),
        format!(r#"{{"type":1,"target":"{long}","arguments":["{long}"]}}"#),
        format!(r#"{{"type":1,"target":"SendEventData","arguments":["{long}","{long}","{long}"]}}"#),
        long.clone(),
    ];
    for say in says {
        let mut raw = Raw::hub(program.address()).await;
        let _ = raw.say(&say).await;
        raw.finish().await;
    }
    for handshake in [
        format!(r#"{{"protocol":"{long}","version":1}}"#),
        format!(r#"{{"protocol":"json","version":"{long}"}}"#),
        format!(r#"{{"{long}":1}}"#),
        long.clone(),
    ] {
        let mut raw = Raw::websocket(program.address()).await;
        let _ = raw.say(&handshake).await;
        raw.finish().await;
    }
    for request in [
        format!("GET / HTTP/1.1\r\nhost: {}\u{9b}\r\n\r\n", "x".repeat(20_000)),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\norigin: {}\u{9b}\r\n\r\n", "x".repeat(20_000)),
    ] {
        exchange(program.address(), request.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes()).await;
    }
    settled(&program, 0).await;
    program.logs("another origin").await;
    let log = program.log();
    let longest = log.lines().max_by_key(|line| line.len()).unwrap();
    assert!(longest.len() < 1000, "{} bytes in one line: {:.300}", longest.len(), longest);
    assert!(!log.contains(['\u{1b}', '\u{9b}', '\r']), "{log:?}");
}

const SECRET: &str = "hunter2-Zm9yIHlvdXIgZXllcyBvbmx5";

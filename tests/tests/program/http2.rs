//! HTTP/2 at the public port: all that HTTP/1.1 has there, the same checks, and its end.

use std::time::{Duration, Instant};

use e2e::http2::Http2;
use e2e::program::Program;
use e2e::wait::within;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const EVENTS: (&str, &str) = ("accept", "text/event-stream");
const HANDSHAKE: &str = "{\"protocol\":\"json\",\"version\":1}\u{1e}";

/// As a client that knows that the server speaks HTTP/2.
async fn begin(program: &Program) -> Http2 {
    let tcp = TcpStream::connect(program.address()).await.unwrap();
    Http2::over(tcp, program.address()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_pages_the_api_and_every_transport_at_once() {
    let program = Program::serve(&["--memory"]).await;
    everything(begin(&program).await).await;
}

/// Asks for all there is; for TLS too.
pub async fn everything(mut http: Http2) {
    assert_eq!(http.told("GET /health/ready", "").await, (200, "ready\n".to_owned()));
    let (status, page) = http.told("GET /demo/", "").await;
    assert!(status == 200 && page.contains("<canvas"), "{page}");
    assert_eq!(http.told("PUT /topics/t", r#"{"partitions":1}"#).await.0, 200);
    assert_eq!(http.told("GET /nowhere", "").await.0, 404);

    let mut tail = http.ask("GET /topics/t/packages", &[], "").await;
    let mut websocket = http.hub("/hub").await;
    let token = negotiated(&mut http).await;
    let mut negotiated_websocket = http.hub(&format!("/hub?id={token}")).await;
    let events = format!("/hub?id={}", negotiated(&mut http).await);
    let mut stream = http.ask(&format!("GET {events}"), &[EVENTS], "").await;
    assert_eq!(http.told(&format!("POST {events}"), HANDSHAKE).await.0, 200);
    text_until(&mut stream, "data: {}\u{1e}").await;
    let polls = format!("/hub?id={}", negotiated(&mut http).await);
    assert_eq!(http.told(&format!("GET {polls}"), "").await, (200, String::new()));
    assert_eq!(http.told(&format!("POST {polls}"), HANDSHAKE).await.0, 200);
    assert_eq!(http.told(&format!("GET {polls}"), "").await, (200, "{}\u{1e}".to_owned()));

    let subscribe =
        "{\"type\":1,\"invocationId\":\"1\",\"target\":\"SubscribeToPackages\",\"arguments\":[\"t\"]}\u{1e}";
    for connection in [&events, &polls] {
        assert_eq!(http.told(&format!("POST {connection}"), subscribe).await.0, 200);
    }
    text_until(&mut stream, r#""type":3"#).await;
    assert!(http.told(&format!("GET {polls}"), "").await.1.contains(r#""type":3"#));
    assert_eq!(websocket.invoke("SubscribeToPackages", json!(["t"])).await["error"], Value::Null);
    let event = json!([{ "timestamp": 1, "id": "E", "value": "over HTTP/2" }]);
    let sent = negotiated_websocket.invoke("SendEventData", json!(["t", "s", event])).await;
    assert_eq!(sent["error"], Value::Null);

    let received = websocket.next().await;
    assert_eq!(received["target"], "PackageReceived");
    for text in [
        received.to_string(),
        text_until(&mut stream, "over HTTP/2").await,
        http.told(&format!("GET {polls}"), "").await.1,
        text_until(&mut tail, "over HTTP/2").await,
    ] {
        assert!(text.contains("over HTTP/2"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_hosts_and_foreign_pages_reach_nothing() {
    let program = Program::serve(&["--memory"]).await;
    let mut http = begin(&program).await;
    for authority in ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "localhost@evil.example"]
    {
        http.to(authority);
        refused(&mut http, &[], 421).await;
        // A good name beside it does not help.
        refused(&mut http, &[("host", "localhost")], 421).await;
    }
    http.to("localhost");
    refused(&mut http, &[("host", "evil.example")], 421).await;
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        refused(&mut http, &[("origin", origin)], 403).await;
    }
    for host in ["localhost", "ws.localhost:1", "[::1]:80"] {
        http.to(host);
        let answer = http.ask("GET /topics", &[("origin", "http://localhost:3000")], "").await;
        assert_eq!(answer.status(), 200, "{host}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "http://localhost:3000");
        assert_eq!(http.connect("/hub", &[("origin", "http://localhost:3000")]).await.status(), 200, "{host}");
    }
    assert_eq!(http.told("GET /topics", "").await.1, "[]", "nothing was made");
    program.logs("evil.example").await;
}

/// What a page might try is answered with this status, and nothing else.
async fn refused(http: &mut Http2, headers: &[(&str, &str)], status: u16) {
    for request in [
        "POST /hub/negotiate?negotiateVersion=1",
        "GET /hub",
        "PUT /topics/t",
        "POST /topics/t/packages",
        "GET /topics/t/packages",
        "GET /health/live",
    ] {
        let answer = http.ask(request, headers, "").await;
        assert_eq!(answer.status(), status, "{request} {headers:?}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
    assert_eq!(http.connect("/hub", headers).await.status(), status, "{headers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_goodbye_to_websockets_and_ends_the_rest() {
    let program = Program::serve(&["--memory"]).await;
    stop(program, begin).await;
}

/// A websocket hears its goodbye, a tail its last line, and connections end that have nothing to do; for TLS too.
pub async fn stop(program: Program, begin: impl AsyncFn(&Program) -> Http2) {
    let (mut http, mut idle) = (begin(&program).await, begin(&program).await);
    assert_eq!(idle.told("GET /topics", "").await.0, 200);
    assert_eq!(http.told("PUT /topics/t", "{}").await.0, 200);
    let mut websocket = http.hub("/hub").await;
    let mut tail = http.ask("GET /topics/t/packages", &[], "").await;
    program.terminate();
    let asked = Instant::now();
    text_until(&mut tail, "The server is stopping").await;
    let goodbye = websocket.next().await;
    assert_eq!((&goodbye["type"], &goodbye["allowReconnect"]), (&json!(7), &json!(true)), "{goodbye}");
    assert_eq!(websocket.closed().await, 1000);
    for http in [http, idle] {
        http.ended().await.expect("a polite end");
    }
    assert_eq!(program.wait().await, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "nobody is waited for: {:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_begins_it_and_asks_for_nothing_is_closed() {
    let program = Program::serve_with_settings("[limits]\nhead_timeout = \"300ms\"\n", &["--memory"]).await;
    let mut asked = begin(&program).await;
    assert_eq!(asked.told("GET /topics", "").await.0, 200);
    for begun in [
        &b"PRI * HTTP"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        let mut tcp = TcpStream::connect(program.address()).await.unwrap();
        let connected = Instant::now();
        tcp.write_all(begun).await.unwrap();
        let mut answer = Vec::new();
        let _ = within("it is closed", tcp.read_to_end(&mut answer)).await;
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"), "{answer:?}");
        // Pings without an answer would end it too, after 40 s.
        assert!(connected.elapsed() < Duration::from_secs(20), "{:?}", connected.elapsed());
    }
    // That one has been silent for longer, but has asked before.
    assert_eq!(asked.told("GET /topics", "").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_streams_ends_after_a_while() {
    let program = Program::serve_with_settings("[limits]\nkeep_alive = \"500ms\"\n", &["--memory"]).await;
    let (mut with_websocket, mut with_tail) = (begin(&program).await, begin(&program).await);
    assert_eq!(with_tail.told("PUT /topics/t", "{}").await.0, 200);
    let mut websocket = with_websocket.hub("/hub").await;
    let mut tail = with_tail.ask("GET /topics/t/packages", &[], "").await;
    let mut idle = begin(&program).await;
    assert_eq!(idle.told("GET /topics", "").await.0, 200);
    idle.ended().await.expect("a polite end");

    let event = json!([{ "timestamp": 1, "id": "E", "value": "after that" }]);
    assert_eq!(websocket.invoke("SendEventData", json!(["t", "s", event])).await["error"], Value::Null);
    text_until(&mut tail, "after that").await;
    drop((websocket, tail));
    for http in [with_websocket, with_tail] {
        http.ended().await.expect("a polite end");
    }
}

async fn negotiated(http: &mut Http2) -> String {
    let (status, document) = http.told("POST /hub/negotiate?negotiateVersion=1", "").await;
    assert_eq!(status, 200, "{document}");
    serde_json::from_str::<Value>(&document).unwrap()["connectionToken"].as_str().unwrap().to_owned()
}

/// Reads on in a body until this has come.
async fn text_until(answer: &mut Response<Incoming>, expected: &str) -> String {
    let mut text = String::new();
    while !text.contains(expected) {
        let frame = within("more of the body", answer.frame()).await.unwrap_or_else(|| panic!("no {expected}: {text}"));
        text += &String::from_utf8_lossy(frame.unwrap().data_ref().expect("data"));
    }
    text
}

//! Pages of other sites, and names that lead here though they are not ours.

use e2e::program::Program;

use crate::process::settled;
use crate::raw::{exchange, status, upgrade};

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_host_reaches_nothing() {
    let program = Program::serve(&["--memory"]).await;
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "192.168.0.1",
        "[::2]",
        "",
        "localhost@evil",
        "evil/localhost",
        "localhost:80:80",
        "\u{e9}vil",
    ] {
        for request in requests(host, "") {
            let answer = exchange(program.address(), request.as_bytes()).await;
            assert!([421, 400].contains(&status(&answer)), "{host}: {request} {answer}");
        }
    }
    let topics = format!("GET /topics HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", program.address());
    assert!(exchange(program.address(), topics.as_bytes()).await.ends_with("[]"), "nothing was made");
    settled(&program, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_reaches_nothing() {
    let program = Program::serve(&["--memory"]).await;
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "localhost",
        "file://",
        "http://evil.example/localhost",
        "http://localhost@evil.example",
        "http://\u{e9}vil",
        "",
    ] {
        for request in requests(program.address(), &format!("origin: {origin}\r\n")) {
            let answer = exchange(program.address(), request.as_bytes()).await;
            assert_eq!(status(&answer), 403, "{origin}: {request} {answer}");
            assert!(!answer.to_lowercase().contains("access-control-allow"), "{origin}: {answer}");
        }
    }
    settled(&program, 0).await;
}

/// What a page might try: to negotiate, to open a websocket, to write, to read, to make a topic.
fn requests(host: &str, more: &str) -> [String; 5] {
    let close = format!("host: {host}\r\nconnection: close\r\n{more}");
    let websocket = upgrade(host, "/hub", more).replace("connection: Upgrade", "connection: Upgrade, close");
    let line = r#"{"streamId":"s","id":"E","timestamp":1}"#;
    [
        format!("POST /hub/negotiate?negotiateVersion=1 HTTP/1.1\r\ncontent-length: 0\r\n{close}\r\n"),
        websocket,
        format!("POST /topics/t/packages HTTP/1.1\r\ncontent-length: {}\r\n{close}\r\n{line}", line.len()),
        format!("GET /topics/t/packages HTTP/1.1\r\n{close}\r\n"),
        format!("PUT /topics/t HTTP/1.1\r\ncontent-length: 0\r\n{close}\r\n"),
    ]
}

//! Limits per address: one machine's connections do not take the room of the others.

use std::any::Any;

use e2e::http2::Http2;
use e2e::program::Program;
use e2e::wait::{until, within};
use futures::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::bearer::{guarded, token};
use crate::support::metric;

const HERE: &str = "127.0.0.1";
/// Another address of this machine's.
pub const ELSEWHERE: &str = "127.0.0.2";

const PLAIN: &str = "";
pub const WEBSOCKET: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_its_connections_and_no_more() {
    let program = Program::serve_with_settings("[limits]\nconnections_per_address = 4\n", &["--memory"]).await;
    let hits = "streamgate_limit_hits_total{limit=\"connections_per_address\"}";
    // A place is one, whatever its connection carries, but for hub connections, of which there are as many.
    let mut tail = connect(&program, ELSEWHERE).await;
    assert_eq!(status(&ask(&mut tail, "PUT /topics/t", PLAIN).await), 200);
    assert_eq!(status(&ask(&mut tail, "GET /topics/t/packages", PLAIN).await), 200);
    let mut http2 = Http2::over(connect(&program, ELSEWHERE).await, "localhost").await;
    let websockets = http2.hub("/hub").await;
    let websocket = async || {
        let mut tcp = connect(&program, ELSEWHERE).await;
        (status(&ask(&mut tcp, "GET /hub", WEBSOCKET).await) == 101).then_some(tcp)
    };
    let first: Box<dyn Any> = Box::new(websocket().await.unwrap());
    let held: [Box<dyn Any>; 4] =
        [Box::new(tail), Box::new((http2, websockets)), first, Box::new(websocket().await.unwrap())];
    assert_eq!(metric(&program.management(), hits).await, 0.0);

    let mut refused = connect(&program, ELSEWHERE).await;
    let answer = ask(&mut refused, "GET /topics", PLAIN).await;
    assert_eq!(status(&answer), 429, "{answer}");
    for expected in ["retry-after: 5", "connection: close", "application/problem+json"] {
        assert!(answer.contains(expected), "{answer}");
    }
    let mut rest = Vec::new();
    within("its end", refused.read_to_end(&mut rest)).await.unwrap();
    let mut refused = Http2::over(connect(&program, ELSEWHERE).await, "localhost").await;
    assert_eq!(refused.told("GET /topics", "").await.0, 429);
    refused.ended().await.expect("a polite end");
    assert_eq!(metric(&program.management(), hits).await, 2.0);
    assert_eq!(status(&ask(&mut connect(&program, HERE).await, "GET /topics", PLAIN).await), 200, "others are served");
    program.logs("limits.connections_per_address").await;

    let mut again = Vec::new();
    for held in held {
        drop(held);
        until("its place is free", async || {
            let granted = websocket().await;
            let is_granted = granted.is_some();
            again.extend(granted);
            is_granted
        })
        .await;
        assert!(websocket().await.is_none(), "one place for one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_comes_too_fast_is_refused_and_then_unread() {
    let program = Program::serve_with_settings("[limits]\nnew_connections_per_address = 5\n", &["--memory"]).await;
    let hits = "streamgate_limit_hits_total{limit=\"new_connections_per_address\"}";
    let flood = (0..200).map(|_| async {
        let mut tcp = connect(&program, ELSEWHERE).await;
        status(&ask(&mut tcp, "GET /topics", PLAIN).await)
    });
    let answers = join_all(flood).await;
    let count = |expected: u16| answers.iter().filter(|status| **status == expected).count();
    let (served, refused, unread) = (count(200), count(429), count(0));
    assert_eq!(served + refused + unread, 200, "{answers:?}");
    assert!(served >= 10 && refused >= 10 && unread >= 10, "{served} {refused} {unread}");
    assert_eq!(metric(&program.management(), hits).await, (refused + unread) as f64);
    assert_eq!(status(&ask(&mut connect(&program, HERE).await, "GET /topics", PLAIN).await), 200, "others are served");
    until("it is served again", async || {
        status(&ask(&mut connect(&program, ELSEWHERE).await, "GET /topics", PLAIN).await) == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_ask_for_nothing_the_one_that_came_first_goes() {
    let program = Program::serve_with_settings("[limits]\nunauthenticated_per_address = 2\n", &["--memory"]).await;
    let hits = "streamgate_limit_hits_total{limit=\"unauthenticated_per_address\"}";
    let mut known = connect(&program, ELSEWHERE).await;
    assert_eq!(status(&ask(&mut known, "GET /topics", PLAIN).await), 200);
    let mut silent = connect(&program, ELSEWHERE).await;
    let mut refused = connect(&program, ELSEWHERE).await;
    assert_eq!(status(&ask(&mut refused, "GET /topics", "host: evil.example\r\n").await), 421, "that is not let in");
    assert_eq!(metric(&program.management(), hits).await, 0.0);
    let mut third = connect(&program, ELSEWHERE).await;
    assert_eq!(within("its end", silent.read(&mut [0; 1])).await.unwrap_or(0), 0);
    assert_eq!(metric(&program.management(), hits).await, 1.0);
    for tcp in [&mut known, &mut refused, &mut third] {
        let answer = ask(tcp, "GET /topics", PLAIN).await; // behind the body of the one before
        assert!(answer.contains("HTTP/1.1 200 "), "they stay: {answer}");
    }
}

pub async fn connect(program: &Program, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(program.address().parse().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn hub_connections_of_an_address_are_counted_whatever_carries_them() {
    let limits = "[limits]\nconnections_per_address = 3\nnegotiated_per_address = 2\n";
    let program = Program::serve_with_settings(limits, &["--memory"]).await;
    let mut http = Http2::over(connect(&program, ELSEWHERE).await, "localhost").await;
    const NEGOTIATE: &str = "POST /hub/negotiate?negotiateVersion=1";
    let id = async |http: &mut Http2| {
        let (status, document) = http.told(NEGOTIATE, "").await;
        assert_eq!(status, 200, "{document}");
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        format!("/hub?id={}", document["connectionToken"].as_str().unwrap())
    };
    let websocket = http.hub("/hub").await;
    let events = id(&mut http).await;
    let _stream = http.ask(&format!("GET {events}"), &[("accept", "text/event-stream")], "").await;
    let polls = id(&mut http).await;
    assert_eq!(http.told(&format!("GET {polls}"), "").await.0, 200);

    let one_more = id(&mut http).await;
    let refused = http.ask(&format!("GET {one_more}"), &[], "").await;
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (429, &"5".parse().unwrap()));
    assert_eq!(http.connect("/hub", &[]).await.status(), 429);
    let hits = async |limit: &str| {
        metric(&program.management(), &format!("streamgate_limit_hits_total{{limit=\"{limit}\"}}")).await
    };
    assert_eq!(hits("connections_per_address").await, 2.0);
    let mut other = Http2::over(connect(&program, HERE).await, "localhost").await;
    let _others = other.hub("/hub").await;
    drop(websocket);
    until("there is room", async || http.told(&format!("GET {one_more}"), "").await.0 == 200).await;

    for expected in [200, 200, 429, 429] {
        assert_eq!(http.told(NEGOTIATE, "").await.0, expected, "those in use do not count");
    }
    assert_eq!(hits("negotiated_per_address").await, 2.0);
    assert_eq!(other.told(NEGOTIATE, "").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_anybody_may_ask_makes_nobody_known() {
    let program = guarded("[limits]\nunauthenticated_per_address = 2").await;
    let token = format!("authorization: Bearer {}\r\n", token("ann", "read:*"));
    let mut known = connect(&program, ELSEWHERE).await;
    assert_eq!(status(&ask(&mut known, "GET /topics", &token).await), 200);
    let mut looks = connect(&program, ELSEWHERE).await;
    assert_eq!(status(&ask(&mut looks, "GET /health/live", PLAIN).await), 200);
    let mut guesses = connect(&program, ELSEWHERE).await;
    assert_eq!(status(&ask(&mut guesses, "GET /topics", "authorization: Bearer x\r\n").await), 401);
    let _third = connect(&program, ELSEWHERE).await;
    let mut rest = Vec::new();
    // What of the answer was not read yet comes before the end.
    let _ = within("its end", looks.read_to_end(&mut rest)).await;
    let answer = ask(&mut known, "GET /topics", &token).await; // behind the body of the one before
    assert!(answer.contains("HTTP/1.1 200 "), "who is known stays: {answer}");
}

/// What is answered up to the end of its head, or of the connection.
pub async fn ask(tcp: &mut TcpStream, request: &str, headers: &str) -> String {
    let length = if request.starts_with("PUT") { "content-length: 0\r\n" } else { "" };
    // It may be closed already.
    let _ = tcp.write_all(format!("{request} HTTP/1.1\r\nhost: localhost\r\n{length}{headers}\r\n").as_bytes()).await;
    let mut answer = Vec::new();
    within("an answer", async {
        while !answer.windows(4).any(|end| end == b"\r\n\r\n") && tcp.read_buf(&mut answer).await.unwrap_or(0) > 0 {}
    })
    .await;
    String::from_utf8(answer).unwrap()
}

/// 0: none.
pub fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").map_or(0, |rest| rest[..3].parse().unwrap())
}

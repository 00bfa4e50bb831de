//! Requests: heads that never end, that are too large, that mean two things; and the connections that carry them.

use e2e::program::Program;
use e2e::wait::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::process::{MIB, memory, settled};
use crate::raw::{Raw, exchange, status};
use crate::witness::Witness;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_finish_a_head_in_time_is_closed() {
    let program = Program::serve_with_settings("[limits]\nhead_timeout = \"300ms\"\n", &["--memory"]).await;
    let witness = Witness::start(&program.url).await;
    let whole = format!("GET /topics HTTP/1.1\r\nhost: {}\r\n\r\n", program.address());
    let mut closed = Vec::new();
    for connection in 0..60 {
        let raw = Raw::connect(program.address()).await;
        closed.push(match connection % 3 {
            // Says nothing, ever.
            0 => tokio::spawn(async { drop(raw.read_to_end().await) }),
            1 => tokio::spawn(dribble(raw)),
            // Has been answered, and says nothing more.
            _ => {
                let mut raw = raw;
                raw.send(whole.as_bytes()).await.unwrap();
                tokio::spawn(async { drop(raw.read_to_end().await) })
            }
        });
    }
    for closed in closed {
        within("it is closed", closed).await.unwrap();
    }
    settled(&program, 2).await;
    witness.finish().await;
}

/// A byte now and then, for as long as anybody listens.
async fn dribble(mut raw: Raw) {
    let (mut reading, mut writing) = raw.stream.split();
    let dribble = async {
        let mut head = b"GET /topics HTTP/1.1\r\nx: ".iter().copied().chain(std::iter::repeat(b'y'));
        for byte in head.by_ref() {
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let closed = async {
        let mut answer = Vec::new();
        let _ = reading.read_to_end(&mut answer).await;
    };
    tokio::select! { () = dribble => {}, () = closed => {} }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_that_are_too_large_or_mean_two_things_are_refused() {
    let program = Program::serve(&["--memory"]).await;
    let address = program.address().to_owned();
    let before = memory(&program);
    let many: String = (0..101).map(|number| format!("x-{number}: 1\r\n")).collect();
    let endless: String = (0..20_000).map(|number| format!("x-{number}: {number}\r\n")).collect();
    let post =
        |lines: &str, body: &str| format!("POST /topics/t/packages HTTP/1.1\r\nhost: {address}\r\n{lines}\r\n{body}");
    let get = |target: &str, lines: &str| format!("GET {target} HTTP/1.1\r\nhost: {address}\r\n{lines}\r\n");
    // A second request in what one of two readings takes for a body.
    let hidden = format!("0\r\n\r\n{}", get("/topics", ""));
    for (name, request, expected) in [
        ("a long target", get(&format!("/{}", "x".repeat(100_000)), ""), &[414, 431][..]),
        ("a long query", get(&format!("/hub?id={}", "x".repeat(1 << 20)), ""), &[414, 431]),
        ("a long header", get("/", &format!("x: {}\r\n", "y".repeat(100_000))), &[431]),
        ("many headers", get("/", &many), &[431]),
        ("headers without end", get("/", &endless), &[431]),
        (
            "both lengths",
            post(&format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", hidden.len()), &hidden),
            &[200, 400],
        ),
        (
            "both the other way",
            post(&format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", hidden.len()), &hidden),
            &[200, 400],
        ),
        ("two lengths", post("content-length: 1\r\ncontent-length: 2\r\n", "{}"), &[400]),
        ("a signed length", post("content-length: +2\r\n", "{}"), &[400]),
        ("a negative length", post("content-length: -1\r\n", ""), &[400]),
        ("a length of 2^64", post("content-length: 18446744073709551616\r\n", ""), &[400]),
        ("chunked, and then not", post("transfer-encoding: chunked, identity\r\n", &hidden), &[400]),
        ("nearly chunked", post("transfer-encoding: xchunked\r\n", &hidden), &[400]),
        ("a space before the colon", post("content-length : 2\r\n", "{}"), &[400]),
        ("a folded header", get("/", "x: 1\r\n 2\r\n"), &[400]),
        ("a NUL in a header", get("/", "x: \0\r\n"), &[400]),
        ("a target with a space", get("/ x", ""), &[400]),
        ("HTTP/2, and then nothing", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[0]),
        ("a TLS hello", "\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03".to_owned(), &[400]),
        ("a chunk of 2^68", post("transfer-encoding: chunked\r\n", "10000000000000000\r\nx"), &[400]),
        ("no number of bytes", post("transfer-encoding: chunked\r\n", "zz\r\nx"), &[400]),
        ("a chunk that goes on", post("transfer-encoding: chunked\r\n", "1\r\n{}\r\n0\r\n\r\n"), &[400]),
        (
            "long extensions",
            post("transfer-encoding: chunked\r\n", &format!("1;{}\r\n{{", "x".repeat(1 << 20))),
            &[400],
        ),
        ("endless trailers", post("transfer-encoding: chunked\r\n", &format!("0\r\n{endless}")), &[400]),
    ] {
        let answer = exchange(&address, request.as_bytes()).await;
        assert!(expected.contains(&status(&answer)), "{name}: {answer}");
        // Nothing behind it was taken for a request.
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{name}: {answer}");
    }
    settled(&program, 0).await;
    let grown = memory(&program).saturating_sub(before);
    assert!(grown < 16 * MIB, "{} KiB more", grown / 1024);
    assert_eq!(
        reqwest::get(format!("{}/topics/t/packages?until_end=true", program.url)).await.unwrap().text().await.unwrap(),
        ""
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_nobody_asked_for_is_not_read_for_ever() {
    let program = Program::serve(&["--memory"]).await;
    let before = memory(&program);
    for target in ["/hub/negotiate?negotiateVersion=1", "/hub", "/nowhere", "/topics"] {
        let mut raw = Raw::connect(program.address()).await;
        let head =
            format!("POST {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: 1000000000000\r\n\r\n", program.address());
        raw.send(head.as_bytes()).await.unwrap();
        let (mut reading, mut writing) = raw.stream.into_split();
        let body = tokio::spawn(async move {
            let piece = vec![b'x'; 64 * 1024];
            while writing.write_all(&piece).await.is_ok() {}
        });
        let mut answer = Vec::new();
        let _ = within("the answer's end", reading.read_to_end(&mut answer)).await;
        within("the server takes no more", body).await.unwrap();
    }
    assert!(memory(&program).saturating_sub(before) < 16 * MIB);
}

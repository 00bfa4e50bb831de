//! Bodies that do not end, that are too large, or that nobody may hold.

use e2e::program::Program;
use e2e::wait::until;
use futures::{StreamExt, stream};

use crate::process::{MIB, limit_hits, memory, settled};
use crate::raw::{Raw, exchange, status};

fn head(address: &str, more: &str) -> String {
    format!("POST /topics/t/packages HTTP/1.1\r\nhost: {address}\r\n{more}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_end_are_bounded_all_together() {
    let settings = "[limits]\ninput_total = \"16MiB\"\n";
    let program = Program::serve_with_settings(settings, &["--memory"]).await;
    let before = memory(&program);
    let length = 4 << 20;
    let begun = stream::iter(0..50).map(|_| async {
        let mut raw = Raw::connect(program.address()).await;
        let head = head(program.address(), &format!("content-length: {length}\r\n"));
        let _ = raw.send(head.as_bytes()).await;
        let _ = raw.send(&vec![b' '; length - 1]).await;
        raw
    });
    let unfinished: Vec<Raw> = begun.buffer_unordered(8).collect().await;
    until("some are refused", async || limit_hits(&program.management(), "input_total").await > 0.0).await;
    let grown = memory(&program).saturating_sub(before);
    println!("50 bodies of 4 MiB but a byte: {} MiB", grown / MIB);
    assert!(grown < 64 * MIB, "{} MiB more", grown / MIB);
    // Others are served all the same.
    let line = r#"{"streamId":"s","id":"E","timestamp":1}"#;
    let answer = exchange(
        program.address(),
        format!(
            "{}{line}",
            head(program.address(), &format!("connection: close\r\ncontent-length: {}\r\n", line.len()))
        )
        .as_bytes(),
    )
    .await;
    assert_eq!(status(&answer), 200, "{answer}");
    drop(unfinished);
    settled(&program, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_coming_is_told_so_and_closed() {
    let settings = "[limits]\nbody_timeout = \"300ms\"\n";
    let program = Program::serve_with_settings(settings, &["--memory"]).await;
    for (more, begin) in [
        ("content-length: 100\r\n", ""),
        ("content-length: 100\r\n", "{"),
        ("transfer-encoding: chunked\r\n", "ff\r\n{"),
        ("expect: 100-continue\r\ncontent-length: 100\r\n", ""),
    ] {
        let request = format!("{}{begin}", head(program.address(), more));
        let answer = exchange(program.address(), request.as_bytes()).await;
        assert!(answer.contains("HTTP/1.1 408 ") && answer.contains("NotWritten"), "{more}: {answer}");
    }
    // Gone in the middle of it, politely and not.
    for polite in [true, false] {
        let mut raw = Raw::connect(program.address()).await;
        raw.send(format!("{}{{", head(program.address(), "content-length: 100\r\n")).as_bytes()).await.unwrap();
        if polite { drop(raw.finish().await) } else { raw.reset() }
    }
    settled(&program, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let program = Program::serve_with_settings("[limits]\nbody_size = \"64KiB\"\n", &["--memory"]).await;
    let address = program.address();
    let chunks = format!("400\r\n{}\r\n", " ".repeat(1024)).repeat(1000);
    for (more, body) in [
        ("content-length: 65537\r\n", String::new()),
        ("content-length: 18446744073709551614\r\n", String::new()),
        ("expect: 100-continue\r\ncontent-length: 65537\r\n", String::new()),
        ("transfer-encoding: chunked\r\n", chunks),
    ] {
        let mut raw = Raw::connect(address).await;
        raw.send(head(address, more).as_bytes()).await.unwrap();
        // It may stop reading at any time.
        let _ = raw.stream.try_write(body.as_bytes());
        let answer = raw.read_past(b"\r\n\r\n").await;
        assert!([413, 431].contains(&status(&answer)), "{more}: {answer}");
    }
    settled(&program, 0).await;
}

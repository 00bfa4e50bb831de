//! Clients who never read what they are sent, be it answers, pongs or packages.

use std::io::ErrorKind;

use e2e::client::HubClient;
use e2e::program::Program;
use e2e::wait::until;
use tokio::io::AsyncWriteExt;

use crate::process::{MIB, descriptors, limit_hits, memory, settled, total};
use crate::raw::{Raw, TEXT, frame};
use crate::witness::{Witness, event};

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_is_ended_and_costs_no_more_than_its_queue() {
    let settings = "[limits]\noutput_queue_bytes = \"1MiB\"\nwrite_stall = \"500ms\"\noutput_queue_age = \"500ms\"\n";
    let program = Program::serve_with_settings(settings, &["--memory"]).await;
    let witness = Witness::start(&program.url).await;
    let before = memory(&program);
    let long = "x".repeat(10_000);
    for (name, said) in [
        (
            "refusals",
            format!("{{\"type\":1,\"invocationId\":\"{long}\",\"target\":\"NoSuchMethod\",\"arguments\":[]}}\x1e"),
        ),
        (
            "answers",
            format!(
                "{{\"type\":1,\"invocationId\":\"{long}\",\"target\":\"SendEventData\",\"arguments\":[\"t\",\"s\",[]]}}\x1e"
            ),
        ),
        (
            "short refusals",
            "{\"type\":1,\"invocationId\":\"1\",\"target\":\"NoSuchMethod\",\"arguments\":[]}\x1e".repeat(200),
        ),
    ] {
        let raw = Raw::hub(program.address()).await;
        let sent = speak_without_reading(raw, &frame(TEXT, said.as_bytes())).await;
        println!(
            "{name}: ended after {} KiB, {} KiB of memory more",
            sent / 1024,
            memory(&program).saturating_sub(before) / 1024
        );
        settled(&program, 2).await;
    }
    let ended = limit_hits(&program.management(), "output_queue").await
        + limit_hits(&program.management(), "write_stall").await;
    // On a busy machine the system may give one of them up before we do (`TCP_USER_TIMEOUT`).
    assert!(ended >= 1.0, "{ended}");
    assert_eq!(total(&program.management(), "streamgate_output_queued_bytes").await, 0.0);
    witness.finish().await;
    let grown = memory(&program).saturating_sub(before);
    assert!(grown < 48 * MIB, "{} KiB more", grown / 1024);
}

/// Says the same again and again until the server has had enough; how many bytes it took.
async fn speak_without_reading(mut raw: Raw, bytes: &[u8]) -> usize {
    let mut sent = 0;
    loop {
        match raw.stream.write_all(bytes).await {
            Ok(()) => sent += bytes.len(),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
                return sent;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_who_never_read_end_and_the_writer_does_not_notice() {
    let settings = "[limits]\noutput_queue_bytes = \"1MiB\"\nwrite_stall = \"1s\"\noutput_queue_age = \"1s\"\n";
    let program = Program::serve_with_settings(settings, &["--memory"]).await;
    let witness = Witness::start(&program.url).await;
    let mut subscribers = Vec::new();
    for _ in 0..20 {
        let mut raw = Raw::hub(program.address()).await;
        raw.say(r#"{"type":1,"invocationId":"1","target":"SubscribeToPackages","arguments":["heavy"]}"#).await.unwrap();
        raw.read_past(br#""result":null}"#).await;
        subscribers.push(raw);
    }
    let before = memory(&program);
    let writer = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let long = serde_json::json!([{ "timestamp": 1, "id": "E", "value": "x".repeat(100_000) }]);
    for _ in 0..200 {
        writer.invoke("SendEventData", &("heavy", "s", &long)).await.unwrap();
    }
    until("all are ended", async || total(&program.management(), "streamgate_subscriptions").await == 1.0).await;
    // Records are kept for whoever reads from the beginning; queues hold references to frames of them.
    let grown = memory(&program).saturating_sub(before);
    println!("20 subscribers who do not read, 20 MB each: {} MiB more", grown / MIB);
    assert!(grown < 120 * MIB, "{} MiB more", grown / MIB);
    for raw in subscribers {
        let sent = String::from_utf8_lossy(&raw.finish().await).into_owned();
        assert!(!sent.is_empty());
    }
    writer.invoke("SendEventData", &("heavy", "s", [event(1)])).await.unwrap();
    writer.close().await;
    settled(&program, 2).await;
    println!("the witness: {}", witness.finish().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_nobody_reads_is_ended() {
    let settings = "[limits]\nwrite_stall = \"1s\"\n";
    let program = Program::serve_with_settings(settings, &["--memory"]).await;
    let writer = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let long = serde_json::json!([{ "timestamp": 1, "id": "E", "value": "x".repeat(1_000_000) }]);
    for _ in 0..20 {
        writer.invoke("SendEventData", &("tail", "s", &long)).await.unwrap();
    }
    writer.close().await;
    settled(&program, 0).await;
    let (before, open) = (memory(&program), descriptors(&program));
    let mut tails = Vec::new();
    for _ in 0..10 {
        let mut raw = Raw::connect(program.address()).await;
        let head = format!("GET /topics/tail/packages?from=earliest HTTP/1.1\r\nhost: {}\r\n\r\n", program.address());
        raw.send(head.as_bytes()).await.unwrap();
        raw.read_past(b"\r\n\r\n").await;
        tails.push(raw);
    }
    assert!(descriptors(&program) > open, "they are open");
    until("it gives them up", async || descriptors(&program) <= open).await;
    println!("10 tails nobody reads: {} MiB more", memory(&program).saturating_sub(before) / MIB);
}

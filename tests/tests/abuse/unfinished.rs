//! Messages that never end: bounded all together, and no reason for others to be ended.

use e2e::program::Program;
use e2e::wait::until;

use crate::process::{MIB, limit_hits, memory, settled};
use crate::raw::{Raw, frame};
use crate::witness::Witness;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_unfinished_messages_does_not_keep_others_from_sending() {
    let program = Program::serve_with_settings("[limits]\ninput_total = \"16MiB\"\n", &["--memory"]).await;
    let witness = Witness::start(&program.url).await;
    let before = memory(&program);
    let half = "x".repeat(1 << 20);
    let mut hostile = Vec::new();
    for _ in 0..60 {
        let mut raw = Raw::hub(program.address()).await;
        let _ = raw.send(&frame(0x01, format!("{{\"type\":6,\"x\":\"{half}").as_bytes())).await;
        hostile.push(raw);
    }
    until("there are too many", async || limit_hits(&program.management(), "input_total").await > 10.0).await;
    let grown = memory(&program).saturating_sub(before);
    println!("60 messages of 1 MiB that do not end: {} MiB", grown / MIB);
    assert!(grown < 64 * MIB, "{} MiB more", grown / MIB);

    // An honest one, in two pieces with a pause between them.
    let mut honest = Raw::hub(program.address()).await;
    let call = format!(
        "{{\"type\":1,\"invocationId\":\"1\",\"target\":\"SendEventData\",\"arguments\":[\"t\",\"s\",{{\"timestamp\":1,\"id\":\"E\",\"value\":\"{half}\"}}]}}\x1e"
    );
    let (begin, end) = call.as_bytes().split_at(500_000);
    honest.send(&frame(0x01, begin)).await.unwrap();
    honest.send(&frame(0x89, b"arrived")).await.unwrap();
    honest.read_past(b"arrived").await;
    let _ = honest.send(&frame(0x80, end)).await;
    let answer = honest.read_past(b"\x1e").await;
    assert!(answer.contains(r#"{"type":3,"invocationId":"1","result":null}"#), "{answer}");
    drop((honest, hostile));
    settled(&program, 2).await;
    witness.finish().await;
}

//! What slow and hostile clients cost an honest pair: some time, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use e2e::client::HubClient;
use e2e::program::Program;

use crate::process::{limit_hits, settled};
use crate::random::Random;
use crate::raw::{Raw, TEXT, frame};
use crate::witness::Witness;

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_pair_loses_nothing_to_ten_slow_and_ten_hostile_clients() {
    let program = Arc::new(Program::serve(&["--memory"]).await);
    let alone = Witness::start(&program.url).await;
    tokio::time::sleep(WHILE).await;
    println!("alone: {}", alone.finish().await);

    let stop = Arc::<AtomicBool>::default();
    let mut others = Vec::new();
    for number in 0..10 {
        others.push(tokio::spawn(read_slowly(program.clone(), stop.clone())));
        // On a thread of its own: what costs an attacker time is no news.
        let hostile = be_hostile(program.clone(), stop.clone(), number);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        others.push(tokio::task::spawn_blocking(move || runtime.block_on(hostile)));
    }
    let writer = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let among_others = Witness::start(&program.url).await;
    let long = serde_json::json!([{ "timestamp": 1, "id": "E", "value": "x".repeat(20_000) }]);
    let begun = std::time::Instant::now();
    while begun.elapsed() < WHILE {
        writer.invoke("SendEventData", &("slow", "s", &long)).await.unwrap();
    }
    let latencies = among_others.finish().await;
    println!("among others: {latencies}");
    stop.store(true, Ordering::Relaxed);
    for other in others {
        other.await.unwrap();
    }
    writer.close().await;
    settled(&program, 0).await;
    println!("cut off as too slow: {}", limit_hits(&program.management(), "output_queue").await);
}

/// Follows a busy topic and reads one byte now and then.
async fn read_slowly(program: Arc<Program>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let mut raw = Raw::hub(program.address()).await;
        raw.say(r#"{"type":1,"target":"SubscribeToPackages","arguments":["slow"]}"#).await.unwrap();
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if raw.stream.try_read(&mut [0]).is_ok_and(|count| count == 0) {
                break;
            }
        }
    }
}

/// Calls what is not there as fast as it can, in turn with noise.
async fn be_hostile(program: Arc<Program>, stop: Arc<AtomicBool>, seed: u64) {
    let mut random = Random::new(seed);
    let refused = "{\"type\":1,\"invocationId\":\"1\",\"target\":\"NoSuchMethod\",\"arguments\":[]}\x1e".repeat(500);
    let (flood, mut round) = (frame(TEXT, refused.as_bytes()), 0);
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        let mut raw = Raw::hub(program.address()).await;
        let (mut reading, mut writing) = raw.stream.split();
        let mut nowhere = tokio::io::sink();
        let read = tokio::io::copy(&mut reading, &mut nowhere);
        let noise =
            if (round + seed).is_multiple_of(2) { frame(TEXT, &random.bytes(2000)) } else { random.bytes(2000) };
        let write = async {
            for _ in 0..50 {
                if stop.load(Ordering::Relaxed)
                    || tokio::io::AsyncWriteExt::write_all(&mut writing, &flood).await.is_err()
                {
                    return;
                }
            }
            let _ = tokio::io::AsyncWriteExt::write_all(&mut writing, &noise).await;
        };
        tokio::select! { _ = read => {}, () = write => {} }
    }
}

/// How long each part is watched.
const WHILE: Duration = Duration::from_secs(3);

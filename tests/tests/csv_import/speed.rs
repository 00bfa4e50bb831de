//! How fast rows go, beside a plain producer that writes the same bytes, and how much memory that takes.

use std::time::Instant;

use e2e::program::Program;
use e2e::wait::until;
use kafka_bridge::broker::{Broker, Health};
use kafka_bridge::kafka::{KafkaBroker, KafkaSettings};
use kafka_bridge::metrics::Metrics;
use kafka_bridge::record::NewRecord;

use crate::files::{Numbered, many, packages};

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_take_little_memory_and_the_rate_is_told() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    let file = Numbered::new(many());
    let begun = Instant::now();
    let mut import = file.start("rows", &["--url", &program.url]);
    let mut most_kib = 0;
    while tokio::time::timeout(std::time::Duration::from_millis(20), import.ended()).await.is_err() {
        most_kib = most_kib.max(high_water_kib(import.pid()));
    }
    let (code, said) = import.wait().await;
    assert_eq!((code, said), (Some(0), format!("{} rows acknowledged\n", file.rows)));
    let imported = begun.elapsed();
    file.assert_complete(&program.url, "rows").await;
    assert!(most_kib < MOST_KIB, "{most_kib} KiB for {} rows", file.rows);

    let values: Vec<_> =
        packages(&program.url, "rows").await.iter().map(|package| package["value"].to_string()).collect();
    let settings = KafkaSettings { brokers: program.kafka(), ..KafkaSettings::default() };
    let kafka = KafkaBroker::connect(settings, Metrics::default()).expect("the settings are right");
    until("the listener is reached", async || kafka.health() == Health::Reachable).await;
    kafka.create_topic("plain", Some(1)).await.expect("a new topic");
    let begun = Instant::now();
    for values in values.chunks(16) {
        let record = |value| NewRecord { key: Some(b"s"), value, headers: &[] };
        let acks: Vec<_> =
            values.iter().map(|value| kafka.append("plain", record(value.as_bytes())).expect("taken")).collect();
        for ack in acks {
            ack.await.expect("durable");
        }
    }
    let plain = begun.elapsed();
    let rate = |time: std::time::Duration| (file.rows as f64 / time.as_secs_f64()) as u64;
    eprintln!(
        "{} rows: imported {} rows/s, the same bytes by a plain producer {} rows/s; the importer took {most_kib} KiB",
        file.rows,
        rate(imported),
        rate(plain)
    );
}

/// Most memory that a process has had.
fn high_water_kib(pid: Option<u32>) -> u64 {
    let status = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok()).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// However many rows there are.
const MOST_KIB: u64 = 96 * 1024;

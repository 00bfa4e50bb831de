//! Streams and parameters without end through one topic, with everybody watching: memory stays where it is.
//!
//! `STREAMGATE_TEST_IDS` says how many ids of each; 20,000 unless set, a million in `make test-long`.
#![allow(clippy::unwrap_used)]

use e2e::client::{HubClient, PendingCall};
use e2e::program::Program;
use e2e::wait::within;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn ids_without_end_leave_memory_where_it_is() {
    let ids: u64 = std::env::var("STREAMGATE_TEST_IDS").map_or(20_000, |ids| ids.parse().expect("a number"));
    // A small bound of the streams that are kept, so that it is met soon.
    let program = Program::serve_with_settings("[limits]\ntracked_streams_per_topic = 1000\n", &[]).await;
    let hub = format!("{}/hub", program.url);
    let writer = HubClient::connect(&hub).await.unwrap();
    let watchers = watch(&hub).await;

    let mut resident = Vec::new();
    for tenth in 0..10 {
        for numbers in (tenth * ids / 10..(tenth + 1) * ids / 10).collect::<Vec<_>>().chunks(500) {
            let calls: Vec<PendingCall> = numbers.iter().map(|number| send(&writer, *number)).collect();
            for call in calls {
                within("a completion", call).await.unwrap();
            }
        }
        resident.push(resident_mib(program.pid()));
    }
    println!("{ids} streams and parameters; MiB after each tenth: {resident:?}");
    // After the first three tenths every bound is met.
    let most = resident[2..].iter().max().unwrap();
    assert!(*most <= resident[2] + 24, "it grows: {resident:?}");
    for watcher in watchers {
        watcher.abort();
        assert!(watcher.await.unwrap_err().is_cancelled(), "nobody is ended for it");
    }
}

/// A watcher of each kind, that takes what it is sent.
async fn watch(hub: &str) -> Vec<tokio::task::JoinHandle<()>> {
    let mut watchers = Vec::new();
    for (method, arguments) in [
        ("SubscribeToParameter", json!(["t", "*", "*"])),
        ("SubscribeToParameter", json!(["t", "stream-7", "parameter-7"])),
        ("SubscribeToPackages", json!(["t"])),
        ("SubscribeToActiveStreams", json!(["t"])),
        ("SubscribeToTopicMetrics", json!(["t"])),
    ] {
        let client = HubClient::connect(hub).await.unwrap();
        within(method, client.invoke(method, &arguments)).await.unwrap();
        watchers.push(tokio::spawn(async move {
            while client.next_call().await.is_some() {}
            panic!("it was ended: {:?}", client.closed().await);
        }));
    }
    watchers
}

/// Data of a stream that nobody has heard of, for a parameter that nobody has.
fn send(writer: &HubClient, number: u64) -> PendingCall {
    let parameter = format!("parameter-{number}");
    let data = json!({ "timestamps": [number], "numericValues": { parameter: [1] }, "tagValues": { "t": ["x"] } });
    writer.start("SendParameterData", &json!(["t", format!("stream-{number}"), data])).unwrap()
}

fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

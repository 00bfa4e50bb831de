//! The load generator against a fake hub that does its work, or does not.

#![allow(missing_docs, clippy::unwrap_used)]

mod fake_hub;

use fake_hub::{FakeHub, Faults};
use loadtest::load::error::LoadError;
use loadtest::load::fanout::{Fanout, FanoutReport, Parties};
use loadtest::load::pacing::{Limit, Pacing};
use loadtest::load::target::{Dialect, Target};
use loadtest::progress::Progress;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_arrives_once_and_in_order() {
    let pacings = [Pacing::OneAtATime, Pacing::InFlight(8), Pacing::Rate(500.0)];
    for pacing in pacings {
        let report = run(Faults::default(), pacing, 60).await.unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!((report.published, report.acknowledged, report.counts.delivered), (60, 60, 180));
        assert!(report.latency.p50_us > 0.0 && report.latency.p50_us <= report.latency.max_us);
        assert!(report.bytes_per_delivery > 400.0, "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_counted_as_what_it_is() {
    let faults = Faults { lost: vec![5], doubled: vec![2, 9], late: vec![] };
    let report = run(faults, Pacing::Rate(200.0), 20).await.unwrap();
    let counts = report.counts;
    assert_eq!((report.lost, counts.gaps, counts.duplicated, counts.out_of_order), (3, 3, 6, 0));
    assert_eq!((counts.delivered, report.disconnects), (57, 0));
    assert!(!report.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_behind_its_followers_is_late_not_lost() {
    let faults = Faults { late: vec![3], ..Faults::default() };
    let report = run_by(1, faults, Pacing::InFlight(8), 20).await.unwrap();
    let counts = report.counts;
    assert_eq!((report.lost, counts.out_of_order, counts.gaps, counts.duplicated), (0, 3, 3, 0));
    assert_eq!(counts.delivered, 60);
    assert!(!report.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_ends_a_run_that_waits_for_each_message() {
    let hub = FakeHub::start(Faults::default()).await;
    let target = Target::new(&hub.url(), Dialect::SignalR, "forbidden", None).unwrap();
    let result = run_on(target, 1, Pacing::OneAtATime, 5).await;
    assert!(matches!(result, Err(LoadError::Refused(text)) if text == "not allowed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_no_hub_is_told_by_its_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hub", listener.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        }
    });
    let target = Target::new(&url, Dialect::SignalR, "topic", None).unwrap();
    let Err(LoadError::NotOpened { reason, .. }) = run_on(target, 1, Pacing::OneAtATime, 5).await else {
        panic!("there is no hub")
    };
    assert_eq!(reason, "websocket upgrade answered with HTTP/1.1 401 Unauthorized");
}

/// The end of a connection that arrives in one piece with its last bytes raises one event for both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_right_behind_the_last_bytes_is_noticed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hub", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let count = stream.read(&mut [0; 4096]).unwrap();
            assert!(count > 0, "what is left unread would make the end a reset");
            stream.write_all(b"HTTP/1.1 101").unwrap();
            // Waits in the kernel for the first piece's acknowledgement, so the end joins it.
            stream.write_all(b" Switching").unwrap();
        }
    });
    let start = std::time::Instant::now();
    let target = Target::new(&url, Dialect::SignalR, "topic", None).unwrap();
    let Err(LoadError::NotOpened { reason, .. }) = run_on(target, 1, Pacing::OneAtATime, 5).await else {
        panic!("there is no hub")
    };
    assert_eq!(reason, "connection ended by the server");
    assert!(start.elapsed().as_secs() < 10);
}

async fn run(faults: Faults, pacing: Pacing, messages: u64) -> Result<FanoutReport, LoadError> {
    run_by(2, faults, pacing, messages).await
}

async fn run_by(publishers: usize, faults: Faults, pacing: Pacing, messages: u64) -> Result<FanoutReport, LoadError> {
    let hub = FakeHub::start(faults).await;
    let target = Target::new(&hub.url(), Dialect::SignalR, "topic", None).unwrap();
    run_on(target, publishers, pacing, messages).await
}

async fn run_on(target: Target, publishers: usize, pacing: Pacing, messages: u64) -> Result<FanoutReport, LoadError> {
    let work = move || {
        let parties = Parties { subscribers: 3, publishers, payload_bytes: 300, seed: 1 };
        let mut fanout = Fanout::open(&target, parties)?;
        fanout.run(pacing, Limit::Messages(messages), None, &mut Progress::hidden())
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

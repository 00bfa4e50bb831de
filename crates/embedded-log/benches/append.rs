//! Appends: how long until one is acknowledged, and how many a second, beside the disk's own `fdatasync`.
//!
//! `cargo bench -p embedded-log --bench append [FOLDER]`; the folder decides which disk is measured.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    fs::OpenOptions,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use embedded_log::{Log, Options, Partition, batch::NewRecord};
use futures::{StreamExt, stream::FuturesUnordered};

fn main() {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = match named {
        Some(folder) => tempfile::tempdir_in(folder).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let (p50, p99) = fdatasync(folder.path());
    println!("disk: write of 4 KiB and fdatasync: p50 {p50:.0?}, p99 {p99:.0?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for topics in [1, 64] {
        for in_flight in [1, 64, 6_400] {
            let folder = tempfile::tempdir_in(folder.path()).unwrap();
            let log = Log::open(folder.path(), Options::default()).unwrap();
            let run = runtime.block_on(run(&log, topics, in_flight));
            println!("{topics:>2} topics, {in_flight:>5} in flight: {run}");
        }
    }
}

async fn run(log: &Log, topics: usize, in_flight: usize) -> String {
    let mut partitions = Vec::new();
    for n in 0..topics {
        let topic = log.create_topic(&format!("t{n}"), 1, Vec::new()).await.unwrap();
        partitions.push(topic.partition(0).unwrap());
    }
    let (begun, value, mut handed) = (Instant::now(), vec![b'x'; 300], 0);
    let (mut running, mut times) = (FuturesUnordered::new(), Vec::new());
    while begun.elapsed() < PATIENCE {
        while running.len() < in_flight {
            running.push(append(log, &partitions[handed % topics], &value));
            handed += 1;
        }
        times.extend(running.next().await);
    }
    times.extend(running.collect::<Vec<_>>().await);
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    format!("{rate:>9.0} appends/s, acknowledged after p50 {p50:.0?}, p99 {p99:.0?}")
}

fn append(log: &Log, partition: &Arc<Partition>, value: &[u8]) -> impl Future<Output = Duration> + use<> {
    let begun = Instant::now();
    let record = NewRecord { timestamp_ms: 1, key: Some(b"stream"), value: Some(value), headers: &[] };
    let pending = log.append(partition, record).unwrap();
    async move {
        pending.await.unwrap();
        begun.elapsed()
    }
}

fn fdatasync(folder: &Path) -> (Duration, Duration) {
    let file = OpenOptions::new().create_new(true).write(true).open(folder.join("probe")).unwrap();
    let mut times: Vec<_> = (0..1000)
        .map(|n| {
            let begun = Instant::now();
            file.write_all_at(&[1; 4096], n * 4096).unwrap();
            file.sync_data().unwrap();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[500], times[990])
}

/// Of one run.
const PATIENCE: Duration = Duration::from_secs(3);

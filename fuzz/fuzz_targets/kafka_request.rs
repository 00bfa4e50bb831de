//! Any bytes as a request of a Kafka client, down to the log and back: never a panic, never more memory than the bytes warrant
//! (`-malloc_limit_mb`).
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use embedded_log::{Log, Options, listener::fuzz_request, storage::faulty::FaultyStorage};
use tokio::runtime::{Builder, Runtime};

static NODE: LazyLock<(Runtime, Log)> = LazyLock::new(|| {
    let options = Options {
        segment_bytes: 1 << 20,
        preallocate_bytes: 64 << 10,
        retention_bytes: 4 << 20,
        recent_bytes: 256 << 10,
        max_partitions: 200,
        max_committed_offsets: 1_000,
        ..Options::default()
    };
    let log = Log::open_storage(std::sync::Arc::new(FaultyStorage::new()), options).expect("a new log opens");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(log.create_topic("t", 2, Vec::new())).expect("a topic");
    (runtime, log)
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let (runtime, log) = &*NODE;
    runtime.block_on(fuzz_request(log, Bytes::copy_from_slice(input)));
});

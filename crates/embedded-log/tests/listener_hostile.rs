//! Bytes that no client sends: the connection ends, memory stays bounded, others notice nothing.
#![allow(clippy::unwrap_used)]

mod listener_support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use embedded_log::listener::{ListenerMetrics, ListenerOptions};
use kafka_protocol::messages::{ApiKey, MetadataRequest, MetadataResponse};
use listener_support::{Server, Wire, encode};
use tokio::io::AsyncWriteExt;

/// Notes the largest piece of memory ever asked for.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: as required of our caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as required of our caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// What the log takes by itself, with room to spare; far below what any of the bombs claims.
const BOUND: usize = 40 << 20;

#[tokio::test]
async fn counts_that_the_bytes_cannot_hold_take_no_memory() {
    let (_folder, server, metrics) = start(ListenerOptions::default()).await;
    let kinds = metrics.requests().count();
    let mut bombs = 0;
    for key in 0..62i16 {
        for version in 0..12i16 {
            // Every place where a count may stand.
            for zeros in [0, 2, 4, 6, 8, 10, 12, 14, 17, 21, 23, 25, 29] {
                for claim in [i32::MAX, 0x0fff_ffff, i32::MIN] {
                    let mut bytes =
                        [&[0, 0, 0, 0][..], &key.to_be_bytes(), &version.to_be_bytes(), &[0, 0, 0, 9, 0, 0]].concat();
                    bytes.extend(vec![0; zeros]);
                    bytes.extend(claim.to_be_bytes());
                    bytes.extend([0; 40]);
                    let length = bytes.len() as u32 - 4;
                    bytes[..4].copy_from_slice(&length.to_be_bytes());
                    bombs += usize::from(version == 0);
                    if (zeros + version as usize + key as usize).is_multiple_of(3) {
                        let mut wire = Wire::connect(server.address).await;
                        let _ = wire.stream.write_all(&bytes).await;
                        let _ = wire.stream.shutdown().await;
                        let _ = tokio::time::timeout(Duration::from_millis(1), wire.receive_any()).await;
                    }
                }
            }
        }
    }
    assert!(bombs > kinds);
    healthy(&server, &metrics).await;
    let largest = LARGEST.load(Relaxed);
    assert!(largest < BOUND, "{largest} bytes were asked for at once");
    server.stop().await;
}

#[tokio::test]
async fn announced_lengths_are_judged_before_memory_is_taken() {
    let (_folder, server, metrics) = start(ListenerOptions::default()).await;
    for (length, ended) in [(i32::MAX, "too_large"), ((16 << 20) + 1, "too_large"), (-1, "malformed"), (0, "malformed")]
    {
        let before = count(&metrics, ended);
        let mut wire = Wire::connect(server.address).await;
        wire.stream.write_all(&length.to_be_bytes()).await.unwrap();
        assert!(wire.receive_any().await.is_none(), "{length}: closed");
        assert_eq!(count(&metrics, ended), before + 1, "{length}");
    }
    healthy(&server, &metrics).await;
    server.stop().await;
}

#[tokio::test]
async fn noise_ends_its_connection() {
    let (_folder, server, metrics) = start(ListenerOptions::default()).await;
    let mut state = 7u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let sound = encode(ApiKey::Metadata, 8, 1, &MetadataRequest::default());
    for round in 0..300 {
        let mut bytes = if round % 2 == 0 { sound.to_vec() } else { vec![0; 64] };
        for _ in 0..1 + random() % 8 {
            let place = random() as usize % bytes.len();
            bytes[place] = random() as u8;
        }
        if round % 3 == 0 {
            let length = bytes.len() as u32 - 4;
            bytes[..4].copy_from_slice(&length.to_be_bytes());
        }
        let mut wire = Wire::connect(server.address).await;
        wire.stream.write_all(&bytes).await.unwrap();
        let _ = wire.stream.shutdown().await;
    }
    healthy(&server, &metrics).await;
    server.stop().await;
}

#[tokio::test]
async fn half_requests_and_idle_connections_time_out() {
    let options = ListenerOptions {
        request_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(400),
        ..ListenerOptions::default()
    };
    let (_folder, server, metrics) = start(options).await;
    let mut idle = Wire::connect(server.address).await;
    let mut half = Wire::connect(server.address).await;
    let sound = encode(ApiKey::Metadata, 8, 1, &MetadataRequest::default());
    half.stream.write_all(&sound[..10]).await.unwrap();
    assert!(half.receive_any().await.is_none());
    assert!(idle.receive_any().await.is_none());
    assert_eq!((count(&metrics, "slow"), count(&metrics, "idle")), (1, 1));
    server.stop().await;
}

#[tokio::test]
async fn a_request_in_single_bytes_is_answered() {
    let (_folder, server, _metrics) = start(ListenerOptions::default()).await;
    let mut wire = Wire::connect(server.address).await;
    for byte in encode(ApiKey::Metadata, 8, 1, &MetadataRequest::default()) {
        wire.stream.write_all(&[byte]).await.unwrap();
    }
    assert!(wire.receive_any().await.is_some());
    server.stop().await;
}

#[tokio::test]
async fn large_requests_wait_for_memory_and_small_ones_do_not() {
    let options = ListenerOptions { request_memory_bytes: 1 << 20, ..ListenerOptions::default() };
    let (_folder, server, metrics) = start(options).await;
    let mut first = Wire::connect(server.address).await;
    first.stream.write_all(&(1i32 << 20).to_be_bytes()).await.unwrap(); // takes it all, sends nothing
    let mut second = Wire::connect(server.address).await;
    let large = MetadataRequest::default().with_topics(Some(vec![
        kafka_protocol::messages::metadata_request::MetadataRequestTopic::default()
            .with_name(Some(kafka_protocol::messages::TopicName(listener_support::text(&"x".repeat(20_000)))));
        4
    ]));
    let id = second.send(ApiKey::Metadata, 8, &large).await;
    for _ in 0..20 {
        healthy(&server, &metrics).await; // others are served meanwhile, again and again
    }
    assert_eq!(count_kind(&metrics, "Metadata"), 20, "the large one was not read");
    drop(first);
    second.receive(id).await;
    server.stop().await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let (_folder, server, metrics) = start(ListenerOptions { max_connections: 2, ..ListenerOptions::default() }).await;
    let mut first = Wire::connect(server.address).await;
    let mut second = Wire::connect(server.address).await;
    for wire in [&mut first, &mut second] {
        let _: MetadataResponse = wire.ask(ApiKey::Metadata, 8, &MetadataRequest::default()).await;
    }
    let mut third = Wire::connect(server.address).await;
    assert!(third.receive_any().await.is_none());
    assert_eq!((metrics.connections_refused(), metrics.connections_open()), (1, 2));
    server.stop().await;
    assert_eq!(metrics.connections_open(), 0);
}

async fn start(options: ListenerOptions) -> (tempfile::TempDir, Server, Arc<ListenerMetrics>) {
    let folder = tempfile::tempdir().unwrap();
    let metrics = options.metrics.clone();
    let server = Server::start_with(folder.path(), options).await;
    (folder, server, metrics)
}

/// Others are served, and nothing panicked.
async fn healthy(server: &Server, metrics: &ListenerMetrics) {
    let mut wire = Wire::connect(server.address).await;
    let _: MetadataResponse = wire.ask(ApiKey::Metadata, 8, &MetadataRequest::default()).await;
    assert_eq!(count(metrics, "panic"), 0);
}

fn count(metrics: &ListenerMetrics, ended: &str) -> u64 {
    metrics.connections_ended().iter().find(|(name, _)| *name == ended).unwrap().1
}

fn count_kind(metrics: &ListenerMetrics, kind: &str) -> u64 {
    metrics.requests().find(|(name, _)| *name == kind).unwrap().1
}

//! `ListenerOptions`: the listener's bounds and manners, with their defaults.

use std::{sync::Arc, time::Duration};

use super::ListenerMetrics;

/// How a listener behaves. All bounds are per listener unless they say otherwise.
#[derive(Debug, Clone)]
pub struct ListenerOptions {
    /// Host and port that clients are told to connect to. Default: the address each of them connected to.
    pub advertised: Option<(String, u16)>,
    /// Whether a topic that is missing is made when a client asks about it and allows it. Default true.
    /// Source: Apache Kafka, `auto.create.topics.enable`.
    pub auto_create_topics: bool,
    /// Partitions of topics made without saying how many. Default 1. Source: Apache Kafka, `num.partitions`.
    pub default_partitions: i32,
    /// Largest request; a connection that announces a larger one is closed. Default 16 MiB.
    pub max_request_bytes: usize,
    /// Bytes of requests in memory, all connections together. A connection whose request does not fit is not read until it
    /// does. The one request of a connection up to [`ListenerOptions::SMALL_REQUEST_BYTES`] is not counted, so that small
    /// requests never wait for large ones. Default 64 MiB.
    pub request_memory_bytes: usize,
    /// Bytes of records being sent to consumers, all connections together; past it fetches wait. Default 64 MiB.
    pub response_memory_bytes: usize,
    /// Most bytes of records in one answer, whatever the client allows; one batch may be larger. Default 4 MiB.
    pub max_fetch_bytes: usize,
    /// Longest time that a fetch waits for records, whatever the client allows. Default 60 s.
    pub max_fetch_wait: Duration,
    /// Connections at a time; further ones are closed at once. Default 1 000.
    pub max_connections: usize,
    /// A connection that asks nothing for so long is closed. Default 10 minutes.
    /// Source: Apache Kafka, `connections.max.idle.ms`.
    pub idle_timeout: Duration,
    /// A request that began has to arrive within this and one second per 64 KiB. Default 30 s.
    pub request_timeout: Duration,
    /// A connection that takes no byte of an answer for so long is closed. Default 30 s.
    pub write_timeout: Duration,
    /// On shutdown: what was read may be answered for so long. Default 5 s.
    pub drain_timeout: Duration,
    /// Consumer groups, and all that is remembered for them.
    pub groups: GroupOptions,
    /// Counters, to be read by whoever made them.
    pub metrics: Arc<ListenerMetrics>,
}

impl ListenerOptions {
    /// A connection with nothing else in hand may have a request of so many bytes without counting it.
    pub const SMALL_REQUEST_BYTES: usize = 64 << 10;
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            advertised: None,
            auto_create_topics: true,
            default_partitions: 1,
            max_request_bytes: 16 << 20,
            request_memory_bytes: 64 << 20,
            response_memory_bytes: 64 << 20,
            max_fetch_bytes: 4 << 20,
            max_fetch_wait: Duration::from_secs(60),
            max_connections: 1_000,
            idle_timeout: Duration::from_secs(600),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
            groups: GroupOptions::default(),
            metrics: Arc::default(),
        }
    }
}

/// Bounds of consumer groups.
#[derive(Debug, Clone)]
pub struct GroupOptions {
    /// Shortest session timeout that a member may ask for. Default 1 s (Kafka: 6 s, `group.min.session.timeout.ms`).
    pub min_session_timeout: Duration,
    /// Longest one. Default 30 minutes. Source: Apache Kafka, `group.max.session.timeout.ms`.
    pub max_session_timeout: Duration,
    /// How long an empty group waits for further members before its first generation. Default 0 (Kafka: 3 s,
    /// `group.initial.rebalance.delay.ms`). With 0 a kafka-python 3.0 that polls in short turns may stand still after its first
    /// join, under Kafka as here, unless it calls `topics()` after `subscribe()`; with 300 ms none was seen to.
    pub initial_rebalance_delay: Duration,
    /// Groups with members. Default 10 000.
    pub max_groups: usize,
    /// Members of one group. Default 1 000.
    pub max_members: usize,
    /// Bytes that members' subscriptions and assignments take, over all groups. Default 64 MiB.
    pub max_bytes: usize,
    /// Bytes of text that a consumer may keep with a committed offset. Default 4 096.
    /// Source: Apache Kafka, `offset.metadata.max.bytes`.
    pub max_offset_metadata_bytes: usize,
}

impl Default for GroupOptions {
    fn default() -> Self {
        Self {
            min_session_timeout: Duration::from_secs(1),
            max_session_timeout: Duration::from_secs(30 * 60),
            initial_rebalance_delay: Duration::ZERO,
            max_groups: 10_000,
            max_members: 1_000,
            max_bytes: 64 << 20,
            max_offset_metadata_bytes: 4_096,
        }
    }
}

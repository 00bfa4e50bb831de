//! `StreamSettings`: how active streams and topic metrics are followed.

use std::time::Duration;

/// How the streams of a topic are followed once somebody subscribes. Source of the defaults: the Quix Streaming Reader API
/// as far as it says, else ours.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// A stream is `Receiving` while data came within this time, then `Idle`. Default 10 s.
    pub idle_after: Duration,
    /// A stream of which nothing came for this time leaves the list. Default 5 min.
    pub silent_after: Duration,
    /// Least time between two updates of a stream that change nothing but its times. Default 1 s.
    pub update_interval: Duration,
    /// How far the first subscriber of a topic looks back. Default 10 min.
    pub look_back: Duration,
    /// Records of a partition that the look back takes at most. Default 100 000.
    pub look_back_records: u32,
    /// Longest that a subscriber waits for the look back, of all topics too; what it finds after that comes as updates.
    /// Default 2 s.
    pub look_back_wait: Duration,
    /// How long a topic is followed on after its last subscriber. Default 5 min.
    pub linger: Duration,
    /// Streams of one topic. Default 10 000. Past it the least recently seen leaves the list.
    pub max_streams_per_topic: usize,
    /// Streams of all topics. Default 100 000. Past it those topics give theirs up that have more than an equal share.
    pub max_streams: usize,
    /// Bytes that may be kept of all streams, of which one takes 530 KiB at most. Default 256 MiB. Past it as `max_streams`.
    pub max_bytes: usize,
    /// Bytes of the list that a subscriber is answered, as JSON, of all topics together where it asked for all. Default 6 MiB,
    /// so that it fits what may wait for a connection. Past it the least recently seen are left out; each comes as an update
    /// when it is next seen. So are lists of measurements, whose oldest are left out.
    pub max_list_bytes: usize,
    /// Time between two measurements of a topic. Default 5 s.
    pub metrics_period: Duration,
    /// How far back the measurements go that a new subscriber gets. Default 5 min.
    pub metrics_history: Duration,
}

impl Default for StreamSettings {
    fn default() -> Self {
        Self {
            idle_after: Duration::from_secs(10),
            silent_after: Duration::from_secs(5 * 60),
            update_interval: Duration::from_secs(1),
            look_back: Duration::from_secs(10 * 60),
            look_back_records: 100_000,
            look_back_wait: Duration::from_secs(2),
            linger: Duration::from_secs(5 * 60),
            max_streams_per_topic: 10_000,
            max_streams: 100_000,
            max_bytes: 256 << 20,
            max_list_bytes: 6 << 20,
            metrics_period: Duration::from_secs(5),
            metrics_history: Duration::from_secs(5 * 60),
        }
    }
}

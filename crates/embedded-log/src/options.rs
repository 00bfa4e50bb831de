//! `Options`: bounds and sizes of a log, with their defaults, and the `Observer` of its commits.

use std::{fmt, sync::Arc, time::Duration};

/// How a log is kept. All bounds are per log.
#[derive(Debug, Clone)]
pub struct Options {
    /// Size at which a segment file is sealed and a new one begun. Default 64 MiB.
    pub segment_bytes: u64,
    /// Step in which space for the current segment is taken from the file system ahead of writing. Default 8 MiB.
    pub preallocate_bytes: u64,
    /// Whole sealed segments are deleted, oldest first, while all files together are larger. Default 1 GiB.
    pub retention_bytes: u64,
    /// Whole sealed segments are deleted when their last write is older. Default 7 days.
    pub retention_age: Duration,
    /// Largest batch, as stored. Default 4 MiB + 128 KiB.
    pub max_batch_bytes: usize,
    /// Most bytes a compressed batch may expand to. Default 64 MiB.
    pub max_expanded_bytes: usize,
    /// Bytes that may wait to be durable; past it appends are refused. Default 64 MiB.
    pub backlog_bytes: usize,
    /// Records and batches that may wait to be durable. Default 100 000.
    pub backlog_records: usize,
    /// Free bytes of the file system below which appends are refused. Default 256 MiB or 5 % of the file system, the smaller
    /// (`None`).
    pub reserve_bytes: Option<u64>,
    /// Bytes of recent commit groups kept in memory for readers near the end. Default 32 MiB.
    pub recent_bytes: usize,
    /// Most partitions over all topics. Default 10 000.
    pub max_partitions: usize,
    /// Most committed offsets (group, topic, partition) remembered. Default 100 000.
    pub max_committed_offsets: usize,
    /// Committed offsets of a group are forgotten when none was committed for so long, and it had no members. Default 7 days.
    /// Source: Apache Kafka, `offsets.retention.minutes`.
    pub offsets_retention: Duration,
    /// Idempotent producers remembered over all partitions; the longest silent one is forgotten first. Default 10 000.
    pub max_producers: usize,
    /// Told of each commit group.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            preallocate_bytes: 8 << 20,
            retention_bytes: 1 << 30,
            retention_age: Duration::from_secs(7 * 24 * 3600),
            max_batch_bytes: (4 << 20) + (128 << 10),
            max_expanded_bytes: 64 << 20,
            backlog_bytes: 64 << 20,
            backlog_records: 100_000,
            reserve_bytes: None,
            recent_bytes: 32 << 20,
            max_partitions: 10_000,
            max_committed_offsets: 100_000,
            offsets_retention: Duration::from_secs(7 * 24 * 3600),
            max_producers: 10_000,
            observer: None,
        }
    }
}

/// Told of each commit group, on the writer's thread, before its appends are acknowledged. Must not block.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// A group is durable.
    fn committed(&self, report: &CommitReport);
}

/// One commit group.
#[derive(Debug, Clone, Copy)]
pub struct CommitReport {
    /// Records and batches in it.
    pub appends: usize,
    /// Bytes written.
    pub bytes: usize,
    /// Time the write took.
    pub write: Duration,
    /// Time the `fdatasync` took.
    pub sync: Duration,
    /// Bytes of all segment files together.
    pub log_bytes: u64,
}

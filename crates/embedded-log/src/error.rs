//! What can go wrong, one enum per operation, each variant saying what the caller can do.

use std::{io, path::PathBuf};

use crate::batch::BatchError;

/// Why a record or batch was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Larger than [`Options::max_batch_bytes`](crate::Options::max_batch_bytes); send less. Nothing was written.
    #[error("the batch of {size} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Bytes of the batch.
        size: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The bytes are not a batch that can be kept. Nothing was written.
    #[error("the batch cannot be read: {0}")]
    Invalid(#[from] BatchError),
    /// An idempotent producer's batch does not follow its last one. Nothing was written.
    /// Kafka: `OUT_OF_ORDER_SEQUENCE_NUMBER`.
    #[error("the producer's sequence number is {found}, expected {expected}")]
    OutOfOrderSequence {
        /// Number that had to come.
        expected: i32,
        /// Number that came.
        found: i32,
    },
    /// A batch stored before the last five of its producer; it is not written again. Kafka: `DUPLICATE_SEQUENCE_NUMBER`.
    #[error("the producer's batch was stored already")]
    DuplicateSequence,
    /// A newer producer has taken the id over. Nothing was written. Kafka: `INVALID_PRODUCER_EPOCH`.
    #[error("the producer's epoch is {found}, {current} is in force")]
    FencedProducer {
        /// Epoch in force.
        current: i16,
        /// Epoch of the batch.
        found: i16,
    },
    /// See [`WriteError`].
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// No such topic, or none any more. Nothing was written.
    #[error("there is no topic '{0}'")]
    UnknownTopic(String),
    /// More waits to be written than [`Options::backlog_bytes`](crate::Options::backlog_bytes) allows. Nothing was written;
    /// try again later.
    #[error("the log's backlog is full")]
    BacklogFull,
    /// Less than [`Options::reserve_bytes`](crate::Options::reserve_bytes) is left on the file system. Nothing was written;
    /// heals once there is room.
    #[error("the disk is full")]
    DiskFull,
    /// A bound of what is remembered is reached: committed offsets, partitions. Nothing was written.
    #[error("{0}")]
    TooMany(String),
    /// The disk has not answered for so long that this was taken back before it was begun. Nothing was written; try again
    /// later. Only where [`Log::give_up_after`](crate::Log::give_up_after) is used.
    #[error("the disk does not answer")]
    Stalled,
    /// The disk was asked and has not answered: stored or not, it will show. Only where
    /// [`Log::give_up_after`](crate::Log::give_up_after) is used.
    #[error("the disk has not confirmed it in time. It may or may not have been stored")]
    Overdue,
    /// A write or sync failed while this was in it: stored or not, nobody can say before the next start.
    #[error("the log could not be written: {0}. It may or may not have been stored")]
    Failed(String),
    /// A write or sync failed before, or the log was closed. Nothing was written, nor will be in this process.
    #[error("the log takes no more writes: {0}")]
    Stopped(String),
}

/// Why a topic was not made or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It is there already.
    #[error("topic '{0}' exists already")]
    Exists(String),
    /// A name has 1 to 249 characters of `[A-Za-z0-9._-]` and is not `.` or `..`.
    #[error("'{0}' cannot be the name of a topic")]
    InvalidName(String),
    /// Fewer than 1, fewer than there are, or more than the log's bound.
    #[error("a topic cannot have {found} partitions: {reason}")]
    InvalidPartitions {
        /// Number asked for.
        found: i32,
        /// What is wrong.
        reason: String,
    },
    /// See [`WriteError`].
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Why records cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Below the first offset kept, or beyond the end.
    #[error("offset {offset} is outside of {start}..={end}")]
    OutOfRange {
        /// Offset asked for.
        offset: i64,
        /// First one kept.
        start: i64,
        /// One past the last.
        end: i64,
    },
    /// The file holds other bytes than were written: a checksum, an offset or a length is wrong. What can be told of the
    /// damage, `streamgate log check` tells.
    #[error("{file} is damaged at byte {position}: {problem}")]
    Damaged {
        /// Name of the file in the log's folder.
        file: String,
        /// Where in it.
        position: u64,
        /// What is wrong.
        problem: String,
    },
    /// The system could not read.
    #[error("{file} cannot be read: {problem}")]
    Io {
        /// Name of the file in the log's folder.
        file: String,
        /// What the system said.
        problem: String,
    },
}

/// Why a folder cannot be opened as a log.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{folder} is in use by another process{holder}; one process at a time can use a data folder")]
    Locked {
        /// The folder.
        folder: PathBuf,
        /// ` (pid N)`, or nothing where it is not known.
        holder: String,
    },
    /// Made by a version this one does not know.
    #[error(
        "{folder} has log format {found}, this program knows {known}; use the version that wrote it, or another folder"
    )]
    Version {
        /// The folder.
        folder: PathBuf,
        /// What the folder says.
        found: String,
        /// What this program knows.
        known: u32,
    },
    /// The folder has other things in it, or parts of a log without the rest. Nothing was changed.
    #[error("{folder} is not a log that can be opened: {problem}")]
    NotALog {
        /// The folder.
        folder: PathBuf,
        /// What is missing or in the way.
        problem: String,
    },
    /// Bytes are wrong where they cannot have been torn by a crash. Nothing was changed.
    #[error("{file} is damaged at byte {position}: {problem}")]
    Damaged {
        /// Path of the file.
        file: PathBuf,
        /// Where in it.
        position: u64,
        /// What is wrong, and what it affects.
        problem: String,
    },
    /// The system said no.
    #[error("{path}: {error}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

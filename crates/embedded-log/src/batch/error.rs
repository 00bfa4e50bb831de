//! What can be wrong with a batch, and what whoever holds it can do.

use super::Compression;

/// Why bytes are not a batch that can be stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// More bytes may complete it: read on, or, where nothing follows, treat it as torn.
    #[error("batch is cut off: {have} bytes of {needed}")]
    TooShort {
        /// Bytes that a whole batch has, as far as is known.
        needed: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// The length field cannot be right, or bytes follow the only batch: refuse (corrupt message).
    #[error("batch claims {claimed} bytes after its length field, {have} follow")]
    BadLength {
        /// The length field.
        claimed: i32,
        /// Bytes behind the length field.
        have: usize,
    },
    /// Another format, 0 and 1 before Kafka 0.11: refuse (unsupported for message format).
    #[error("batch has magic {0}; only magic 2 is read")]
    WrongMagic(i8),
    /// Bytes were damaged on their way or on disk: refuse (corrupt message); from our own disk, stop reading there.
    #[error("batch has CRC-32C {stored:08x}, its bytes have {computed:08x}")]
    CrcMismatch {
        /// The field.
        stored: u32,
        /// What the bytes say.
        computed: u32,
    },
    /// No records, or offsets that do not fit their number: refuse (invalid record).
    #[error("batch counts {record_count} records and ends at offset delta {last_offset_delta}")]
    BadCount {
        /// The field; one or more in a sound batch.
        record_count: i32,
        /// The field; `record_count - 1` in a sound batch.
        last_offset_delta: i32,
    },
    /// The base offset is negative, or the last one no `i64`: refuse (corrupt message).
    #[error("batch has base offset {0}")]
    BadOffset(i64),
    /// None of the five codecs: refuse (unsupported compression type).
    #[error("batch is compressed by unknown codec {0}")]
    UnknownCompression(u8),
    /// The codec cannot read the records: refuse (corrupt message).
    #[error("the batch's records are not valid {compression}")]
    BadCompression {
        /// The codec of the batch.
        compression: Compression,
    },
    /// More bytes than the caller allows: refuse (message too large).
    #[error("the batch's records expand beyond {limit} bytes")]
    ExpandsBeyond {
        /// What the caller allows.
        limit: usize,
    },
    /// A number within a record does not end, or is too large: refuse (invalid record).
    #[error("record {record} of the batch has a bad varint")]
    BadVarint {
        /// Which, from 0.
        record: i32,
    },
    /// A record's lengths or its place in the batch contradict themselves: refuse (invalid record).
    #[error("record {record} of the batch {fault}")]
    BadRecord {
        /// Which, from 0.
        record: i32,
        /// What is wrong, as a clause.
        fault: &'static str,
    },
    /// Bytes behind the last record: refuse (invalid record).
    #[error("{bytes} bytes follow the batch's last record")]
    LeftOver {
        /// How many.
        bytes: usize,
    },
    /// Part of a transaction, where none are offered: refuse (the producer may write without a transactional id).
    #[error("batch belongs to a transaction; transactions are not offered here")]
    Transactional,
    /// A control batch, or times of the broker, from a producer: refuse (invalid record).
    #[error("batch has the attribute of a broker: {attribute}")]
    NotFromProducer {
        /// Which.
        attribute: &'static str,
    },
    /// A producer id without an epoch or sequence number: refuse (invalid record).
    #[error("batch has a producer id with epoch {epoch} and sequence {sequence}")]
    BadSequence {
        /// The field.
        epoch: i16,
        /// The field.
        sequence: i32,
    },
}

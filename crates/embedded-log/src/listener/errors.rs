//! Errors of the log as Kafka's codes. Each is chosen by what clients do on it.

use kafka_protocol::ResponseError;

use crate::{AppendError, ReadError, TopicError, WriteError, batch::BatchError};

/// For a batch that was not stored.
pub(super) fn append(error: &AppendError) -> ResponseError {
    match error {
        AppendError::TooLarge { .. } => ResponseError::MessageTooLarge,
        AppendError::Invalid(error) => batch(error),
        AppendError::OutOfOrderSequence { .. } => ResponseError::OutOfOrderSequenceNumber,
        AppendError::DuplicateSequence => ResponseError::DuplicateSequenceNumber,
        AppendError::FencedProducer { .. } => ResponseError::InvalidProducerEpoch,
        AppendError::Write(error) => write(error),
    }
}

/// For bytes that are no batch we keep.
pub(super) fn batch(error: &BatchError) -> ResponseError {
    match error {
        BatchError::WrongMagic(_) => ResponseError::UnsupportedForMessageFormat,
        BatchError::UnknownCompression(_) => ResponseError::UnsupportedCompressionType,
        BatchError::ExpandsBeyond { .. } => ResponseError::MessageTooLarge,
        BatchError::Transactional => ResponseError::InvalidTxnState,
        BatchError::TooShort { .. }
        | BatchError::BadLength { .. }
        | BatchError::CrcMismatch { .. }
        | BatchError::BadOffset(_)
        | BatchError::BadCompression { .. } => ResponseError::CorruptMessage,
        BatchError::BadCount { .. }
        | BatchError::BadVarint { .. }
        | BatchError::BadRecord { .. }
        | BatchError::LeftOver { .. }
        | BatchError::NotFromProducer { .. }
        | BatchError::BadSequence { .. } => ResponseError::InvalidRecord,
    }
}

/// For records that were not stored.
///
/// `NotEnoughReplicas` is the one code that all clients take for "refused before anything was written, try again":
/// librdkafka marks such messages as not persisted.
pub(super) fn write(error: &WriteError) -> ResponseError {
    match error {
        WriteError::UnknownTopic(_) => ResponseError::UnknownTopicOrPartition,
        WriteError::BacklogFull | WriteError::DiskFull | WriteError::Stalled => ResponseError::NotEnoughReplicas,
        WriteError::Overdue => ResponseError::RequestTimedOut,
        WriteError::TooMany(_) => ResponseError::PolicyViolation,
        WriteError::Failed(_) | WriteError::Stopped(_) => ResponseError::KafkaStorageError,
    }
}

/// For offsets that were not kept: consumers look for a coordinator anew and try again on `CoordinatorNotAvailable`.
pub(super) fn commit(error: &WriteError) -> ResponseError {
    match error {
        WriteError::UnknownTopic(_) => ResponseError::UnknownTopicOrPartition,
        WriteError::BacklogFull | WriteError::DiskFull | WriteError::Stalled => ResponseError::CoordinatorNotAvailable,
        WriteError::Overdue => ResponseError::RequestTimedOut,
        WriteError::TooMany(_) => ResponseError::InvalidCommitOffsetSize,
        WriteError::Failed(_) | WriteError::Stopped(_) => ResponseError::KafkaStorageError,
    }
}

/// For a topic that was not made or changed.
pub(super) fn topic(error: &TopicError) -> ResponseError {
    match error {
        TopicError::Exists(_) => ResponseError::TopicAlreadyExists,
        TopicError::InvalidName(_) => ResponseError::InvalidTopicException,
        TopicError::InvalidPartitions { .. } => ResponseError::InvalidPartitions,
        TopicError::Write(WriteError::BacklogFull | WriteError::DiskFull | WriteError::Stalled) => {
            ResponseError::KafkaStorageError
        }
        TopicError::Write(error) => write(error),
    }
}

/// For records that cannot be read. Consumers stop at `CorruptMessage` and say so; they try again on `KafkaStorageError`.
pub(super) fn read(error: &ReadError) -> ResponseError {
    match error {
        ReadError::OutOfRange { .. } => ResponseError::OffsetOutOfRange,
        ReadError::Damaged { .. } => ResponseError::CorruptMessage,
        ReadError::Io { .. } => ResponseError::KafkaStorageError,
    }
}

/// The code of a result.
pub(super) fn code<T>(result: Result<T, ResponseError>) -> i16 {
    result.err().map_or(0, |error| error.code())
}

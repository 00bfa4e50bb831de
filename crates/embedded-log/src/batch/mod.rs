//! Kafka's record batch, magic 2, as bytes: the unit in which the log stores, sends and receives. This file owns [`Batch`], the view
//! of one and the checks of its header. `layout` says where its fields are, `records` reads what is behind, `build` writes all of it.

mod build;
mod compression;
mod error;
mod layout;
mod records;
#[cfg(test)]
mod tests;
mod varint;

use bytes::Bytes;
use layout::*;

pub use build::{BatchBuilder, NewRecord};
pub use compression::Compression;
pub use error::BatchError;
pub use layout::{peek, set_base_offset};
pub use records::{Header, Record, Records};

/// A record batch whose header, length and CRC-32C were verified; its records are not until they are walked. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    bytes: Bytes,
}

impl Batch {
    /// Bytes of a batch before its records.
    pub const HEADER_BYTES: usize = 61;

    /// Takes `bytes` that are exactly one batch, checked: length, magic, CRC, codec, count and offsets.
    pub fn parse(bytes: Bytes) -> Result<Self, BatchError> {
        let whole = whole_length(&bytes)?;
        if whole < bytes.len() {
            let claimed = i32::from_be_bytes(field(&bytes, LENGTH));
            return Err(BatchError::BadLength { claimed, have: bytes.len() - LENGTH_END });
        }
        let batch = Self { bytes };
        batch.check_crc()?;
        batch.check_header()?;
        Ok(batch)
    }

    /// Takes `bytes` as one batch unchecked: for those that this process built or has parsed before.
    ///
    /// # Panics
    ///
    /// Where they are shorter than a header.
    pub fn trusted(bytes: Bytes) -> Self {
        assert!(bytes.len() >= Self::HEADER_BYTES, "a batch has a header");
        Self { bytes }
    }

    /// Cuts the first batch off `bytes` and parses it. On an error `bytes` are as before.
    pub fn split_first(bytes: &mut Bytes) -> Result<Self, BatchError> {
        let whole = whole_length(bytes)?;
        let batch = Self::parse(bytes.slice(..whole))?;
        *bytes = bytes.slice(whole..);
        Ok(batch)
    }

    /// The batch as it is stored and sent.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The batch as it is stored and sent.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Size in bytes, header included.
    #[expect(clippy::len_without_is_empty, reason = "a batch has a header, so it is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Offset of the first record.
    pub fn base_offset(&self) -> i64 {
        i64::from_be_bytes(self.field(BASE_OFFSET))
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset().wrapping_add(i64::from(self.last_offset_delta()))
    }

    /// Offset of the first record of the next batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// How many records; one or more.
    pub fn record_count(&self) -> i32 {
        i32::from_be_bytes(self.field(RECORD_COUNT))
    }

    /// Epoch of the leader that gave it its offset; −1 as a producer sends it.
    pub fn leader_epoch(&self) -> i32 {
        i32::from_be_bytes(self.field(LEADER_EPOCH))
    }

    /// Milliseconds since 1970 of the first record, as its producer says. Other records' times are relative to it.
    pub fn first_timestamp(&self) -> i64 {
        i64::from_be_bytes(self.field(FIRST_TIMESTAMP))
    }

    /// Milliseconds since 1970 of the latest record, as its producer says: a claim that no check compares with the records.
    pub fn max_timestamp(&self) -> i64 {
        i64::from_be_bytes(self.field(MAX_TIMESTAMP))
    }

    /// Whose clock the records' times are of.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.has(APPEND_TIME) { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// How the records are compressed. (Unknown codecs are refused when parsed; trusted ones read as none.)
    pub fn compression(&self) -> Compression {
        Compression::from_code(self.compression_code()).unwrap_or(Compression::None)
    }

    /// Whether it is part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.has(TRANSACTIONAL)
    }

    /// Whether its records are for clients' libraries (ends of transactions), not for programs.
    pub fn is_control(&self) -> bool {
        self.has(CONTROL)
    }

    /// Whose it is, where its producer is idempotent: what tells a resend from a new batch.
    pub fn producer(&self) -> Option<ProducerSequence> {
        let producer_id = i64::from_be_bytes(self.field(PRODUCER_ID));
        let first = i32::from_be_bytes(self.field(BASE_SEQUENCE));
        (producer_id >= 0).then(|| ProducerSequence {
            producer_id,
            epoch: i16::from_be_bytes(self.field(PRODUCER_EPOCH)),
            first,
            last: first.wrapping_add(self.last_offset_delta()) & i32::MAX,
        })
    }

    /// What a broker without transactions accepts from a producer: no transaction, no control batch, no append time, a
    /// sequence number with each producer id. [`Batch::check_records`] is apart, as it costs more.
    pub fn check_producible(&self) -> Result<(), BatchError> {
        if self.is_control() {
            return Err(BatchError::NotFromProducer { attribute: "control" });
        }
        if self.is_transactional() {
            return Err(BatchError::Transactional);
        }
        if self.timestamp_type() == TimestampType::LogAppendTime {
            return Err(BatchError::NotFromProducer { attribute: "log append time" });
        }
        match self.producer() {
            Some(ProducerSequence { epoch, .. }) if epoch < 0 => Err(self.bad_sequence()),
            Some(_) if i32::from_be_bytes(self.field(BASE_SEQUENCE)) < 0 => Err(self.bad_sequence()),
            _ => Ok(()),
        }
    }

    fn bad_sequence(&self) -> BatchError {
        let epoch = i16::from_be_bytes(self.field(PRODUCER_EPOCH));
        BatchError::BadSequence { epoch, sequence: i32::from_be_bytes(self.field(BASE_SEQUENCE)) }
    }

    fn check_crc(&self) -> Result<(), BatchError> {
        let stored = u32::from_be_bytes(self.field(CRC));
        let computed = crc32c::crc32c(&self.bytes[CRC_END..]);
        if stored == computed { Ok(()) } else { Err(BatchError::CrcMismatch { stored, computed }) }
    }

    fn check_header(&self) -> Result<(), BatchError> {
        let (record_count, last_offset_delta) = (self.record_count(), self.last_offset_delta());
        if record_count < 1 || last_offset_delta != record_count - 1 {
            return Err(BatchError::BadCount { record_count, last_offset_delta });
        }
        let base_offset = self.base_offset();
        if base_offset < 0 || base_offset.checked_add(i64::from(record_count)).is_none() {
            return Err(BatchError::BadOffset(base_offset));
        }
        let code = self.compression_code();
        Compression::from_code(code).map(drop).ok_or(BatchError::UnknownCompression(code))
    }

    fn last_offset_delta(&self) -> i32 {
        i32::from_be_bytes(self.field(LAST_OFFSET_DELTA))
    }

    fn compression_code(&self) -> u8 {
        self.bytes[ATTRIBUTES + 1] & 0b111
    }

    fn has(&self, attribute: i16) -> bool {
        i16::from_be_bytes(self.field(ATTRIBUTES)) & attribute != 0
    }

    fn field<const N: usize>(&self, at: usize) -> [u8; N] {
        field(&self.bytes, at)
    }
}

/// Which producer wrote a batch, and which of its records these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerSequence {
    /// As `InitProducerId` gave it.
    pub producer_id: i64,
    /// Grows when a producer takes over from itself.
    pub epoch: i16,
    /// Sequence number of the first record; they grow by one and go from `i32::MAX` to 0.
    pub first: i32,
    /// Sequence number of the last record.
    pub last: i32,
}

/// Whose clock a batch's times are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's, one for each record.
    CreateTime,
    /// The broker's: all records have the batch's max timestamp.
    LogAppendTime,
}

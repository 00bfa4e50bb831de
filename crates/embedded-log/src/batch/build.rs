//! Writing a batch: records go straight behind whatever a buffer holds, so that a whole commit group is one buffer.

use super::{Batch, layout::*, varint};

/// A record to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Null is not empty.
    pub key: Option<&'a [u8]>,
    /// Null is not empty.
    pub value: Option<&'a [u8]>,
    /// Names, which ought to be UTF-8, and values, in order.
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
}

/// Builds one uncompressed batch, without producer id, at the end of a caller's buffer, which nothing else may append to meanwhile.
///
/// A batch may not be larger than `i32::MAX` bytes: whoever pushes counts by [`BatchBuilder::record_bound`].
#[derive(Debug)]
#[must_use = "a batch is complete when finished"]
pub struct BatchBuilder {
    /// Where the batch begins in the buffer.
    start: usize,
    base_offset: i64,
    first_timestamp: i64,
    max_timestamp: i64,
    record_count: i32,
}

impl BatchBuilder {
    /// Begins a batch whose first record gets `base_offset`. Times are written relative to `first_timestamp`, best the first
    /// record's.
    pub fn begin(out: &mut Vec<u8>, base_offset: i64, first_timestamp: i64) -> Self {
        let start = out.len();
        out.resize(start + Batch::HEADER_BYTES, 0);
        Self { start, base_offset, first_timestamp, max_timestamp: i64::MIN, record_count: 0 }
    }

    /// Appends a record.
    pub fn push(&mut self, out: &mut Vec<u8>, record: NewRecord<'_>) {
        let timestamp_delta = record.timestamp_ms.wrapping_sub(self.first_timestamp);
        let offset_delta = i64::from(self.record_count);
        let headers = record.headers.len() as i64;
        let len = 1
            + varint::len(timestamp_delta)
            + varint::len(offset_delta)
            + bytes_len(record.key)
            + bytes_len(record.value)
            + varint::len(headers)
            + record.headers.iter().map(|(name, value)| bytes_len(Some(name)) + bytes_len(*value)).sum::<usize>();
        out.reserve(len + varint::MAX_BYTES_I32);

        varint::put(out, len as i64);
        out.push(0); // attributes
        varint::put(out, timestamp_delta);
        varint::put(out, offset_delta);
        put_bytes(out, record.key);
        put_bytes(out, record.value);
        varint::put(out, headers);
        for (name, value) in record.headers {
            put_bytes(out, Some(name));
            put_bytes(out, *value);
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp_ms);
        self.record_count = self.record_count.saturating_add(1);
    }

    /// Fills in header and CRC: the batch is `out` from where it began. Where there is none to be made, without a record or beyond
    /// `i32::MAX` bytes, `out` is as before.
    pub fn finish(self, out: &mut Vec<u8>) {
        let length = out.len().saturating_sub(self.start + LENGTH_END);
        let batch =
            out.get_mut(self.start..).and_then(|batch| batch.split_first_chunk_mut::<{ Batch::HEADER_BYTES }>());
        let (Some((head, records)), Ok(length), 1..) = (batch, i32::try_from(length), self.record_count) else {
            return out.truncate(self.start);
        };
        let mut fill = |at: usize, field: &[u8]| head[at..at + field.len()].copy_from_slice(field);
        fill(BASE_OFFSET, &self.base_offset.to_be_bytes());
        fill(LENGTH, &length.to_be_bytes());
        fill(LEADER_EPOCH, &(-1i32).to_be_bytes());
        fill(MAGIC, &[2]);
        fill(ATTRIBUTES, &[0, 0]);
        fill(LAST_OFFSET_DELTA, &(self.record_count - 1).to_be_bytes());
        fill(FIRST_TIMESTAMP, &self.first_timestamp.to_be_bytes());
        fill(MAX_TIMESTAMP, &self.max_timestamp.to_be_bytes());
        fill(PRODUCER_ID, &(-1i64).to_be_bytes());
        fill(PRODUCER_EPOCH, &(-1i16).to_be_bytes());
        fill(BASE_SEQUENCE, &(-1i32).to_be_bytes());
        fill(RECORD_COUNT, &self.record_count.to_be_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&head[CRC_END..]), records);
        head[CRC..CRC_END].copy_from_slice(&crc.to_be_bytes());
    }

    /// Most bytes that a record takes in a batch, whatever its place and time there.
    pub fn record_bound(record: &NewRecord<'_>) -> usize {
        let bytes = |bytes: Option<&[u8]>| varint::MAX_BYTES_I32 + bytes.map_or(0, <[u8]>::len);
        let headers = record.headers.iter().map(|(name, value)| bytes(Some(name)) + bytes(*value)).sum::<usize>();
        RECORD_NUMBERS + bytes(record.key) + bytes(record.value) + headers
    }
}

fn bytes_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::len(bytes.len() as i64) + bytes.len())
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else { return varint::put(out, -1) };
    varint::put(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Length, attributes, timestamp delta, offset delta, number of headers.
const RECORD_NUMBERS: usize = varint::MAX_BYTES_I32 + 1 + varint::MAX_BYTES + 2 * varint::MAX_BYTES_I32;

//! The records of a batch, one after the other, as slices of the bytes they arrived in.
//!
//! ```text
//! length  varint, of what follows          key length    varint, −1: null    key
//! attributes   i8, unused                  value length  varint, −1: null    value
//! timestamp delta  varint (64 bits)        headers       varint, how many
//! offset delta     varint                  each: name length varint, name, value length varint, −1: null, value
//! ```

use bytes::Bytes;

use super::{Batch, BatchError, TimestampType, varint};

/// One record of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition.
    pub offset: i64,
    /// Milliseconds since 1970, of the producer or (log append time) the broker.
    pub timestamp_ms: i64,
    /// Null is not empty.
    pub key: Option<Bytes>,
    /// Null is not empty: on a compacted topic it deletes the key.
    pub value: Option<Bytes>,
    /// In order; names may repeat.
    pub headers: Vec<Header>,
}

/// One header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name, UTF-8 by Kafka's rules, which nobody has checked.
    pub name: Bytes,
    /// Null is not empty.
    pub value: Option<Bytes>,
}

impl Header {
    /// The name as text, where it is.
    pub fn name_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.name).ok()
    }
}

impl Batch {
    /// Walks all records: Ok only if there are as many as the header counts, with offset deltas 0, 1, …, whole, and nothing
    /// behind them. `limit`: most bytes after decompression; what is not compressed is not measured.
    pub fn check_records(&self, limit: usize) -> Result<(), BatchError> {
        let body = self.records_bytes(limit)?;
        let mut walk = Walk::new(self);
        while walk.next(&body, |_, _| {})?.is_some() {}
        Ok(())
    }

    /// The records in order; keys, values and headers are slices of the batch's bytes, or of the decompressed ones. `limit` as in
    /// [`Batch::check_records`]. Of headers nothing is allocated before it is there.
    pub fn records(&self, limit: usize) -> Result<Records, BatchError> {
        Ok(Records { body: self.records_bytes(limit)?, walk: Walk::new(self) })
    }

    /// Offset and timestamp of the first record at or after `timestamp_ms`, if any. A batch whose max timestamp is before it has
    /// none, whatever its records say, and is not decompressed.
    pub fn offset_for_time(&self, timestamp_ms: i64, limit: usize) -> Result<Option<(i64, i64)>, BatchError> {
        if self.max_timestamp() < timestamp_ms {
            return Ok(None);
        }
        let body = self.records_bytes(limit)?;
        let mut walk = Walk::new(self);
        while let Some(raw) = walk.next(&body, |_, _| {})? {
            if raw.timestamp_ms >= timestamp_ms {
                return Ok(Some((raw.offset, raw.timestamp_ms)));
            }
        }
        Ok(None)
    }

    fn records_bytes(&self, limit: usize) -> Result<Bytes, BatchError> {
        self.compression().decompress(self.bytes().slice(Self::HEADER_BYTES..), limit)
    }
}

/// Iterator of [`Batch::records`]. It ends behind its first error.
#[derive(Debug, Clone)]
pub struct Records {
    body: Bytes,
    walk: Walk,
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let body = &self.body;
        let owned = |bytes: &[u8]| body.slice_ref(bytes);
        let mut headers = Vec::new();
        let header = |name: &_, value: Option<&_>| headers.push(Header { name: owned(name), value: value.map(owned) });
        let raw = match self.walk.next(body, header) {
            Ok(raw) => raw?,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(Record {
            offset: raw.offset,
            timestamp_ms: raw.timestamp_ms,
            key: raw.key.map(owned),
            value: raw.value.map(owned),
            headers,
        }))
    }
}

/// A record as slices of what it is read from, its headers apart.
struct RawRecord<'a> {
    offset: i64,
    timestamp_ms: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

/// Where a walk through a batch's decompressed records is.
#[derive(Debug, Clone)]
struct Walk {
    base_offset: i64,
    first_timestamp: i64,
    append_time: Option<i64>,
    record_count: i32,
    /// Number of the next record.
    next: i32,
    /// Where it begins.
    at: usize,
}

impl Walk {
    fn new(batch: &Batch) -> Self {
        let by_broker = batch.timestamp_type() == TimestampType::LogAppendTime;
        Self {
            base_offset: batch.base_offset(),
            first_timestamp: batch.first_timestamp(),
            append_time: by_broker.then(|| batch.max_timestamp()),
            record_count: batch.record_count(),
            next: 0,
            at: 0,
        }
    }

    /// The next record of `body`, `header` called for each of its headers. After the last, and behind an error, none.
    fn next<'a>(
        &mut self,
        body: &'a [u8],
        header: impl FnMut(&'a [u8], Option<&'a [u8]>),
    ) -> Result<Option<RawRecord<'a>>, BatchError> {
        let mut rest = body.get(self.at..).unwrap_or_default();
        if self.next >= self.record_count {
            self.at = body.len();
            return if rest.is_empty() { Ok(None) } else { Err(BatchError::LeftOver { bytes: rest.len() }) };
        }
        match self.take(&mut rest, header) {
            Ok(raw) => {
                self.at = body.len() - rest.len();
                self.next += 1;
                Ok(Some(raw))
            }
            Err(fault) => {
                let record = self.next;
                (self.next, self.at) = (self.record_count, body.len());
                Err(match fault {
                    Fault::Varint => BatchError::BadVarint { record },
                    Fault::Other(fault) => BatchError::BadRecord { record, fault },
                })
            }
        }
    }

    fn take<'a>(
        &self,
        body: &mut &'a [u8],
        mut header: impl FnMut(&'a [u8], Option<&'a [u8]>),
    ) -> Result<RawRecord<'a>, Fault> {
        let rest = &mut take_bytes(body)?.ok_or(Fault::Other("has a negative length"))?;
        let [_attributes, fields @ ..] = *rest else { return Err(Fault::Other("is empty")) };
        *rest = fields;
        let timestamp_delta = varint::take_i64(rest).ok_or(Fault::Varint)?;
        let offset_delta = varint::take_i32(rest).ok_or(Fault::Varint)?;
        if offset_delta != self.next {
            return Err(Fault::Other("is not at its place"));
        }
        let (key, value) = (take_bytes(rest)?, take_bytes(rest)?);
        let headers = varint::take_i32(rest).ok_or(Fault::Varint)?;
        if headers < 0 {
            return Err(Fault::Other("has a negative number of headers"));
        }
        for _ in 0..headers {
            let name = take_bytes(rest)?.ok_or(Fault::Other("has a header without a name"))?;
            header(name, take_bytes(rest)?);
        }
        if !rest.is_empty() {
            return Err(Fault::Other("is longer than its fields"));
        }
        Ok(RawRecord {
            // Neither overflows in a batch that Kafka takes; where they would, Java's numbers wrap as well.
            offset: self.base_offset.wrapping_add(i64::from(offset_delta)),
            timestamp_ms: self.append_time.unwrap_or(self.first_timestamp.wrapping_add(timestamp_delta)),
            key,
            value,
        })
    }
}

enum Fault {
    Varint,
    Other(&'static str),
}

/// Bytes behind their length; −1 is null, and so is less, as for Kafka.
fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Fault> {
    let Ok(len) = usize::try_from(varint::take_i32(rest).ok_or(Fault::Varint)?) else { return Ok(None) };
    let (bytes, behind) = rest.split_at_checked(len).ok_or(Fault::Other("is cut off"))?;
    *rest = behind;
    Ok(Some(bytes))
}

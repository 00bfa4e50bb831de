//! Tables of batches: as Kafka writes them, damaged, and with records that their codec does not keep its word about.

mod compressed;
mod kafka;
mod malformed;

use bytes::Bytes;

use super::*;

const LIMIT: usize = 1 << 20;

/// Three records that Kafka's own classes have written in `kafka-4.1.0.txt`.
fn sample() -> [NewRecord<'static>; 3] {
    [
        NewRecord {
            timestamp_ms: 1_700_000_000_000,
            key: Some(b"stream-1"),
            value: Some(br#"{"id":"EventA"}"#),
            headers: &[(b"__Q_CodecId", Some(b"JT")), (b"n", None), (b"n", Some(b""))],
        },
        NewRecord { timestamp_ms: 1_699_999_999_990, key: None, value: Some("žluť 🚀".as_bytes()), headers: &[] },
        NewRecord { timestamp_ms: 1_700_000_000_500, key: Some(b""), value: None, headers: &[] },
    ]
}

fn build(base_offset: i64, records: &[NewRecord<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut builder = BatchBuilder::begin(&mut out, base_offset, records[0].timestamp_ms);
    records.iter().for_each(|&record| builder.push(&mut out, record));
    builder.finish(&mut out);
    out
}

/// What [`Batch::records`] gives for records written from `base_offset` on.
fn read_as(base_offset: i64, records: &[NewRecord<'_>]) -> Vec<Record> {
    let copy = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    let header =
        |(name, value): &(&[u8], Option<&[u8]>)| Header { name: copy(name), value: value.as_deref().map(copy) };
    let read = |(record, offset): (&NewRecord<'_>, i64)| Record {
        offset,
        timestamp_ms: record.timestamp_ms,
        key: record.key.map(copy),
        value: record.value.map(copy),
        headers: record.headers.iter().map(header).collect(),
    };
    records.iter().zip(base_offset..).map(read).collect()
}

fn read_all(batch: &Batch) -> Result<Vec<Record>, BatchError> {
    batch.records(LIMIT)?.collect()
}

/// A sound header in front of `body`, which claims to be `record_count` records compressed by the codec of `code`.
fn with_body(code: u8, record_count: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = build(0, &sample());
    bytes.truncate(Batch::HEADER_BYTES);
    bytes.extend_from_slice(body);
    edit(&mut bytes, ATTRIBUTES + 1, &[code]);
    edit(&mut bytes, LAST_OFFSET_DELTA, &(record_count - 1).to_be_bytes());
    edit(&mut bytes, RECORD_COUNT, &record_count.to_be_bytes());
    seal(&mut bytes);
    bytes
}

fn edit(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// Puts length and CRC right.
fn seal(bytes: &mut [u8]) {
    let length = (bytes.len() - LENGTH_END) as i32;
    edit(bytes, LENGTH, &length.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[CRC_END..]);
    edit(bytes, CRC, &crc.to_be_bytes());
}

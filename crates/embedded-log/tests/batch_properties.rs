//! Record batches under arbitrary records and bytes: what is built is read again, by us and by `kafka-protocol`; what others send
//! never panics and takes no more memory than it may.
#![allow(clippy::unwrap_used)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use bytes::{Bytes, BytesMut};
use embedded_log::batch::{Batch, BatchBuilder, BatchError, NewRecord, Record, peek};
use kafka_protocol::records as theirs;
use proptest::{collection::vec, option, prelude::*};

const LIMIT: usize = 1 << 20;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn built_is_read_again(records in vec(record(any::<i64>()), 1..40), base_offset in 0..=i64::MAX - 40, before in vec(any::<u8>(), 0..9)) {
        let mut out = before.clone();
        let batch = build(&mut out, base_offset, &records);
        prop_assert_eq!(&out[..before.len()], &before);
        prop_assert_eq!(peek(&out[before.len()..]), Some((base_offset, batch.len())));
        prop_assert_eq!(batch.check_records(0), Ok(()));
        prop_assert_eq!(read(&batch), Ok(expected(base_offset, &records)));
        prop_assert_eq!(batch.max_timestamp(), records.iter().map(|record| record.timestamp_ms).max().unwrap());
        prop_assert_eq!(batch.next_offset(), base_offset + records.len() as i64);
        let bound: usize = records.iter().map(|record| record.lend(BatchBuilder::record_bound)).sum();
        prop_assert!(batch.len() <= Batch::HEADER_BYTES + bound);
    }

    #[test]
    fn times_are_found(records in vec(record(0..50i64), 1..40), time in 0..60i64) {
        let batch = build(&mut Vec::new(), 0, &records);
        let first = records.iter().position(|record| record.timestamp_ms >= time);
        let expected = first.map(|first| (first as i64, records[first].timestamp_ms));
        prop_assert_eq!(batch.offset_for_time(time, 0), Ok(expected));
    }

    #[test]
    fn theirs_is_read_by_us(records in vec(record(0..i64::MAX), 1..40), codec in codec(), base_offset in 0..1i64 << 30) {
        let given: Vec<_> = records.iter().zip(base_offset..).map(|(record, offset)| record.theirs(offset)).collect();
        let batch = encode(&given, codec);
        prop_assert_eq!(batch.check_records(LIMIT), Ok(()));
        prop_assert_eq!(read(&batch), Ok(expected(base_offset, &records)));
    }

    #[test]
    fn ours_is_read_by_them(records in vec(record(0..i64::MAX), 1..40), base_offset in 0..1i64 << 30) {
        let batch = build(&mut Vec::new(), base_offset, &records);
        let read = theirs::RecordBatchDecoder::decode(&mut batch.into_bytes()).unwrap().records;
        for ((record, offset), read) in records.iter().zip(base_offset..).zip(read) {
            let expected = record.theirs(offset);
            prop_assert_eq!(
                (read.offset, read.timestamp, read.key, read.value, read.headers),
                (expected.offset, expected.timestamp, expected.key, expected.value, expected.headers)
            );
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in vec(any::<u8>(), 0..200)) {
        let mut rest = Bytes::from(bytes);
        prop_assert!(Batch::split_first(&mut rest).is_err());
    }

    /// Past the CRC, with every codec: the worst that a client can send.
    #[test]
    fn arbitrary_records_take_bounded_memory(code in 0..5u8, count in prop_oneof![1..9i32, Just(i32::MAX)], body in vec(any::<u8>(), 0..300)) {
        walks_within_bounds(hostile(code, count, &body))?;
    }

    /// As above, from a sound batch: gets further before it fails.
    #[test]
    fn damaged_records_take_bounded_memory(
        records in vec(record(0..i64::MAX), 1..9),
        codec in codec(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let given: Vec<_> = records.iter().zip(0..).map(|(record, offset)| record.theirs(offset)).collect();
        let mut body = encode(&given, codec).bytes()[Batch::HEADER_BYTES..].to_vec();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        walks_within_bounds(hostile(codec as u8, records.len() as i32, &body))?;
    }
}

#[test]
fn what_claims_the_most_gets_no_more() {
    let zstd_window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 0x03, 0x00, 0x00, b'a', b'a'];
    let zstd_content = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0x20, 0, 0, 0, 0, 1, 0, 0];
    let lz4_block = [0x04, 0x22, 0x4d, 0x18, 0x40, 0x70, 0xdf, 0xff, 0xff, 0x3f, 0x00, 0];
    let gzip_extra = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0];
    let snappy = [0x80, 0x80, 0x80, 0x80, 0x02, 0];
    let lengths = [0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f];
    let headers = [24, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0, 1];
    for (code, body) in [
        (4, &zstd_window[..]),
        (4, &zstd_content),
        (3, &lz4_block),
        (1, &gzip_extra),
        (2, &snappy),
        (0, &lengths),
        (0, &headers),
    ] {
        let batch = hostile(code, i32::MAX, body);
        let (checked, largest) = noting(|| batch.check_records(1 << 30));
        assert!(checked.is_err() && largest <= CONSTANT, "codec {code}: {largest} bytes for {checked:?}");
    }
}

#[test]
fn what_expands_beyond_the_limit_gets_no_more() {
    let zeros = Owned { timestamp_ms: 0, key: None, value: Some(vec![0; 64 * LIMIT]), headers: Vec::new() };
    use theirs::Compression::{Gzip, Lz4, Snappy, Zstd};
    for compression in [Gzip, Snappy, Lz4, Zstd] {
        let batch = encode(&[zeros.theirs(0)], compression);
        let (checked, largest) = noting(|| batch.check_records(LIMIT));
        assert_eq!(checked, Err(BatchError::ExpandsBeyond { limit: LIMIT }));
        assert!(largest <= CONSTANT, "{compression:?}: {largest} bytes");
    }
}

/// Walks a batch both ways, to the same end and with the memory it may have.
fn walks_within_bounds(batch: Batch) -> Result<(), TestCaseError> {
    let (checked, largest) = noting(|| batch.check_records(LIMIT));
    let (walked, larger) = noting(|| batch.records(LIMIT)?.try_for_each(|record| record.map(drop)));
    // A vector of headers, each of two bytes at least, or a first guess at what is compressed.
    let bound = batch.len() * 64 + CONSTANT;
    let largest = largest.max(larger);
    prop_assert!(largest <= bound, "{largest} bytes at once for a batch of {}", batch.len());
    prop_assert_eq!(checked, walked);
    Ok(())
}

/// LZ4's buffer for two linked blocks of 4 MB, the most of all codecs' constants.
const CONSTANT: usize = (8 << 20) + (64 << 10);

/// What `work` gives, and the largest piece of memory that Rust code took for it.
fn noting<T>(work: impl FnOnce() -> T) -> (T, usize) {
    LARGEST.set(0);
    let given = work();
    (given, LARGEST.get())
}

/// As `kafka-protocol` writes them.
fn encode(records: &[theirs::Record], compression: theirs::Compression) -> Batch {
    let mut encoded = BytesMut::new();
    let options = theirs::RecordEncodeOptions { version: 2, compression };
    theirs::RecordBatchEncoder::encode(&mut encoded, records, &options).expect("sound records");
    Batch::parse(encoded.freeze()).expect("a sound batch")
}

fn hostile(code: u8, record_count: i32, body: &[u8]) -> Batch {
    let any = Owned { timestamp_ms: 0, key: None, value: None, headers: Vec::new() };
    let mut bytes = build(&mut Vec::new(), 0, &[any]).into_bytes().to_vec();
    bytes.truncate(Batch::HEADER_BYTES);
    bytes.extend_from_slice(body);
    let length = bytes.len() as i32 - 12;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[22] = code;
    bytes[23..27].copy_from_slice(&(record_count - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&record_count.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Batch::parse(bytes.into()).expect("a sound header")
}

fn build(out: &mut Vec<u8>, base_offset: i64, records: &[Owned]) -> Batch {
    let start = out.len();
    let mut builder = BatchBuilder::begin(out, base_offset, records[0].timestamp_ms);
    for record in records {
        record.lend(|record| builder.push(out, *record));
    }
    builder.finish(out);
    Batch::parse(Bytes::copy_from_slice(&out[start..])).expect("our own batch")
}

fn read(batch: &Batch) -> Result<Vec<Record>, BatchError> {
    batch.records(LIMIT)?.collect()
}

fn expected(base_offset: i64, records: &[Owned]) -> Vec<Record> {
    let header = |(name, value): &(String, Option<Vec<u8>>)| embedded_log::batch::Header {
        name: name.clone().into(),
        value: value.clone().map(Bytes::from),
    };
    let read = |(record, offset): (&Owned, i64)| Record {
        offset,
        timestamp_ms: record.timestamp_ms,
        key: record.key.clone().map(Bytes::from),
        value: record.value.clone().map(Bytes::from),
        headers: record.headers.iter().map(header).collect(),
    };
    records.iter().zip(base_offset..).map(read).collect()
}

#[derive(Debug, Clone)]
struct Owned {
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Owned {
    fn lend<T>(&self, with: impl FnOnce(&NewRecord<'_>) -> T) -> T {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).collect();
        with(&NewRecord {
            timestamp_ms: self.timestamp_ms,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
        })
    }

    fn theirs(&self, offset: i64) -> theirs::Record {
        let header = |(name, value): &(String, Option<Vec<u8>>)| (name.clone().into(), value.clone().map(Bytes::from));
        theirs::Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: -1,
            producer_epoch: -1,
            timestamp_type: theirs::TimestampType::Creation,
            offset,
            // Their encoder begins a new batch where these do not grow together.
            sequence: offset as i32,
            timestamp: self.timestamp_ms,
            key: self.key.clone().map(Bytes::from),
            value: self.value.clone().map(Bytes::from),
            headers: self.headers.iter().map(header).collect(),
        }
    }
}

fn record(times: impl Strategy<Value = i64>) -> impl Strategy<Value = Owned> {
    let bytes = || prop_oneof![4 => vec(any::<u8>(), 0..70), 1 => (0..9000usize).prop_map(|len| vec![b'x'; len])];
    // Names once only: their type of headers is a map.
    let headers = prop::collection::btree_map(".{0,9}", option::of(bytes()), 0..4);
    (times, option::of(bytes()), option::of(bytes()), headers).prop_map(|(timestamp_ms, key, value, headers)| Owned {
        timestamp_ms,
        key,
        value,
        headers: headers.into_iter().collect(),
    })
}

fn codec() -> impl Strategy<Value = theirs::Compression> {
    use theirs::Compression::{Gzip, Lz4, None, Snappy, Zstd};
    prop::sample::select(vec![None, Gzip, Snappy, Lz4, Zstd])
}

/// The system's memory, with a note of the largest piece that the thread asked for.
struct Noting;

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps `alloc`'s rules.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s rules, and the memory is the system's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller keeps `realloc`'s rules, and the memory is the system's.
        unsafe { System.realloc(memory, layout, size) }
    }
}

fn note(size: usize) {
    // Past the end of the thread's own variables nothing is noted.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static MEMORY: Noting = Noting;

//! Cost of record batches, records of 500 bytes: built into a buffer that is there, checked, and walked.

use bytes::Bytes;
use divan::{Bencher, black_box, counter::BytesCount};
use embedded_log::batch::{Batch, BatchBuilder, NewRecord};

const VALUE: [u8; 500] = [b'x'; 500];
const COUNTS: [usize; 2] = [1, 100];
const LIMIT: usize = 1 << 20;

fn main() {
    divan::main();
}

#[divan::bench(args = COUNTS)]
fn build(bencher: Bencher, records: usize) {
    let mut out = Vec::with_capacity(1 << 20);
    bencher.counter(bytes_of(records)).bench_local(|| {
        out.clear();
        batch(black_box(records), &mut out);
        black_box(out.len())
    });
}

#[divan::bench(args = COUNTS)]
fn parse(bencher: Bencher, records: usize) {
    let bytes = built(records);
    bencher.counter(bytes_of(records)).bench(|| Batch::parse(black_box(&bytes).clone()));
}

#[divan::bench(args = COUNTS)]
fn check_records(bencher: Bencher, records: usize) {
    let batch = Batch::trusted(built(records));
    bencher.counter(bytes_of(records)).bench(|| black_box(&batch).check_records(LIMIT));
}

#[divan::bench(args = COUNTS)]
fn iterate(bencher: Bencher, records: usize) {
    let batch = Batch::trusted(built(records));
    bencher.counter(bytes_of(records)).bench(|| {
        let records = black_box(&batch).records(LIMIT).expect("not compressed");
        records.for_each(|record| drop(black_box(record)));
    });
}

fn bytes_of(records: usize) -> BytesCount {
    BytesCount::new(built(records).len())
}

fn built(records: usize) -> Bytes {
    let mut out = Vec::new();
    batch(records, &mut out);
    out.into()
}

fn batch(records: usize, out: &mut Vec<u8>) {
    let record = NewRecord {
        timestamp_ms: 1_700_000_000_000,
        key: Some(b"stream-1"),
        value: Some(&VALUE),
        headers: &[(b"__Q_CodecId", Some(b"JT"))],
    };
    let mut builder = BatchBuilder::begin(out, 42, record.timestamp_ms);
    for _ in 0..records {
        builder.push(out, record);
    }
    builder.finish(out);
}

//! What codecs may claim and do: framings, ends and bombs, with the memory that they get.

use std::io::Write;

use super::*;

const GZIP: u8 = 1;
const SNAPPY: u8 = 2;
const LZ4: u8 = 3;
const ZSTD: u8 = 4;

#[test]
fn framings() {
    let records = body_of(3);
    let (one, two) = records.split_at(11);
    for (case, code, body) in [
        ("gzip of two members", GZIP, [gzip(one), gzip(two)].concat()),
        ("raw snappy", SNAPPY, snappy(&records)),
        ("xerial of one block", SNAPPY, [&XERIAL[..], &block(&records)].concat()),
        ("xerial of two blocks", SNAPPY, [&XERIAL[..], &block(one), &block(two)].concat()),
        ("xerial twice", SNAPPY, [&XERIAL[..], &block(one), &XERIAL[..], &block(two)].concat()),
        ("lz4", LZ4, lz4(&records)),
        ("zstd of two frames", ZSTD, [zstd(one), zstd(two)].concat()),
    ] {
        let batch = Batch::parse(with_body(code, 3, &body).into()).expect(case);
        assert_eq!(read_all(&batch), Ok(read_as(0, &sample())), "{case}");
    }
}

#[test]
fn corrupt() {
    let records = body_of(3);
    let all = [gzip(&records), snappy(&records), lz4(&records), zstd(&records)];
    for (code, body) in (1..).zip(&all) {
        let compression = Compression::from_code(code).unwrap();
        let expected = Err(BatchError::BadCompression { compression });
        for have in 0..body.len() {
            assert_eq!(check(code, &body[..have]), expected, "{compression} cut off at {have}");
        }
        assert_eq!(check(code, &[body, &b"x"[..]].concat()), expected, "{compression} and a byte");
        let other = &all[code as usize % all.len()];
        assert_eq!(check(code, other), expected, "another codec's, not {compression}");
    }
    // LZ4's old frame, which Kafka does not read: magic, then blocks without an end.
    let old = lz4_flex::block::compress(&records);
    let old = [&[0x02, 0x21, 0x4c, 0x18][..], &(old.len() as u32).to_le_bytes(), &old, &[0; 4]].concat();
    assert_eq!(check(LZ4, &old), Err(BatchError::BadCompression { compression: Compression::Lz4 }));

    let xerial = [&XERIAL[..], &block(&records)].concat();
    let bad = Err(BatchError::BadCompression { compression: Compression::Snappy });
    for have in XERIAL.len() + 1..xerial.len() {
        assert_eq!(check(SNAPPY, &xerial[..have]), bad, "xerial cut off at {have}");
    }
    let claim = [&XERIAL[..], &u32::MAX.to_be_bytes(), b"x"].concat();
    assert_eq!(check(SNAPPY, &claim), bad, "a block of 4 GiB");
    // Framed, but nothing in it.
    assert_eq!(check(SNAPPY, &XERIAL), Err(BatchError::BadVarint { record: 0 }));
}

#[test]
fn limits_are_exact() {
    let records = body_of(3);
    let limit = records.len();
    for (code, body) in [
        (GZIP, gzip(&records)),
        (SNAPPY, snappy(&records)),
        (LZ4, lz4(&records)),
        (ZSTD, zstd(&records)),
        (ZSTD, zstd_streamed(&records)),
    ] {
        let batch = Batch::parse(with_body(code, 3, &body).into()).unwrap();
        assert_eq!(batch.check_records(limit), Ok(()), "codec {code}");
        assert_eq!(batch.check_records(limit - 1), Err(BatchError::ExpandsBeyond { limit: limit - 1 }), "codec {code}");
        assert_eq!(batch.check_records(0), Err(BatchError::ExpandsBeyond { limit: 0 }), "codec {code}");
    }
}

#[test]
fn bombs() {
    let zeros = vec![0; 64 * LIMIT];
    for (code, body) in [
        (GZIP, gzip(&zeros)),
        (SNAPPY, snappy(&zeros)),
        (LZ4, lz4(&zeros)),
        (ZSTD, zstd(&zeros)),
        (ZSTD, zstd_streamed(&zeros)),
    ] {
        let found = Compression::from_code(code).unwrap().decompress(body.into(), LIMIT);
        assert_eq!(found, Err(BatchError::ExpandsBeyond { limit: LIMIT }), "codec {code}");
    }
    // A raw block of six bytes that claims 4 GiB is not even looked at.
    assert_eq!(
        check(SNAPPY, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
        Err(BatchError::BadCompression { compression: Compression::Snappy })
    );
}

#[test]
fn far_smaller_than_what_they_hold() {
    // More than any first guess of a capacity, and Snappy at its best.
    let zeros = vec![0; LIMIT];
    for (codec, body) in [
        (Compression::Gzip, gzip(&zeros)),
        (Compression::Snappy, snappy(&zeros)),
        (Compression::Lz4, lz4(&zeros)),
        (Compression::Zstd, zstd(&zeros)),
        (Compression::Zstd, zstd_streamed(&zeros)),
        (Compression::Zstd, [zstd(&[]), zstd(&zeros)].concat()),
    ] {
        assert!(codec.decompress(body.into(), LIMIT).is_ok_and(|found| found == zeros), "{codec}");
    }
}

fn check(code: u8, body: &[u8]) -> Result<(), BatchError> {
    Batch::parse(with_body(code, 3, body).into())?.check_records(LIMIT)
}

/// The sample's first records as they are in a batch.
fn body_of(count: usize) -> Vec<u8> {
    build(0, &sample()[..count]).split_off(Batch::HEADER_BYTES)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).unwrap()
}

/// A block of xerial's framing.
fn block(bytes: &[u8]) -> Vec<u8> {
    let compressed = snappy(bytes);
    [&(compressed.len() as u32).to_be_bytes(), &compressed[..]].concat()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 3).unwrap()
}

/// As a stream: without its size in the frame's header.
fn zstd_streamed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const XERIAL: [u8; 16] = *b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01";

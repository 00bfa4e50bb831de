//! Damaged and dishonest batches, each with its error.

use super::*;

#[test]
fn headers() {
    let whole = build(7, &sample());
    let have = whole.len() - LENGTH_END;
    let claimed = have as i32;
    for (case, at, field, resealed, expected) in [
        ("magic 1", MAGIC, &[1][..], true, BatchError::WrongMagic(1)),
        ("magic -1", MAGIC, &[0xff], true, BatchError::WrongMagic(-1)),
        ("length -1", LENGTH, &[0xff; 4], false, BatchError::BadLength { claimed: -1, have }),
        ("length 48", LENGTH, &[0, 0, 0, 48], false, BatchError::BadLength { claimed: 48, have }),
        (
            "one short",
            LENGTH,
            &(claimed - 1).to_be_bytes(),
            false,
            BatchError::BadLength { claimed: claimed - 1, have },
        ),
        (
            "one more",
            LENGTH,
            &(claimed + 1).to_be_bytes(),
            false,
            BatchError::TooShort { needed: whole.len() + 1, have: whole.len() },
        ),
        (
            "2 GiB",
            LENGTH,
            &i32::MAX.to_be_bytes(),
            false,
            BatchError::TooShort { needed: i32::MAX as usize + LENGTH_END, have: whole.len() },
        ),
        ("no records", RECORD_COUNT, &[0; 4], true, BatchError::BadCount { record_count: 0, last_offset_delta: 2 }),
        ("-1 records", RECORD_COUNT, &[0xff; 4], true, BatchError::BadCount { record_count: -1, last_offset_delta: 2 }),
        (
            "fewer offsets",
            LAST_OFFSET_DELTA,
            &[0, 0, 0, 1],
            true,
            BatchError::BadCount { record_count: 3, last_offset_delta: 1 },
        ),
        ("codec 5", ATTRIBUTES + 1, &[5], true, BatchError::UnknownCompression(5)),
        ("codec 7", ATTRIBUTES + 1, &[7], true, BatchError::UnknownCompression(7)),
        ("offset -1", BASE_OFFSET, &[0xff; 8], true, BatchError::BadOffset(-1)),
        ("last offset", BASE_OFFSET, &(i64::MAX - 2).to_be_bytes(), true, BatchError::BadOffset(i64::MAX - 2)),
    ] {
        let mut bytes = whole.clone();
        edit(&mut bytes, at, field);
        if resealed {
            seal(&mut bytes);
        }
        assert_eq!(Batch::parse(bytes.into()), Err(expected), "{case}");
    }
    let mut highest = whole;
    set_base_offset(&mut highest, i64::MAX - 3, 0);
    assert_eq!(Batch::parse(highest.into()).map(|batch| batch.next_offset()), Ok(i64::MAX));
}

#[test]
fn an_old_message_is_known_by_its_magic() {
    // Magic 0: offset, size 14, CRC, magic, attributes, null key, null value. Shorter than our header.
    let mut message = [0; 26];
    message[11] = 14;
    message[18..].fill(0xff);
    assert_eq!(Batch::parse(message.to_vec().into()), Err(BatchError::WrongMagic(0)));
}

#[test]
fn records() {
    let varint = |record| BatchError::BadVarint { record };
    let record = |record, fault| BatchError::BadRecord { record, fault };
    // Length, attributes, timestamp delta, offset delta, key length, value length, headers; numbers are zigzag.
    const FIRST: [u8; 7] = [12, 0, 0, 0, 1, 1, 0];
    for (case, count, body, expected) in [
        ("none", 1, &[][..], varint(0)),
        ("one too few", 2, &FIRST, varint(1)),
        ("one too many", 1, &[FIRST, FIRST].concat(), BatchError::LeftOver { bytes: 7 }),
        ("a byte behind", 1, &[12, 0, 0, 0, 1, 1, 0, 9], BatchError::LeftOver { bytes: 1 }),
        ("same offset", 2, &[FIRST, FIRST].concat(), record(1, "is not at its place")),
        ("offset ahead", 1, &[12, 0, 0, 2, 1, 1, 0], record(0, "is not at its place")),
        ("empty", 1, &[0], record(0, "is empty")),
        ("negative length", 1, &[1], record(0, "has a negative length")),
        ("longer than there", 1, &[14, 0, 0, 0, 1, 1, 0], record(0, "is cut off")),
        ("longer than its fields", 1, &[14, 0, 0, 0, 1, 1, 0, 0], record(0, "is longer than its fields")),
        ("ends in its key", 1, &[10, 0, 0, 0, 4, b'k', b'k'], record(0, "is cut off")),
        ("key of 1 GiB", 1, &[20, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x08, 1, 0], record(0, "is cut off")),
        ("-1 headers", 1, &[12, 0, 0, 0, 1, 1, 1], record(0, "has a negative number of headers")),
        ("i32::MAX headers", 1, &[20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f], varint(0)),
        ("header without name", 1, &[16, 0, 0, 0, 1, 1, 2, 1, 1], record(0, "has a header without a name")),
        ("no headers field", 1, &[10, 0, 0, 0, 1, 1], varint(0)),
        ("length of 6 bytes", 1, &[0x80, 0x80, 0x80, 0x80, 0x80, 0], varint(0)),
        ("time of 11 bytes", 1, &[&[32, 0][..], &[0x80; 10], &[0, 0, 1, 1, 0]].concat(), varint(0)),
    ] {
        let batch = Batch::parse(with_body(0, count, body).into()).expect(case);
        assert_eq!(batch.check_records(LIMIT), Err(expected.clone()), "{case}");
        assert_eq!(read_all(&batch), Err(expected.clone()), "{case}");
        let mut records = batch.records(LIMIT).unwrap();
        records.find(Result::is_err);
        assert_eq!(records.next(), None, "{case}: ends behind its error");
    }
}

#[test]
fn sequence_numbers() {
    for (epoch, sequence, sound) in [(0i16, 0i32, true), (-1, 0, false), (0, -1, false)] {
        let mut bytes = build(0, &sample());
        edit(&mut bytes, PRODUCER_ID, &4000i64.to_be_bytes());
        edit(&mut bytes, PRODUCER_EPOCH, &epoch.to_be_bytes());
        edit(&mut bytes, BASE_SEQUENCE, &sequence.to_be_bytes());
        seal(&mut bytes);
        let checked = Batch::parse(bytes.into()).unwrap().check_producible();
        assert_eq!(checked, if sound { Ok(()) } else { Err(BatchError::BadSequence { epoch, sequence }) });
    }
}

#[test]
fn every_flipped_bit_is_seen() {
    let whole = build(7, &sample());
    let batch = Batch::parse(whole.clone().into()).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        match (bit / 8, Batch::parse(bytes.into())) {
            (0..LENGTH, Ok(damaged)) => assert_ne!(damaged.base_offset(), batch.base_offset()),
            (0..LENGTH, Err(error)) => assert!(matches!(error, BatchError::BadOffset(_)), "{bit}: {error}"),
            (LENGTH..LENGTH_END, parsed) => {
                assert!(matches!(parsed, Err(BatchError::BadLength { .. } | BatchError::TooShort { .. })), "{bit}");
            }
            (LEADER_EPOCH..MAGIC, Ok(damaged)) => assert_ne!(damaged.leader_epoch(), batch.leader_epoch()),
            (MAGIC, parsed) => assert!(matches!(parsed, Err(BatchError::WrongMagic(_))), "{bit}"),
            (_, parsed) => assert!(matches!(parsed, Err(BatchError::CrcMismatch { .. })), "{bit}: {parsed:?}"),
        }
    }
}

#[test]
fn cut_off_at_every_byte() {
    let whole = build(7, &sample());
    for have in 0..whole.len() {
        let needed = if have < LENGTH_END { Batch::HEADER_BYTES } else { whole.len() };
        let mut bytes = Bytes::copy_from_slice(&whole[..have]);
        assert_eq!(Batch::split_first(&mut bytes), Err(BatchError::TooShort { needed, have }), "{have}");
        assert_eq!(bytes, whole[..have], "{have}: left as they were");
        assert_eq!(peek(&bytes), (have >= LENGTH_END).then_some((7, whole.len())), "{have}");
    }
}

#[test]
fn what_is_not_cut_stays() {
    let whole = build(7, &sample());
    for (case, at, field) in [
        ("length 48", LENGTH, &[0, 0, 0, 48][..]),
        ("length -1", LENGTH, &[0xff; 4]),
        ("magic 1", MAGIC, &[1]),
        ("CRC", CRC, &[0; 4]),
        ("a record", Batch::HEADER_BYTES, &[0]),
    ] {
        let mut damaged = whole.clone();
        edit(&mut damaged, at, field);
        assert_eq!(peek(&damaged), (at != LENGTH).then_some((7, whole.len())), "{case}");
        let mut bytes = Bytes::from(damaged.clone());
        assert!(Batch::split_first(&mut bytes).is_err(), "{case}");
        assert_eq!(bytes, damaged, "{case}");
    }
}

#[test]
fn nothing_is_built_of_nothing() {
    let mut out = b"before".to_vec();
    let builder = BatchBuilder::begin(&mut out, 0, 0);
    builder.finish(&mut out);
    assert_eq!(out, b"before");
}

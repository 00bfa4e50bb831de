//! Batches as Apache Kafka's own classes write them, read, and written the same.

use super::*;

#[test]
fn every_codec_of_kafka_is_read() {
    let expected = read_as(7, &sample());
    for (name, compression) in [
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ] {
        let batch = captured(name);
        assert_eq!(batch.compression(), compression);
        assert_eq!(read_all(&batch), Ok(expected.clone()), "{name}");
        assert_eq!(batch.check_records(LIMIT), Ok(()), "{name}");
        assert_eq!(batch.check_producible(), Ok(()), "{name}");
        assert_eq!((batch.base_offset(), batch.last_offset(), batch.next_offset()), (7, 9, 10));
        assert_eq!((batch.record_count(), batch.leader_epoch(), batch.producer()), (3, -1, None));
        assert_eq!((batch.first_timestamp(), batch.max_timestamp()), (1_700_000_000_000, 1_700_000_000_500));
        assert_eq!(batch.timestamp_type(), TimestampType::CreateTime);
    }
}

#[test]
fn ours_are_the_same_bytes() {
    assert_eq!(build(7, &sample()), *captured("none").bytes());
}

#[test]
fn a_zstd_frame_may_ask_for_a_large_window() {
    // Level 22 as a stream: no content size, a window of 128 MB.
    let batch = captured("zstd-22");
    let records = read_all(&batch).unwrap();
    assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [100, 101, 102]);
    assert!(records.iter().all(|record| record.value.as_ref().is_some_and(|value| value.len() == 40)));
}

#[test]
fn idempotent_producers_are_told_apart() {
    let batch = captured("idempotent");
    // From i32::MAX - 1 over three records: past the end comes 0.
    let sequence = ProducerSequence { producer_id: 4000, epoch: 3, first: i32::MAX - 1, last: 0 };
    assert_eq!(batch.producer(), Some(sequence));
    assert_eq!(batch.leader_epoch(), 5);
    assert_eq!(batch.check_producible(), Ok(()));
    assert_eq!(read_all(&batch), Ok(read_as(7, &sample())));
}

#[test]
fn append_time_is_every_records_time() {
    let batch = captured("log-append");
    assert_eq!((batch.timestamp_type(), batch.max_timestamp()), (TimestampType::LogAppendTime, 1_700_000_001_234));
    let records = read_all(&batch).unwrap();
    assert!(records.iter().all(|record| record.timestamp_ms == 1_700_000_001_234));
    assert_eq!(batch.offset_for_time(1_700_000_001_000, LIMIT), Ok(Some((7, 1_700_000_001_234))));
    assert_eq!(batch.check_producible(), Err(BatchError::NotFromProducer { attribute: "log append time" }));
}

#[test]
fn transactions_and_control_batches_are_told() {
    let batch = captured("transactional");
    assert!(batch.is_transactional() && !batch.is_control());
    assert_eq!(batch.check_producible(), Err(BatchError::Transactional));

    let batch = captured("control");
    assert!(batch.is_transactional() && batch.is_control());
    assert_eq!(batch.check_producible(), Err(BatchError::NotFromProducer { attribute: "control" }));
    assert_eq!(batch.check_records(LIMIT), Ok(()));
}

#[test]
fn offsets_by_time() {
    for name in ["none", "zstd"] {
        let batch = captured(name);
        for (time, expected) in [
            (i64::MIN, Some((7, 1_700_000_000_000))),
            (1_700_000_000_000, Some((7, 1_700_000_000_000))),
            (1_700_000_000_001, Some((9, 1_700_000_000_500))),
            (1_700_000_000_500, Some((9, 1_700_000_000_500))),
            (1_700_000_000_501, None),
        ] {
            assert_eq!(batch.offset_for_time(time, LIMIT), Ok(expected), "{name} {time}");
        }
    }
}

#[test]
fn the_broker_fills_in_without_a_new_crc() {
    let mut bytes = captured("idempotent").into_bytes().to_vec();
    set_base_offset(&mut bytes, 1 << 40, 17);
    let batch = Batch::parse(bytes.into()).unwrap();
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.leader_epoch()), (1 << 40, (1 << 40) + 2, 17));
    assert_eq!(read_all(&batch), Ok(read_as(1 << 40, &sample())));

    let mut short = [0; 15];
    set_base_offset(&mut short, -1, -1);
    assert_eq!(short, [0; 15]);
}

#[test]
fn batches_behind_each_other_are_cut() {
    let [first, second] = [captured("none"), captured("gzip")];
    let mut both = Bytes::from([&first.bytes()[..], second.bytes()].concat());
    assert_eq!(peek(&both[..12]), Some((7, first.len())));
    assert_eq!(Batch::split_first(&mut both), Ok(first));
    assert_eq!(Batch::split_first(&mut both), Ok(second));
    assert_eq!(Batch::split_first(&mut both), Err(BatchError::TooShort { needed: 61, have: 0 }));
}

#[test]
fn keys_and_values_are_slices() {
    let batch = captured("none");
    let within = batch.bytes().as_ptr_range();
    for record in read_all(&batch).unwrap() {
        let parts = record.key.iter().chain(&record.value).filter(|bytes| !bytes.is_empty());
        assert!(parts.into_iter().all(|part| within.contains(&part.as_ptr())));
    }
}

fn captured(name: &str) -> Batch {
    let lines = include_str!("kafka-4.1.0.txt").lines();
    let hex = lines.filter_map(|line| line.split_once(' ')).find(|(named, _)| *named == name).expect("a capture").1;
    let digits = hex.as_bytes().chunks(2).map(|two| std::str::from_utf8(two).unwrap());
    let bytes: Vec<u8> = digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect();
    Batch::parse(bytes.into()).expect(name)
}

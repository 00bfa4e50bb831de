//! A small whole log, and files of it replaced by what a fuzzer makes up. Shared with `fuzz/fuzz_targets/log_open.rs`.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, OnceLock};

use embedded_log::{Log, OpenError, Options, ReadError, batch::NewRecord, storage::faulty::FaultyStorage};

/// Opens a log with a file changed as `input` says: never a panic, and whatever can be read is whole or said to be damaged.
pub(crate) fn open_anything(input: &[u8]) {
    let [kind, rest @ ..] = input else { return };
    let base = base();
    let storage = base.storage.copy();
    let sealed = &base.segments[usize::from(kind / 16) % 2];
    let newest = &base.segments[2];
    match kind % 16 {
        0 => storage.put(newest, marked(rest, base.mark)),
        1 => storage.put(newest, edited(&storage, newest, rest)),
        2 => storage.put(newest, checksummed(edited(&storage, newest, rest), base.mark)),
        3 => storage.put(newest, [storage.bytes_of(newest).unwrap_or_default(), group(rest, base.mark, 40)].concat()),
        4 => storage.put(newest, group(rest, base.mark, base.sequence)),
        5 => storage.put(sealed, edited(&storage, sealed, rest)),
        6 => storage.put(sealed, checksummed(edited(&storage, sealed, rest), base.mark)),
        7 | 8 => {
            storage.take(&sealed.replace("log", "index"));
            let bytes = edited(&storage, sealed, rest);
            storage.put(sealed, if kind % 16 == 7 { bytes } else { checksummed(bytes, base.mark) });
        }
        9 => storage.put(&sealed.replace("log", "index"), rest.to_vec()),
        10 => storage.put(&sealed.replace("log", "index"), [&crc32c::crc32c(rest).to_le_bytes(), rest].concat()),
        11 => {
            let mut bytes = edited(&storage, &sealed.replace("log", "index"), rest);
            if bytes.len() > 4 {
                let crc = crc32c::crc32c(&bytes[4..]);
                bytes[..4].copy_from_slice(&crc.to_le_bytes());
            }
            storage.put(&sealed.replace("log", "index"), bytes);
        }
        12 => storage.put("format", rest.to_vec()),
        13 => storage.put("format", edited(&storage, "format", rest)),
        14 => storage.take(&base.segments[usize::from(kind / 16) % 3]),
        _ => storage.put(&String::from_utf8_lossy(rest), Vec::new()),
    }
    match Log::open_storage(Arc::new(storage), options()) {
        Ok(log) => read_all(&log),
        Err(OpenError::Io { error, .. }) => panic!("nothing fails here: {error}"),
        Err(error) => assert!(error.to_string().contains("/faulty")),
    }
}

fn read_all(log: &Log) {
    for partition in log.topics().iter().flat_map(|topic| topic.partitions()) {
        let _ = log.offset_for_time(&partition, 5);
        let range = partition.range();
        let mut next = range.start;
        for _ in 0..1000 {
            match log.read(&partition, next, 1 << 10) {
                Ok(batches) if batches.is_empty() => break,
                Ok(batches) => {
                    for batch in batches {
                        assert!(batch.next_offset() > next, "no step back");
                        next = batch.next_offset();
                        let _ = batch.check_records(1 << 20);
                    }
                }
                Err(ReadError::Damaged { .. }) => next += 1,
                Err(ReadError::OutOfRange { .. }) => break,
                Err(ReadError::Io { problem, .. }) => panic!("nothing fails here: {problem}"),
            }
        }
    }
    for group in log.groups() {
        let _ = log.committed_offsets(&group);
    }
}

/// Bytes of the file changed: `place 2 | byte 1` again and again; the byte 255 at place 65535 cuts.
fn edited(storage: &FaultyStorage, file: &str, edits: &[u8]) -> Vec<u8> {
    let mut bytes = storage.bytes_of(file).unwrap_or_default();
    for edit in edits.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([edit[0], edit[1]]));
        if place >= 0xff00 {
            bytes.truncate(bytes.len() * usize::from(edit[2]) / 256);
        } else if !bytes.is_empty() {
            let place = place % bytes.len();
            bytes[place] = edit[2];
        }
    }
    bytes
}

/// With the log's mark wherever the input has `MARKMARK`.
fn marked(input: &[u8], mark: [u8; 8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for at in 0..bytes.len().saturating_sub(7) {
        if &bytes[at..at + 8] == b"MARKMARK" {
            bytes[at..at + 8].copy_from_slice(&mark);
        }
    }
    bytes
}

/// A group with a right checksum, whatever is in it.
fn group(body: &[u8], mark: [u8; 8], sequence: u64) -> Vec<u8> {
    let mut bytes = [&mark, &sequence.to_le_bytes(), &[0; 8], body].concat::<u8>();
    bytes[16..20].copy_from_slice(&(body.len() as u32).to_le_bytes());
    checksummed(bytes, mark)
}

/// Checksums of all groups made right, as far as they are long enough.
fn checksummed(mut bytes: Vec<u8>, mark: [u8; 8]) -> Vec<u8> {
    let mut at = 0;
    while bytes.get(at..at + 24).is_some_and(|header| header[..8] == mark) {
        let length = u32::from_le_bytes([bytes[at + 16], bytes[at + 17], bytes[at + 18], bytes[at + 19]]) as usize;
        let Some(body) = bytes.get(at + 24..at + 24 + length) else { break };
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[at + 8..at + 20]), body);
        bytes[at + 20..at + 24].copy_from_slice(&crc.to_le_bytes());
        at += 24 + length;
    }
    bytes
}

struct Base {
    storage: FaultyStorage,
    segments: Vec<String>,
    mark: [u8; 8],
    /// Of the newest segment's first group.
    sequence: u64,
}

fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let storage = Arc::new(FaultyStorage::new());
        let log = Log::open_storage(storage.clone(), options()).expect("opens");
        let made = futures::executor::block_on(log.create_topic("a", 2, Vec::new())).expect("is made");
        futures::executor::block_on(log.commit_offsets("g", Vec::new())).expect("is committed");
        let is_segment = |file: &String| file.ends_with(".log");
        for n in 0.. {
            if storage.files().iter().filter(|file| is_segment(file)).count() == 3 && n % 4 == 0 {
                break;
            }
            let partition = made.partition(n % 2).expect("is there");
            let record = NewRecord { timestamp_ms: n.into(), key: None, value: Some(b"value"), headers: &[] };
            futures::executor::block_on(log.append(&partition, record).expect("is taken")).expect("is stored");
        }
        drop((log, made));
        let storage = storage.copy();
        let segments: Vec<_> = storage.files().into_iter().filter(is_segment).collect();
        let newest = storage.bytes_of(&segments[2]).expect("is there");
        let mut mark = [0; 8];
        mark.copy_from_slice(&newest[..8]);
        let sequence = segments[2].trim_end_matches(".log").parse().expect("a number");
        Base { storage, segments, mark, sequence }
    })
}

fn options() -> Options {
    Options { segment_bytes: 600, preallocate_bytes: 1, recent_bytes: 0, reserve_bytes: Some(0), ..Options::default() }
}

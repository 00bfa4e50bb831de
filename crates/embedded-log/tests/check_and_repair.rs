//! Damage is found, named, and mended as far as it can be.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path, sync::Arc};

use embedded_log::{
    Log, OpenError, Options, Partition, Range,
    batch::NewRecord,
    check::{Report, check, repair},
};

#[tokio::test]
async fn a_whole_log_has_no_findings() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    let report = check(folder.path()).unwrap();
    assert_eq!((&report.findings[..], &report.lost[..]), (&[][..], &[][..]), "{report:?}");
    assert!(report.segments > 3, "{report:?}");
    assert_eq!((report.records, report.topics), (400, vec!["a".to_owned(), "b".to_owned()]));
}

#[tokio::test]
async fn a_log_in_use_is_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), small()).unwrap();
    assert!(matches!(check(folder.path()), Err(OpenError::Locked { .. })));
    drop(log);
    check(folder.path()).unwrap();
}

#[tokio::test]
async fn damage_in_the_newest_segment_stops_the_start_and_can_be_mended() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    let newest = segments(folder.path()).pop().unwrap();
    let at = flip(folder.path(), &newest, 3000);

    let error = Log::open(folder.path(), small()).unwrap_err();
    let OpenError::Damaged { file, position, .. } = &error else { panic!("{error}") };
    assert!(file.ends_with(&newest) && *position <= at, "{error}");

    let report = check(folder.path()).unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    let finding = &report.findings[0];
    assert!((finding.position..finding.position + finding.length).contains(&at), "{finding}");
    assert_eq!(report.lost.len(), 1, "{report:?}");
    mended(folder.path(), &report).await;
}

#[tokio::test]
async fn damage_in_a_sealed_segment_is_met_by_readers_and_can_be_mended() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    let sealed = segments(folder.path())[1].clone();
    flip(folder.path(), &sealed, 3000);

    let log = Log::open(folder.path(), small()).unwrap(); // its index is whole
    let topics = ["a", "b"].map(|name| log.topic(name).unwrap().partition(0).unwrap());
    let read = topics.iter().map(|partition| read_to_the_end(&log, partition)).collect::<Vec<_>>();
    let errors: Vec<_> = read.iter().filter_map(|read| read.as_ref().err()).collect();
    assert!(errors.iter().any(|error| error.contains(&sealed)), "{errors:?}");
    drop((topics, log));

    fs::remove_file(folder.path().join(sealed.replace(".log", ".index"))).unwrap();
    let error = Log::open(folder.path(), small()).unwrap_err();
    assert!(matches!(&error, OpenError::Damaged { file, .. } if file.ends_with(&sealed)), "{error}");
    let report = check(folder.path()).unwrap();
    assert_eq!(report.lost.len(), 1, "{report:?}");
    mended(folder.path(), &report).await;
}

#[tokio::test]
async fn a_first_group_that_is_damaged_and_a_missing_segment_can_be_mended() {
    for nth in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path()).await;
        let name = segments(folder.path())[nth].clone();
        if nth == 1 {
            flip(folder.path(), &name, 30);
            fs::remove_file(folder.path().join(name.replace(".log", ".index"))).unwrap();
        } else {
            fs::remove_file(folder.path().join(&name)).unwrap();
        }
        Log::open(folder.path(), small()).unwrap_err();
        let report = check(folder.path()).unwrap();
        assert!(report.findings.iter().any(|finding| finding.file == name), "{report:?}");
        assert_eq!(report.lost.is_empty(), nth == 1, "a checkpoint repeats what came before: {report:?}");
        mended(folder.path(), &report).await;
    }
}

#[tokio::test]
async fn a_topic_whose_making_was_lost_comes_back_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(folder.path(), Options::default()).unwrap();
    let partition = log.create_topic("a", 1, Vec::new()).await.unwrap().partition(0).unwrap();
    append(&log, &partition, "kept").await;
    drop((partition, log));
    let newest = segments(folder.path()).pop().unwrap();
    let mut bytes = fs::read(folder.path().join(&newest)).unwrap();
    let created = bytes.windows(8).enumerate().skip(1).find(|(_, window)| *window == &bytes[..8]).unwrap().0;
    bytes[created + 30] ^= 1;
    fs::write(folder.path().join(&newest), bytes).unwrap();

    let report = check(folder.path()).unwrap();
    repair(folder.path(), &report).unwrap();
    let log = Log::open(folder.path(), Options::default()).unwrap();
    let names: Vec<_> = log.topics().iter().map(|topic| topic.name().to_string()).collect();
    assert_eq!(names, ["recovered-0"]);
    let partition = log.topics()[0].partition(0).unwrap();
    assert_eq!(read_to_the_end(&log, &partition).unwrap(), [(0, "kept".to_owned())]);
}

#[tokio::test]
async fn a_torn_tail_is_a_note_not_damage() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    let path = folder.path().join(segments(folder.path()).pop().unwrap());
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes.truncate(end - 3);
    fs::write(&path, bytes).unwrap();
    let report = check(folder.path()).unwrap();
    assert_eq!(report.findings, [], "{report:?}");
    assert_eq!(report.notes.len(), 1, "{report:?}");
    Log::open(folder.path(), small()).unwrap();
}

fn small() -> Options {
    Options { segment_bytes: 16 << 10, preallocate_bytes: 4 << 10, reserve_bytes: Some(0), ..Options::default() }
}

/// A log with 200 records in each of two topics, over several segments.
async fn written(folder: &Path) {
    let log = Log::open(folder, small()).unwrap();
    let mut partitions = Vec::new();
    for name in ["a", "b"] {
        partitions.push(log.create_topic(name, 1, Vec::new()).await.unwrap().partition(0).unwrap());
    }
    for n in 0..200 {
        for partition in &partitions {
            append(&log, partition, &format!("{n:0>100}")).await;
        }
    }
}

/// Repairs, and checks that all that is not reported lost is there, and that the log goes on.
async fn mended(folder: &Path, report: &Report) {
    let repaired = repair(folder, report).unwrap();
    assert_eq!(repaired.lost, report.lost);
    assert!(repaired.moved_aside.iter().all(|name| folder.join(name).exists()));
    assert_eq!(check(folder).unwrap().findings, [], "whole now");
    let log = Log::open(folder, small()).unwrap();
    for name in ["a", "b"] {
        let partition = log.topic(name).unwrap().partition(0).unwrap();
        assert_eq!(partition.range(), Range { start: 0, end: 200 });
        let gone = |offset: &i64| {
            report.lost.iter().any(|lost| lost.topic == name && (lost.first..=lost.last).contains(offset))
        };
        let expected: Vec<_> = (0..200).filter(|offset| !gone(offset)).map(|n| (n, format!("{n:0>100}"))).collect();
        assert_eq!(read_to_the_end(&log, &partition).unwrap(), expected, "{name}: {:?}", report.lost);
        assert_eq!(append(&log, &partition, "next").await, 200);
    }
}

fn segments(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".log")).collect();
    names.sort();
    names
}

/// Flips a bit that far into the file, of what is written there; gives where.
fn flip(folder: &Path, name: &str, at: usize) -> u64 {
    let path = folder.join(name);
    let mut bytes = fs::read(&path).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let at = at.min(written / 2);
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
    at as u64
}

async fn append(log: &Log, partition: &Arc<Partition>, value: &str) -> i64 {
    let record = NewRecord { timestamp_ms: 1, key: None, value: Some(value.as_bytes()), headers: &[] };
    log.append(partition, record).unwrap().await.unwrap().offset
}

fn read_to_the_end(log: &Log, partition: &Partition) -> Result<Vec<(i64, String)>, String> {
    let (mut all, mut offset) = (Vec::new(), partition.range().start);
    loop {
        let batches = log.read(partition, offset, 4096).map_err(|error| error.to_string())?;
        let Some(last) = batches.last() else { return Ok(all) };
        offset = last.next_offset();
        for record in batches.iter().flat_map(|batch| batch.records(1 << 20).unwrap()) {
            let record = record.unwrap();
            all.push((record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
        }
    }
}

//! A disk that is full of what retention would delete.

use std::{sync::Arc, time::Duration};

use super::{
    CLOCK,
    asking::{Outcome, ask},
    model::State,
    observed::difference,
    workload::Operation,
};
use crate::{
    batch::NewRecord,
    error::{AppendError, WriteError},
    log::Log,
    options::Options,
    queue::Work,
    recovery,
    storage::faulty::{Call, Dice, Failure, Fault, FaultyStorage},
};

#[test]
fn retention_makes_room_on_a_full_disk() {
    CLOCK.set(Some(1_700_000_000_000));
    let storage = Arc::new(FaultyStorage::new());
    storage.set_capacity(40_000);
    let options = Options {
        segment_bytes: 8000,
        preallocate_bytes: 500,
        retention_age: Duration::from_secs(60),
        reserve_bytes: Some(10_000),
        ..Options::default()
    };
    let (shared, mut writer) = recovery::open(storage.clone(), options).unwrap();
    let log = Log::without_thread(shared.clone());
    let made = log.create_topic("t", 1, Vec::new());
    writer.commit(&mut shared.queue.take(Work::default(), Duration::ZERO).unwrap());
    drop(made);
    let partition = log.topic("t").unwrap().partition(0).unwrap();
    let append = |writer: &mut crate::commit::Writer| {
        let record = NewRecord { timestamp_ms: 1, key: None, value: Some(&[7; 300]), headers: &[] };
        let mut pending = log.append(&partition, record).unwrap();
        writer.commit(&mut shared.queue.take(Work::default(), Duration::ZERO).unwrap());
        pending.0.try_recv().unwrap()
    };
    let full = Err(AppendError::Write(WriteError::DiskFull));
    let stored = (0..).take_while(|_| append(&mut writer).is_ok()).count();
    assert!(stored > 50, "{stored}");

    writer.housekeeping();
    assert_eq!(log.writable(), Err(WriteError::DiskFull), "nothing is old enough yet");
    assert_eq!(append(&mut writer), full);
    CLOCK.set(Some(1_700_000_100_000));
    writer.housekeeping();
    assert_eq!(log.writable(), Ok(()));
    assert!(storage.used() < 10_000, "{}", storage.used());
    assert_eq!(append(&mut writer).unwrap().offset, stored as i64);
    CLOCK.set(None);
}

/// A segment whose making failed for want of room, and whose removal the folder may not know of, has the name of the next group:
/// that group must not go into the segment before.
#[test]
fn nothing_goes_behind_a_segment_that_may_come_back() {
    for seed in 0..60 {
        let (mut dice, storage) = (Dice::new(seed), Arc::new(FaultyStorage::new()));
        let options = Options { reserve_bytes: Some(0), preallocate_bytes: 1, ..Options::default() };
        let (shared, mut writer) = recovery::open(storage.clone(), options.clone()).unwrap();
        let log = Log::without_thread(shared.clone());
        let mut state = State::default();
        let mut commit = |writer: &mut crate::commit::Writer, n: i64| {
            let operation = match n {
                0 => Operation::CreateTopic { name: "t".to_owned(), partitions: 1, settings: Vec::new() },
                offset => {
                    Operation::CommitOffset { group: "g".to_owned(), topic: "t".to_owned(), partition: 0, offset }
                }
            };
            let asked = ask(&log, &operation);
            writer.commit(&mut shared.queue.take(Work::default(), Duration::ZERO).unwrap());
            assert!(matches!(asked(), Outcome::Done(_)));
            state = state.after(&[operation], 0).0;
            state.clone()
        };
        commit(&mut writer, 0);
        commit(&mut writer, 1);
        storage.plan(Fault { call: Some(Call::SyncFolder), after: 0, lasting: true, failure: Failure::Full });
        assert_eq!(writer.roll(0), Err(WriteError::DiskFull));
        storage.heal();
        let mut state = commit(&mut writer, 2);
        let (shared, _) = recovery::open(Arc::new(storage.crash(&mut dice)), options).unwrap();
        difference(&Log::without_thread(shared), &mut state, false).unwrap();
    }
}

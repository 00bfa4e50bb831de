//! A disk that is full of what retention would delete.

use std::{sync::Arc, time::Duration};

use super::CLOCK;
use crate::{
    batch::NewRecord,
    error::{AppendError, WriteError},
    log::Log,
    options::Options,
    queue::Work,
    recovery,
    storage::faulty::FaultyStorage,
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

//! Comparing what a log shows with what it should hold.

use super::{
    model::{PartitionState, State},
    workload::Content,
};
use crate::{
    batch::Batch,
    error::ReadError,
    log::Log,
    partition::{Partition, Range},
};

/// `Err` with the first thing in which the log is not `state`. Where retention `may_retire`, first offsets may have grown; they
/// are taken over.
pub(super) fn difference(log: &Log, state: &mut State, may_retire: bool) -> Result<(), String> {
    let names: Vec<_> = log.topics().iter().map(|topic| topic.name().to_string()).collect();
    same("topics", names, state.topics.keys().cloned().collect())?;
    for (topic, expected) in log.topics().iter().zip(state.topics.values_mut()) {
        let name = topic.name();
        same(&format!("id of {name}"), topic.id(), expected.id)?;
        same(&format!("settings of {name}"), topic.settings().to_vec(), expected.settings.clone())?;
        same(&format!("partitions of {name}"), topic.partition_count() as usize, expected.partitions.len())?;
        for (partition, expected) in topic.partitions().iter().zip(&mut expected.partitions) {
            let place = format!("{name}/{}", partition.number());
            let Range { start, end } = partition.range();
            same(&format!("end of {place}"), end, expected.records.len() as i64)?;
            if may_retire && start > expected.start {
                expected.start = start;
            }
            same(&format!("start of {place}"), start, expected.start)?;
            records(log, partition, expected).map_err(|problem| format!("{place}: {problem}"))?;
        }
    }
    let mut names = log.groups();
    names.sort_unstable();
    same("groups", names, state.groups.keys().cloned().collect())?;
    for (name, group) in &state.groups {
        let mut committed: Vec<_> = log
            .committed_offsets(name)
            .into_iter()
            .map(|committed| {
                let whole = (committed.leader_epoch, committed.metadata) == (3, format!("m{}", committed.offset));
                ((committed.topic, committed.partition), if whole { committed.offset } else { -1 })
            })
            .collect();
        committed.sort_unstable();
        same(&format!("offsets of {name}"), committed, group.offsets.clone().into_iter().collect())?;
    }
    Ok(())
}

fn records(log: &Log, partition: &Partition, expected: &PartitionState) -> Result<(), String> {
    let mut next = expected.start;
    loop {
        let batches = log.read(partition, next, 1500).map_err(|error| error.to_string())?;
        if batches.is_empty() {
            return same("end of reading", next, expected.records.len() as i64);
        }
        for batch in batches {
            same("base offset", batch.base_offset(), next)?;
            if let Some(foreign) = expected.foreign.get(&next) {
                same("batch", &batch.bytes()[16..], &foreign[16..])?; // base offset, length and leader epoch aside
            }
            for record in batch.records(1 << 20).map_err(|error| error.to_string())? {
                let record = record.map_err(|error| error.to_string())?;
                same("offset", record.offset, next)?;
                let content = expected.records.get(next as usize).ok_or("more records than there are")?;
                same(&format!("record {next}"), Content::of(&record), Content::clone(content))?;
                next += 1;
            }
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:.200?} instead of {expected:.200?}")) }
}

/// Records that cannot be read because `file` is damaged; `Err` if anything that can be read is wrong, or too much cannot.
pub(super) fn damaged_records(log: &Log, state: &State, file: &str) -> Result<usize, String> {
    let mut damaged = 0;
    for (name, topic) in &state.topics {
        for (number, expected) in (0..).zip(&topic.partitions) {
            let partition =
                log.topic(name).and_then(|topic| topic.partition(number)).ok_or("a partition is missing")?;
            same("range", (partition.range().start, partition.range().end), (0, expected.records.len() as i64))?;
            let mut next = 0;
            while next < expected.records.len() as i64 {
                match log.read(&partition, next, 1) {
                    Ok(batches) => next = whole(&batches, next, expected)?,
                    Err(ReadError::Damaged { file: named, .. }) if named == file => {
                        damaged += 1;
                        next += 1;
                    }
                    Err(error) => return Err(error.to_string()),
                }
            }
        }
    }
    Ok(damaged)
}

fn whole(batches: &[Batch], mut next: i64, expected: &PartitionState) -> Result<i64, String> {
    for batch in batches {
        same("count", batch.next_offset() > next, true)?;
        for record in batch.records(1 << 20).map_err(|error| error.to_string())? {
            let record = record.map_err(|error| error.to_string())?;
            if record.offset < next {
                continue; // of the batch that was damaged before it
            }
            same("offset", record.offset, next)?;
            let content = expected.records.get(next as usize).ok_or("more records than there are")?;
            same("record", Content::of(&record), Content::clone(content))?;
            next += 1;
        }
    }
    Ok(next)
}

//! `Plan`: a group being put together, its effects, and the answers given once its fate is known.

use std::sync::Arc;

use super::Writer;
use crate::{
    batch::{Batch, BatchBuilder, set_base_offset},
    catalog::{Change, Verdict},
    error::{AppendError, WriteError},
    group::GroupBuilder,
    log::Shared,
    partition::{LEADER_EPOCH, Partition},
    queue::{AppendAnswer, Appended, QueuedBatch, QueuedRecord, Request, Work},
};

/// The group, its [`Effects`] and its [`Answers`].
pub(crate) struct Plan {
    pub(super) group: GroupBuilder,
    effects: Effects,
    answers: Answers,
}

/// What becomes visible when the group is durable.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) batches: Vec<PlannedBatch>,
    pub(super) changes: Vec<Change>,
}

/// Who is told of the group's fate.
#[derive(Default)]
pub(crate) struct Answers {
    appends: Vec<(AppendAnswer, Result<Appended, AppendError>)>,
    requests: Vec<RequestAnswer>,
}

type RequestAnswer = Box<dyn FnOnce(Result<&Shared, WriteError>) + Send>;

/// A batch in the group.
pub(super) struct PlannedBatch {
    pub(super) partition: Arc<Partition>,
    pub(super) base_offset: i64,
    pub(super) next_offset: i64,
    pub(super) max_timestamp: i64,
    /// Where in the group.
    pub(super) start: u32,
    pub(super) length: u32,
}

impl Plan {
    pub(crate) fn new(group: GroupBuilder) -> Self {
        Self { group, effects: Effects::default(), answers: Answers::default() }
    }

    pub(super) fn split(self) -> (GroupBuilder, Effects, Answers) {
        (self.group, self.effects, self.answers)
    }

    /// A change that must become durable.
    pub(crate) fn change(&mut self, change: Change) {
        self.group.change(&change);
        self.effects.changes.push(change);
    }

    /// Called once the group's fate is known.
    pub(super) fn then(&mut self, answer: impl FnOnce(Result<&Shared, WriteError>) + Send + 'static) {
        self.answers.requests.push(Box::new(answer));
    }

    fn append(&mut self, answer: AppendAnswer, result: Result<Appended, AppendError>) {
        self.answers.appends.push((answer, result));
    }

    /// Answers all of it with an error that says that nothing was written.
    pub(crate) fn refuse(work: &mut Work, error: &WriteError) {
        let refusal = || AppendError::Write(error.clone());
        // Nobody waits any more where an answer cannot be sent.
        work.records.drain(..).for_each(|record| _ = record.answer.send(Err(refusal())));
        work.batches.drain(..).for_each(|batch| _ = batch.answer.send(Err(refusal())));
        work.requests.drain(..).for_each(|request| request.refuse(error));
    }
}

impl Request {
    fn refuse(self, error: &WriteError) {
        let error = error.clone();
        match self {
            Self::CreateTopic { answer, .. } => _ = answer.send(Err(error.into())),
            Self::DeleteTopic { answer, .. } | Self::AddPartitions { answer, .. } => _ = answer.send(Err(error.into())),
            Self::CommitOffsets { answer, .. } | Self::ForgetGroup { answer, .. } => _ = answer.send(Err(error)),
            Self::NewProducerId { answer } => _ = answer.send(Err(error)),
            // What the disk was asked to write before may be stored later.
            Self::Flush { answer } if error == WriteError::Stalled => _ = answer.send(Err(error)),
            Self::Flush { answer } => _ = answer.send(Ok(())), // all is answered: that is what was asked
        }
    }
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} answers", self.appends.len() + self.requests.len())
    }
}

impl Answers {
    pub(super) fn appends(&self) -> usize {
        self.appends.len()
    }

    pub(crate) fn give(self, fate: Result<&Shared, WriteError>) {
        for (answer, result) in self.appends {
            let result = match &fate {
                Ok(_) => result,
                Err(error) => result.and_then(|_| Err(AppendError::Write(error.clone()))),
            };
            let _ = answer.send(result); // nobody may wait any more
        }
        for answer in self.requests {
            answer(fate.clone());
        }
    }
}

impl Writer {
    /// Records of this process: those of one partition share batches.
    pub(super) fn plan_records(&mut self, work: &mut Work, plan: &mut Plan) {
        let key = |record: &QueuedRecord| (record.partition.topic_id(), record.partition.number());
        work.records.sort_by_key(key); // stable: the order within a partition stays
        let runs = work.records.chunk_by(|a, b| key(a) == key(b));
        let firsts: Vec<_> = runs.map(|run| (run.len(), self.plan_run(run, &work.arena, plan))).collect();

        let mut records = work.records.drain(..);
        for (count, first) in firsts {
            for (record, nth) in records.by_ref().take(count).zip(0..) {
                let stored = first.clone().map(|first| Appended { offset: first + nth });
                plan.append(record.answer, stored.map_err(AppendError::Write));
            }
        }
    }

    /// Offset of the first of these records, all of one partition.
    fn plan_run(&mut self, run: &[QueuedRecord], arena: &[u8], plan: &mut Plan) -> Result<i64, WriteError> {
        let partition = &run[0].partition;
        let first = self.next_offset(partition)?;
        let (mut rest, mut base_offset) = (run, first);
        while !rest.is_empty() {
            let (together, behind) = rest.split_at(batch_of(rest));
            plan.records(partition, base_offset, together, arena);
            base_offset += together.len() as i64;
            rest = behind;
        }
        self.catalog.advance_by(partition.topic_id(), partition.number() as u32, run.len());
        Ok(first)
    }

    fn next_offset(&self, partition: &Partition) -> Result<i64, WriteError> {
        let state = self.catalog.partition(partition.topic_id(), partition.number() as u32);
        state.map(|state| state.next_offset).ok_or_else(|| unknown(partition))
    }

    /// Batches of Kafka producers.
    pub(super) fn plan_batches(&mut self, work: &mut Work, plan: &mut Plan) {
        for QueuedBatch { partition, batch, answer } in work.batches.drain(..) {
            let result = self.plan_batch(&partition, &batch, plan);
            plan.append(answer, result);
        }
    }

    fn plan_batch(
        &mut self,
        partition: &Arc<Partition>,
        batch: &Batch,
        plan: &mut Plan,
    ) -> Result<Appended, AppendError> {
        let (topic, number) = (partition.topic_id(), partition.number() as u32);
        let state = self.catalog.partition(topic, number).ok_or_else(|| unknown(partition))?;
        if let Some(sequence) = batch.producer() {
            match state.judge(sequence) {
                Verdict::New => {}
                Verdict::Duplicate { base_offset } => return Ok(Appended { offset: base_offset }),
                Verdict::OldDuplicate => return Err(AppendError::DuplicateSequence),
                Verdict::OutOfOrder { expected } => {
                    return Err(AppendError::OutOfOrderSequence { expected, found: sequence.first });
                }
                Verdict::Fenced { current } => {
                    return Err(AppendError::FencedProducer { current, found: sequence.epoch });
                }
            }
        }
        let base_offset = state.next_offset;
        plan.foreign(partition, base_offset, batch);
        self.catalog.advance(topic, number, base_offset, batch);
        Ok(Appended { offset: base_offset })
    }
}

impl Plan {
    fn records(&mut self, partition: &Arc<Partition>, base_offset: i64, records: &[QueuedRecord], arena: &[u8]) {
        let (start, length) = self.group.batch(partition.topic_id(), partition.number() as u32, |out| {
            let start = out.len();
            let mut builder = BatchBuilder::begin(out, base_offset, records[0].timestamp_ms);
            records.iter().for_each(|record| record.push_to(arena, &mut builder, out));
            builder.finish(out);
            set_base_offset(&mut out[start..], base_offset, LEADER_EPOCH);
        });
        self.effects.batches.push(PlannedBatch {
            partition: partition.clone(),
            base_offset,
            next_offset: base_offset + records.len() as i64,
            max_timestamp: records.iter().map(|record| record.timestamp_ms).max().unwrap_or_default(),
            start,
            length,
        });
    }

    fn foreign(&mut self, partition: &Arc<Partition>, base_offset: i64, batch: &Batch) {
        let (start, length) = self.group.batch(partition.topic_id(), partition.number() as u32, |out| {
            let start = out.len();
            out.extend_from_slice(batch.bytes());
            set_base_offset(&mut out[start..], base_offset, LEADER_EPOCH);
        });
        self.effects.batches.push(PlannedBatch {
            partition: partition.clone(),
            base_offset,
            next_offset: base_offset + i64::from(batch.record_count()),
            max_timestamp: batch.max_timestamp(),
            start,
            length,
        });
    }
}

/// How many of the next records of a partition go into one batch.
fn batch_of(records: &[QueuedRecord]) -> usize {
    let mut bytes = 0;
    let fit = records.iter().take_while(|record| {
        bytes += record.size();
        bytes <= BATCH_BYTES
    });
    fit.count().clamp(1, BATCH_RECORDS)
}

fn unknown(partition: &Partition) -> WriteError {
    WriteError::UnknownTopic(partition.topic_name().to_string())
}

/// Keys and values of one batch, a larger record comes alone: well below what consumers fetch at once (1 MiB).
const BATCH_BYTES: usize = 256 << 10;
const BATCH_RECORDS: usize = 4096;

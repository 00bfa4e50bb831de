//! `Queue`: what waits for the writer, bounded; one lock, two buffers that change places.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    batch::{Batch, BatchBuilder, NewRecord},
    catalog::CommittedOffset,
    error::{AppendError, TopicError, WriteError},
    partition::Partition,
    topic::Topic,
};

/// Where a record or batch was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the record, or of the first one of the batch.
    pub offset: i64,
}

pub(crate) type AppendAnswer = oneshot::Sender<Result<Appended, AppendError>>;
pub(crate) type Answer<T, E> = oneshot::Sender<Result<T, E>>;

/// What the writer makes one commit group of.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) requests: Vec<Request>,
    pub(crate) records: Vec<QueuedRecord>,
    pub(crate) batches: Vec<QueuedBatch>,
    /// Keys and values of the records.
    pub(crate) arena: Vec<u8>,
    /// Bytes at most that the records and batches take in a group.
    bytes: usize,
    /// When the first of it came.
    since: Option<Instant>,
}

/// A record of this process.
#[derive(Debug)]
pub(crate) struct QueuedRecord {
    pub(crate) partition: Arc<Partition>,
    pub(crate) timestamp_ms: i64,
    key: Option<Slice>,
    value: Option<Slice>,
    headers: Vec<OwnedHeader>,
    pub(crate) answer: AppendAnswer,
}

/// Name and value. Boxes of their own: records of this process rarely have any.
type OwnedHeader = (Box<[u8]>, Option<Box<[u8]>>);

/// A part of the arena.
#[derive(Debug, Clone, Copy)]
struct Slice {
    start: usize,
    end: usize,
}

/// A batch of a Kafka producer.
#[derive(Debug)]
pub(crate) struct QueuedBatch {
    pub(crate) partition: Arc<Partition>,
    pub(crate) batch: Batch,
    pub(crate) answer: AppendAnswer,
}

/// Anything else that is to become durable.
#[derive(Debug)]
pub(crate) enum Request {
    CreateTopic {
        name: String,
        partitions: i32,
        settings: Vec<(String, String)>,
        answer: Answer<Arc<Topic>, TopicError>,
    },
    DeleteTopic {
        name: String,
        answer: Answer<(), TopicError>,
    },
    AddPartitions {
        name: String,
        total: i32,
        answer: Answer<(), TopicError>,
    },
    CommitOffsets {
        group: String,
        offsets: Vec<CommittedOffset>,
        answer: Answer<(), WriteError>,
    },
    ForgetGroup {
        group: String,
        answer: Answer<(), WriteError>,
    },
    NewProducerId {
        answer: Answer<i64, WriteError>,
    },
    Flush {
        answer: Answer<(), WriteError>,
    },
}

impl Work {
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.records.is_empty() && self.batches.is_empty()
    }

    /// Bytes at most that a group of all this takes.
    pub(crate) fn bound(&self) -> usize {
        self.bytes + self.requests.iter().map(Request::bound).sum::<usize>()
    }

    fn len(&self) -> usize {
        self.records.len() + self.batches.len()
    }
}

impl QueuedRecord {
    /// Adds it to a batch.
    pub(crate) fn push_to(&self, arena: &[u8], builder: &mut BatchBuilder, out: &mut Vec<u8>) {
        let part = |slice: Slice| &arena[slice.start..slice.end];
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, value.as_deref())).collect();
        let (key, value) = (self.key.map(part), self.value.map(part));
        builder.push(out, NewRecord { timestamp_ms: self.timestamp_ms, key, value, headers: &headers });
    }

    /// Bytes of its key and value.
    pub(crate) fn size(&self) -> usize {
        let size = |slice: Option<Slice>| slice.map_or(0, |slice| slice.end - slice.start);
        size(self.key) + size(self.value)
    }
}

impl Request {
    /// Bytes at most that it takes in a group.
    fn bound(&self) -> usize {
        const EACH: usize = 64;
        EACH + match self {
            Self::CreateTopic { name, settings, .. } => {
                name.len() + settings.iter().map(|(name, value)| name.len() + value.len() + EACH).sum::<usize>()
            }
            Self::CommitOffsets { group, offsets, .. } => {
                group.len() + offsets.iter().map(|offset| offset.metadata.len() + EACH).sum::<usize>()
            }
            Self::ForgetGroup { group, .. } => group.len(),
            Self::DeleteTopic { .. } | Self::AddPartitions { .. } | Self::NewProducerId { .. } | Self::Flush { .. } => {
                0
            }
        }
    }
}

/// What waits, and the bound on it.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    most_bytes: usize,
    most_records: usize,
}

#[derive(Debug, Default)]
struct State {
    work: Work,
    /// An empty one that was used before, to spare allocations.
    spare: Work,
    /// Of what the writer has in hand.
    committing: InHand,
    waiting: bool,
    /// Why nothing more is taken.
    closed: Option<WriteError>,
}

#[derive(Debug, Clone, Copy, Default)]
struct InHand {
    bytes: usize,
    records: usize,
    since: Option<Instant>,
}

impl Queue {
    pub(crate) fn new(most_bytes: usize, most_records: usize) -> Self {
        Self { state: Mutex::default(), filled: Condvar::new(), most_bytes, most_records }
    }

    pub(crate) fn push_record(
        &self,
        partition: &Arc<Partition>,
        record: NewRecord<'_>,
        answer: AppendAnswer,
    ) -> Result<(), WriteError> {
        let bytes = BatchBuilder::record_bound(&record) + EACH_RECORD;
        let mut state = self.admit(bytes)?;
        let work = &mut state.work;
        let mut keep = |part: &[u8]| {
            let start = work.arena.len();
            work.arena.extend_from_slice(part);
            Slice { start, end: work.arena.len() }
        };
        let (key, value) = (record.key.map(&mut keep), record.value.map(&mut keep));
        let headers = record.headers.iter().map(|(name, value)| ((*name).into(), value.map(Into::into))).collect();
        let partition = partition.clone();
        let timestamp_ms = record.timestamp_ms;
        work.records.push(QueuedRecord { partition, timestamp_ms, key, value, headers, answer });
        work.bytes += bytes;
        self.wake(state);
        Ok(())
    }

    pub(crate) fn push_batch(
        &self,
        partition: &Arc<Partition>,
        batch: Batch,
        answer: AppendAnswer,
    ) -> Result<(), WriteError> {
        let bytes = batch.len() + crate::group::BATCH_PREFIX_BYTES;
        let mut state = self.admit(bytes)?;
        state.work.batches.push(QueuedBatch { partition: partition.clone(), batch, answer });
        state.work.bytes += bytes;
        self.wake(state);
        Ok(())
    }

    /// Requests are not bounded here: whoever makes them waits for their answers.
    pub(crate) fn push_request(&self, request: Request) -> Result<(), WriteError> {
        let mut state = self.lock();
        if let Some(closed) = &state.closed {
            return Err(closed.clone());
        }
        state.work.requests.push(request);
        self.wake(state);
        Ok(())
    }

    /// Takes nothing more, for this reason; what waits is still handed out.
    pub(crate) fn close(&self, reason: WriteError) {
        let mut state = self.lock();
        state.closed.get_or_insert(reason);
        state.waiting = false;
        self.filled.notify_all();
    }

    /// Bytes and records that are not durable yet.
    pub(crate) fn backlog(&self) -> (usize, usize) {
        let state = self.lock();
        (state.work.bytes + state.committing.bytes, state.work.len() + state.committing.records)
    }

    /// How long the first has waited of what the writer has in hand, and of what waits for it.
    pub(crate) fn ages(&self) -> [Option<Duration>; 2] {
        let state = self.lock();
        [state.committing.since, state.work.since].map(|since| since.map(|since| since.elapsed()))
    }

    /// Takes back what the writer has not taken.
    pub(crate) fn withdraw(&self) -> Work {
        std::mem::take(&mut self.lock().work)
    }

    /// Everything that waits, at once; gives back what was taken before. Waits up to `patience` for something. `None`: closed
    /// and empty.
    pub(crate) fn take(&self, done: Work, patience: Duration) -> Option<Work> {
        let mut state = self.lock();
        state.spare = done.emptied();
        state.committing = InHand::default();
        if state.work.is_empty() {
            if state.closed.is_some() {
                return None;
            }
            state.waiting = true;
            let waited = self.filled.wait_timeout_while(state, patience, |state| state.waiting);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.waiting = false;
        }
        let spare = std::mem::take(&mut state.spare);
        let work = std::mem::replace(&mut state.work, spare);
        state.committing = InHand { bytes: work.bytes, records: work.len(), since: work.since };
        Some(work)
    }

    fn admit(&self, bytes: usize) -> Result<MutexGuard<'_, State>, WriteError> {
        let state = self.lock();
        if let Some(closed) = &state.closed {
            return Err(closed.clone());
        }
        let full = state.work.bytes + state.committing.bytes + bytes > self.most_bytes
            || state.work.len() + state.committing.records >= self.most_records;
        if full { Err(WriteError::BacklogFull) } else { Ok(state) }
    }

    /// Something was pushed.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        state.work.since.get_or_insert_with(Instant::now);
        if std::mem::take(&mut state.waiting) {
            drop(state);
            self.filled.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    /// The same buffers, empty; large ones go.
    fn emptied(mut self) -> Self {
        self.requests.clear();
        self.records.clear();
        self.batches.clear();
        self.arena.clear();
        self.arena.shrink_to(KEPT_ARENA);
        self.records.shrink_to(KEPT_RECORDS);
        self.bytes = 0;
        self.since = None;
        self
    }
}

/// A record may need an entry and a batch of its own.
const EACH_RECORD: usize = Batch::HEADER_BYTES + crate::group::BATCH_PREFIX_BYTES;
const KEPT_ARENA: usize = 1 << 20;
const KEPT_RECORDS: usize = 4096;

//! `Reader`: one running read: a task that looks, hands out, and sleeps until the topic changes.

use std::sync::Arc;

use embedded_log::batch::{self, Batch as LogBatch, Compression, Records};
use embedded_log::{Log, Partition, ReadError, Topic};
use tokio::sync::{mpsc, watch};

use crate::broker::{Delivery, Start};
use crate::metrics::Metrics;
use crate::record::{Batch, Header, Record};

/// Reads all partitions of a topic from some position on.
#[derive(Debug)]
pub(super) struct Reader {
    log: Log,
    topic: Arc<Topic>,
    positions: Vec<Position>,
    /// Partition that is looked at first; they take turns.
    first: usize,
    metrics: Metrics,
}

#[derive(Debug)]
struct Position {
    next: i64,
    caught_up: bool,
}

/// Nothing follows: the reader has left, or was told so.
struct Ended;

/// Why a look at a partition brought no records.
enum Trouble {
    /// Retention was faster; the next look tells.
    Moved,
    /// For the server's log.
    Unreadable(String),
}

impl Reader {
    /// Positions are those of this moment.
    pub(super) fn new(log: Log, topic: Arc<Topic>, start: Start, metrics: Metrics) -> Self {
        let position = |partition: &Arc<Partition>| {
            let range = partition.range();
            Position { next: start.of(partition.number(), range.start, range.end), caught_up: start == Start::End }
        };
        let positions = topic.partitions().iter().map(position).collect();
        Self { log, topic, positions, first: 0, metrics }
    }

    /// Until the topic goes, cannot be read, or nobody takes the deliveries any more.
    pub(super) async fn run(mut self, sender: mpsc::Sender<Delivery>) {
        let mut changes = self.topic.changes();
        let mut out = Out { sender: &sender, metrics: self.metrics.clone(), records: Vec::new(), bytes: 0 };
        tokio::select! {
            Ended = self.hand_out(&mut changes, &mut out) => {}
            () = sender.closed() => {}
        }
    }

    async fn hand_out(&mut self, changes: &mut watch::Receiver<u64>, out: &mut Out<'_>) -> Ended {
        loop {
            changes.borrow_and_update(); // before looking, so that no commit falls between
            match self.look(out).await {
                Ok(true) => {}
                Ok(false) => _ = changes.changed().await, // cannot fail: the topic is in our hand
                Err(ended) => return ended,
            }
        }
    }

    /// Hands out what is due now, a part of each partition; whether there was any.
    async fn look(&mut self, out: &mut Out<'_>) -> Result<bool, Ended> {
        if self.topic.is_deleted() {
            out.tell(Delivery::TopicGone).await?;
            return Err(Ended);
        }
        let partitions = self.topic.partitions();
        let grown_from = self.positions.len();
        self.positions.extend((grown_from..partitions.len()).map(|_| Position { next: 0, caught_up: true }));
        self.first = (self.first + 1) % partitions.len().max(1);
        let mut found = false;
        for turn in 0..partitions.len() {
            found |= self.look_at(&partitions[(self.first + turn) % partitions.len()], out).await?;
        }
        out.flush().await?;
        Ok(found)
    }

    async fn look_at(&mut self, partition: &Arc<Partition>, out: &mut Out<'_>) -> Result<bool, Ended> {
        let (number, range) = (partition.number(), partition.range());
        let Some(position) = self.positions.get_mut(number as usize) else { return Ok(false) };
        let next = position.next.clamp(range.start, range.end);
        if next != position.next {
            let lost = (next - position.next).max(0);
            position.next = next;
            out.tell(Delivery::Gap { partition: number, next_offset: next, lost }).await?;
        }
        if next == range.end {
            let told = std::mem::replace(&mut position.caught_up, true);
            if !told {
                out.tell(Delivery::CaughtUp { partition: number }).await?;
            }
            return Ok(false);
        }
        match self.pass_on(partition, out).await? {
            Ok(()) | Err(Trouble::Moved) => Ok(true),
            Err(Trouble::Unreadable(problem)) => {
                let offset = self.positions[number as usize].next;
                tracing::error!(topic = %self.topic.name(), partition = number, offset, problem, "a read ended");
                out.tell(Delivery::Unreadable { partition: number, offset }).await?;
                Err(Ended)
            }
        }
    }

    /// Hands out some batches of one partition, and moves its position behind them.
    async fn pass_on(&mut self, partition: &Arc<Partition>, out: &mut Out<'_>) -> Result<Result<(), Trouble>, Ended> {
        let position = &mut self.positions[partition.number() as usize].next;
        let batches = match fetch(&self.log, partition, *position).await {
            Ok(batches) => batches,
            Err(trouble) => return Ok(Err(trouble)),
        };
        for batch in batches {
            let behind = batch.next_offset();
            let records = match open(batch, self.log.options().max_expanded_bytes).await {
                Ok(records) => records,
                Err(trouble) => return Ok(Err(trouble)),
            };
            for record in records {
                match record {
                    Ok(record) if record.offset < *position => {}
                    Ok(record) => {
                        *position = record.offset + 1;
                        out.push(partition.number(), record).await?;
                    }
                    Err(error) => return Ok(Err(Trouble::Unreadable(error.to_string()))),
                }
            }
            *position = behind;
        }
        Ok(Ok(()))
    }
}

/// From memory where it is there, else from the files, off the async threads.
async fn fetch(log: &Log, partition: &Arc<Partition>, offset: i64) -> Result<Vec<LogBatch>, Trouble> {
    match log.read_recent(partition, offset, BATCH_BYTES) {
        Ok(Some(batches)) => return Ok(batches),
        Ok(None) => {}
        Err(error) => return Err(trouble(&error)),
    }
    let (log, partition) = (log.clone(), partition.clone());
    blocking(move || log.read(&partition, offset, BATCH_BYTES).map_err(|error| trouble(&error))).await
}

/// The records of a batch; compressed ones are expanded off the async threads.
async fn open(batch: LogBatch, limit: usize) -> Result<Records, Trouble> {
    let compressed = batch.compression() != Compression::None;
    let records = move || batch.records(limit).map_err(|error| Trouble::Unreadable(error.to_string()));
    if compressed { blocking(records).await } else { records() }
}

async fn blocking<T: Send + 'static>(
    question: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
) -> Result<T, Trouble> {
    // An error means that the runtime is ending.
    tokio::task::spawn_blocking(question).await.unwrap_or_else(|error| Err(Trouble::Unreadable(error.to_string())))
}

fn trouble(error: &ReadError) -> Trouble {
    match error {
        ReadError::OutOfRange { .. } => Trouble::Moved,
        ReadError::Damaged { .. } | ReadError::Io { .. } => Trouble::Unreadable(error.to_string()),
    }
}

/// Gathers records of all partitions into batches, and hands over in order.
struct Out<'a> {
    sender: &'a mpsc::Sender<Delivery>,
    metrics: Metrics,
    records: Vec<Record>,
    bytes: usize,
}

impl Out<'_> {
    async fn push(&mut self, partition: i32, record: batch::Record) -> Result<(), Ended> {
        self.bytes += size_of::<Record>()
            + record.key.as_ref().map_or(0, |key| key.len())
            + record.value.as_ref().map_or(0, |value| value.len());
        self.records.push(convert(partition, record));
        if self.bytes >= BATCH_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        if self.records.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let records = std::mem::take(&mut self.records);
        self.metrics.records_read.inc_by(records.len() as u64);
        self.send(Delivery::Batch(Batch { records })).await
    }

    async fn tell(&mut self, delivery: Delivery) -> Result<(), Ended> {
        self.flush().await?;
        match delivery {
            Delivery::Gap { lost, .. } => self.metrics.count_gap(lost),
            Delivery::Unreadable { .. } => _ = self.metrics.unreadable.inc(),
            Delivery::Batch(_) | Delivery::CaughtUp { .. } | Delivery::TopicGone => {}
        }
        self.send(delivery).await
    }

    async fn send(&self, delivery: Delivery) -> Result<(), Ended> {
        self.sender.send(delivery).await.map_err(|_| Ended)
    }
}

fn convert(partition: i32, record: batch::Record) -> Record {
    let header =
        |header: batch::Header| Header { name: String::from_utf8_lossy(&header.name).into(), value: header.value };
    Record {
        partition,
        offset: record.offset,
        timestamp_ms: (record.timestamp_ms >= 0).then_some(record.timestamp_ms),
        key: record.key,
        value: record.value,
        headers: record.headers.into_iter().map(header).collect(),
    }
}

/// Bound of one batch, in bytes; a larger record comes alone.
const BATCH_BYTES: usize = 256 << 10;

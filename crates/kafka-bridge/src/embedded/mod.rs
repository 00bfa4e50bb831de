//! `EmbeddedBroker`: topics in a log of this process, in a folder of this machine.
//!
//! Acknowledged means synced to the disk. Nothing can be read before that, and no offset is used twice; what is damaged is
//! never handed out. See [`embedded_log::Log`].

mod ack;
mod reader;
mod tend;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use embedded_log::storage::{DiskStorage, Storage};
use embedded_log::{
    AppendError, CommittedOffset, Log, OpenError, Options, Partition, Topic, TopicError, WriteError, batch,
};
use futures::future::{BoxFuture, FutureExt, ready};
use tokio::sync::mpsc;

pub(crate) use ack::LogAck;

use crate::broker::{
    Ack, Broker, BrokerError, CreateTopicError, Deliveries, Health, NextOffset, NotWritten, PartitionPositions,
    ReadError, Start, TopicInfo,
};
use crate::metrics::Metrics;
use crate::names::{check_topic_name, is_internal};
use crate::partitioner::partition_of;
use crate::record::NewRecord;
use crate::topic_settings::{Cleanup, NewTopic, TopicSettings};
use reader::Reader;

/// How an [`EmbeddedBroker`] is kept.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// Of the log itself; its observer is ours.
    pub log: Options,
    /// Largest key and value together. Default 4 MiB + 64 KiB; the log's own limit must leave room for a batch around it.
    pub message_max_bytes: usize,
    /// Time within which every append is answered. Default 30 s. A disk that hangs longer makes the outcome unknown.
    pub delivery_timeout: Duration,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self {
            log: Options::default(),
            message_max_bytes: (4 << 20) + (64 << 10),
            delivery_timeout: Duration::from_secs(30),
        }
    }
}

/// Topics in a folder.
#[derive(Debug)]
pub struct EmbeddedBroker {
    folder: PathBuf,
    log: Log,
    shared: Arc<Shared>,
    message_max_bytes: usize,
    /// Records without a key so far: they go round.
    without_key: AtomicU32,
    tending: tokio::task::JoinHandle<()>,
}

/// What acknowledgements need.
#[derive(Debug)]
struct Shared {
    metrics: Metrics,
    delivery_timeout: Duration,
}

impl EmbeddedBroker {
    /// Opens the log in `folder`, or makes one in an empty or missing folder. Blocks for as long as the newest segment takes to
    /// read; must run in a tokio runtime, on a thread that may block.
    ///
    /// # Errors
    /// Those of [`Log::open`]; nothing was changed.
    pub fn open(folder: &Path, settings: EmbeddedSettings, metrics: Metrics) -> Result<Arc<Self>, OpenError> {
        Self::open_storage(Arc::new(DiskStorage::new(folder)), settings, metrics)
    }

    /// The same on any storage.
    ///
    /// # Errors
    /// As [`EmbeddedBroker::open`].
    pub fn open_storage(
        storage: Arc<dyn Storage>,
        settings: EmbeddedSettings,
        metrics: Metrics,
    ) -> Result<Arc<Self>, OpenError> {
        let EmbeddedSettings { log: options, message_max_bytes, delivery_timeout } = settings;
        let (folder, commits) = (storage.path(), tend::Commits::new(metrics.clone()));
        let log = Log::open_storage(storage, Options { observer: Some(commits.clone()), ..options })?;
        let tending = tokio::spawn(tend::run(log.clone(), metrics.clone(), delivery_timeout));
        let shared = Arc::new(Shared { metrics, delivery_timeout });
        Ok(Arc::new(Self { folder, log, shared, message_max_bytes, without_key: AtomicU32::new(0), tending }))
    }

    /// The log, for its other door.
    pub fn log(&self) -> &Log {
        &self.log
    }

    fn try_append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten> {
        let size = record.size();
        if size > self.message_max_bytes {
            return Err(NotWritten::TooLarge { size, limit: self.message_max_bytes });
        }
        let unknown = || NotWritten::UnknownTopic(topic.to_owned());
        let found = self.known(topic).ok_or_else(unknown)?;
        let partitions = found.partition_count();
        let number = match record.key {
            Some(key) => partition_of(key, partitions),
            None => (self.without_key.fetch_add(1, Ordering::Relaxed) % partitions.max(1) as u32) as i32,
        };
        let partition = found.partition(number).ok_or_else(unknown)?;
        let since = Instant::now();
        // Without headers, as most records are, nothing is allocated.
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes()))).collect();
        let record =
            batch::NewRecord { timestamp_ms: now_ms(), key: record.key, value: Some(record.value), headers: &headers };
        match self.log.append(&partition, record) {
            Ok(pending) => Ok(Ack::of_log(LogAck::new(pending, number, since, self.shared.clone()))),
            // Not to be expected before anything was handed over; the promise is kept all the same.
            Err(AppendError::Write(WriteError::Failed(_))) => Ok(Ack::pair().1),
            Err(error) => Err(refusal(error)),
        }
    }

    /// A topic that is there for clients. Allocates nothing.
    fn known(&self, name: &str) -> Option<Arc<Topic>> {
        self.log.topic(name).filter(|_| !is_internal(name))
    }

    fn readable(&self, name: &str) -> Result<Arc<Topic>, ReadError> {
        self.known(name).ok_or_else(|| ReadError::UnknownTopic(name.to_owned()))
    }

    /// What is asked for beyond partitions is kept and shown, and has no effect: all of the log is kept alike.
    async fn add_topic(&self, name: &str, wanted: &NewTopic) -> Result<TopicInfo, CreateTopicError> {
        let invalid = |reason: String| CreateTopicError::Invalid { name: name.to_owned(), reason };
        check_topic_name(name).map_err(|error| invalid(error.to_string()))?;
        let settings = wanted.properties().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if wanted.cleanup.is_some_and(|cleanup| cleanup != Cleanup::Delete) {
            tracing::info!(topic = name, "the topic is to be compacted; here it is kept as the whole log is");
        }
        let making = self.log.create_topic(name, wanted.partitions.unwrap_or(1), settings);
        match tokio::time::timeout(self.shared.delivery_timeout, making).await {
            Ok(Ok(topic)) => Ok(info(&topic)),
            Ok(Err(TopicError::Exists(name))) => Err(CreateTopicError::Exists(name)),
            Ok(Err(TopicError::Write(error))) => Err(BrokerError::Other(error.to_string()).into()),
            Ok(Err(error)) => Err(invalid(error.to_string())),
            Err(_) => Err(BrokerError::Unreachable.into()),
        }
    }
}

impl Drop for EmbeddedBroker {
    fn drop(&mut self) {
        self.tending.abort();
    }
}

impl Broker for EmbeddedBroker {
    fn describe(&self) -> String {
        self.folder.display().to_string()
    }

    fn append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten> {
        self.try_append(topic, record).inspect_err(|error| self.shared.metrics.count_refused(error))
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, BrokerError>> {
        let topics = self.log.topics();
        ready(Ok(topics.iter().filter(|topic| !is_internal(topic.name())).map(|topic| info(topic)).collect())).boxed()
    }

    fn topic(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicInfo>, BrokerError>> {
        ready(Ok(self.known(name).map(|topic| info(&topic)))).boxed()
    }

    fn make_topic(&self, name: &str, wanted: NewTopic) -> BoxFuture<'_, Result<TopicInfo, CreateTopicError>> {
        let name = name.to_owned();
        async move { self.add_topic(&name, &wanted).await }.boxed()
    }

    fn topic_settings(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicSettings>, BrokerError>> {
        let kept_ms = i64::try_from(self.log.options().retention_age.as_millis()).unwrap_or(i64::MAX);
        let defaults = TopicSettings { retention_ms: kept_ms, ..TopicSettings::UNLIMITED };
        let settings = self.known(name).map(|topic| {
            let asked = topic.settings();
            defaults.with(|name| asked.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()))
        });
        ready(Ok(settings)).boxed()
    }

    fn positions(&self, topic: &str) -> BoxFuture<'_, Result<Vec<PartitionPositions>, ReadError>> {
        let positions =
            self.readable(topic).map(|topic| topic.partitions().iter().map(|one| positions_of(one)).collect());
        ready(positions).boxed()
    }

    fn offsets_at(&self, topic: &str, timestamp_ms: i64) -> BoxFuture<'_, Result<Vec<i64>, ReadError>> {
        let (log, name) = (self.log.clone(), topic.to_owned());
        async move {
            let topic = self.readable(&name)?;
            let offsets = move || -> Result<_, embedded_log::ReadError> {
                let offset = |partition: &Arc<Partition>| {
                    let end = partition.range().end; // before the question: what comes meanwhile is later
                    Ok(log.offset_for_time(partition, timestamp_ms)?.map_or(end, |(offset, _)| offset))
                };
                topic.partitions().iter().map(offset).collect()
            };
            // It may read files.
            match tokio::task::spawn_blocking(offsets).await {
                Ok(Ok(offsets)) => Ok(offsets),
                Ok(Err(embedded_log::ReadError::Damaged { .. })) => Err(ReadError::Damaged(name)),
                Ok(Err(error)) => Err(BrokerError::Other(error.to_string()).into()),
                Err(error) => Err(BrokerError::Other(error.to_string()).into()), // the runtime is ending
            }
        }
        .boxed()
    }

    fn read(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>> {
        // Positions are taken when the future runs, not when it is made: a caller counts from its completion.
        let name = topic.to_owned();
        async move {
            let topic = self.readable(&name)?;
            let (sender, receiver) = mpsc::channel(QUEUED_DELIVERIES);
            let reader = Reader::new(self.log.clone(), topic, &start, self.shared.metrics.clone());
            tokio::spawn(reader.run(sender));
            Ok(Deliveries { receiver })
        }
        .boxed()
    }

    fn committed(&self, group: &str, topic: &str) -> BoxFuture<'_, Result<Vec<NextOffset>, BrokerError>> {
        let offsets = self.log.committed_offsets(group).into_iter().filter(|offset| offset.topic == topic);
        let next = |offset: CommittedOffset| NextOffset { partition: offset.partition, offset: offset.offset };
        ready(Ok(offsets.map(next).collect())).boxed()
    }

    fn commit(&self, group: &str, topic: &str, next: Vec<NextOffset>) -> BoxFuture<'_, Result<(), ReadError>> {
        if let Err(error) = self.readable(topic) {
            return ready(Err(error)).boxed();
        }
        let offset = |next: NextOffset| CommittedOffset {
            topic: topic.to_owned(),
            partition: next.partition,
            offset: next.offset,
            leader_epoch: -1,
            metadata: String::new(),
        };
        let committing = self.log.commit_offsets(group, next.into_iter().map(offset).collect());
        async move {
            match tokio::time::timeout(self.shared.delivery_timeout, committing).await {
                Ok(committed) => committed.map_err(|error| BrokerError::Other(error.to_string()).into()),
                Err(_) => Err(BrokerError::Unreachable.into()),
            }
        }
        .boxed()
    }

    /// A full disk heals, and refuses by itself: the broker is there.
    fn health(&self) -> Health {
        match self.log.writable() {
            Err(WriteError::Stopped(_) | WriteError::Failed(_)) => Health::Failed,
            _ => Health::Reachable,
        }
    }

    fn flush(&self) -> BoxFuture<'_, bool> {
        let (flushed, timeout) = (self.log.flush(), self.shared.delivery_timeout);
        async move { matches!(tokio::time::timeout(timeout, flushed).await, Ok(Ok(()))) }.boxed()
    }
}

fn positions_of(partition: &Partition) -> PartitionPositions {
    let range = partition.range();
    PartitionPositions { partition: partition.number(), earliest: range.start, end: range.end }
}

fn info(topic: &Topic) -> TopicInfo {
    TopicInfo { name: topic.name().to_string(), partitions: topic.partition_count(), has_leaders: true }
}

/// Why a record that is certainly not stored was not.
fn refusal(error: AppendError) -> NotWritten {
    match error {
        AppendError::TooLarge { size, limit } => NotWritten::TooLarge { size, limit },
        AppendError::Write(WriteError::UnknownTopic(name)) => NotWritten::UnknownTopic(name),
        AppendError::Write(WriteError::BacklogFull) => NotWritten::BacklogFull,
        AppendError::Write(WriteError::DiskFull) => NotWritten::DiskFull,
        AppendError::Write(WriteError::Stopped(_)) => NotWritten::LogFailed,
        AppendError::Write(WriteError::Stalled) => NotWritten::Unavailable,
        other => NotWritten::Refused(other.to_string()),
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Deliveries a reader may leave waiting before reading pauses.
const QUEUED_DELIVERIES: usize = 16;

//! `Log`: the handle a program holds; what it promises. `Shared`: what readers, appenders and the writer share.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    task::{Context, Poll},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    batch::{Batch, BatchBuilder, NewRecord},
    cache::Cache,
    catalog::{CommittedOffset, Groups},
    commit::{Answers, Plan},
    error::{AppendError, OpenError, ReadError, TopicError, WriteError},
    options::Options,
    partition::Partition,
    queue::{Appended, Queue, Request},
    recovery,
    segment::{Name, Segment},
    storage::{DiskStorage, Storage},
    topic::Topic,
};

/// A log in a folder. Clones share it; when the last one is dropped, what was handed over is made durable and the folder
/// is free again.
///
/// What was acknowledged is on the disk (`fdatasync`) before the acknowledgement, and nothing can be read before it is.
/// Offsets of a partition are dense, from 0, and never used again. Damaged bytes are never handed out.
#[derive(Debug, Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.queue.close(WriteError::Stopped("it was closed".to_owned()));
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the log's writer panicked");
        }
    }
}

impl Log {
    /// Opens the log in `folder`, or makes one in an empty or missing folder. Blocks; reads the newest segment.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing in the folder was changed then.
    pub fn open(folder: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        Self::open_storage(Arc::new(DiskStorage::new(folder)), options)
    }

    /// The same on any storage.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_storage(storage: Arc<dyn Storage>, options: Options) -> Result<Self, OpenError> {
        let (shared, writer) = recovery::open(storage, options)?;
        let writer = thread::Builder::new().name("log writer".to_owned()).spawn(move || writer.run());
        let writer = writer.map_err(|error| OpenError::Io { path: shared.storage.path(), error })?;
        Ok(Self { inner: Arc::new(Inner { shared, writer: Mutex::new(Some(writer)) }) })
    }

    /// All topics, by name, internal ones (leading `__`) too.
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<_> = self.shared().topics().values().cloned().collect();
        topics.sort_unstable_by(|a, b| a.name().cmp(b.name()));
        topics
    }

    /// One topic.
    pub fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.shared().topics().get(name).cloned()
    }

    /// Makes a topic. `settings` are kept and shown ([`Topic::settings`]) and have no effect.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        settings: Vec<(String, String)>,
    ) -> Pending<Arc<Topic>, TopicError> {
        let name = name.to_owned();
        self.request(|answer| Request::CreateTopic { name, partitions, settings, answer })
    }

    /// Deletes a topic with its records and committed offsets. The space comes back with retention.
    pub fn delete_topic(&self, name: &str) -> Pending<(), TopicError> {
        let name = name.to_owned();
        self.request(|answer| Request::DeleteTopic { name, answer })
    }

    /// Raises a topic's number of partitions to `total`.
    pub fn add_partitions(&self, name: &str, total: i32) -> Pending<(), TopicError> {
        let name = name.to_owned();
        self.request(|answer| Request::AddPartitions { name, total, answer })
    }

    /// Hands a record over; records handed over one after the other for one partition are stored in that order. Never waits.
    /// Records that wait together share a batch.
    ///
    /// # Errors
    /// Nothing was or will be stored.
    pub fn append(
        &self,
        partition: &Arc<Partition>,
        record: NewRecord<'_>,
    ) -> Result<Pending<Appended, AppendError>, AppendError> {
        self.check_size(Batch::HEADER_BYTES + BatchBuilder::record_bound(&record))?;
        let (answer, pending) = oneshot::channel();
        self.shared().queue.push_record(partition, record, answer)?;
        Ok(Pending(pending))
    }

    /// Hands over a batch as a Kafka producer made it: sequence numbers of idempotent producers are checked, a batch sent
    /// again is acknowledged with its first place. Records are walked (decompressing, bounded) before this returns.
    ///
    /// # Errors
    /// Nothing was or will be stored.
    pub fn append_batch(
        &self,
        partition: &Arc<Partition>,
        batch: Batch,
    ) -> Result<Pending<Appended, AppendError>, AppendError> {
        self.check_size(batch.len())?;
        batch.check_producible()?;
        batch.check_records(self.options().max_expanded_bytes)?;
        let (answer, pending) = oneshot::channel();
        self.shared().queue.push_batch(partition, batch, answer)?;
        Ok(Pending(pending))
    }

    /// Batches from the one that holds `offset` on: at least one where there is any, else as many as fit `max_bytes`. Empty at
    /// the end. May read files (blocks for as long as the disk does); see [`Log::read_recent`].
    ///
    /// # Errors
    /// See [`ReadError`]. Batches before damage are handed out; the next read then meets it.
    pub fn read(&self, partition: &Partition, offset: i64, max_bytes: usize) -> Result<Vec<Batch>, ReadError> {
        self.shared().read(partition, offset, max_bytes)
    }

    /// The same from memory only, without touching a file: `None` when a file is needed.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`].
    pub fn read_recent(
        &self,
        partition: &Partition,
        offset: i64,
        max_bytes: usize,
    ) -> Result<Option<Vec<Batch>>, ReadError> {
        self.shared().read_recent(partition, offset, max_bytes)
    }

    /// Offset and timestamp (ms) of the first record whose timestamp is at least `timestamp_ms`. May read files.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn offset_for_time(&self, partition: &Partition, timestamp_ms: i64) -> Result<Option<(i64, i64)>, ReadError> {
        self.shared().offset_for_time(partition, timestamp_ms)
    }

    /// Remembers how far a consumer group has read; durable when the answer comes.
    pub fn commit_offsets(&self, group: &str, offsets: Vec<CommittedOffset>) -> Pending<(), WriteError> {
        let group = group.to_owned();
        self.request(|answer| Request::CommitOffsets { group, offsets, answer })
    }

    /// What a group has committed: all of it, by topic and partition. Deleted topics are left out.
    pub fn committed_offsets(&self, group: &str) -> Vec<CommittedOffset> {
        let names: HashMap<_, _> =
            self.shared().topics().values().map(|topic| (topic.id(), topic.name().clone())).collect();
        let groups = self.shared().groups();
        let named = groups.of(group).filter_map(|stored| {
            Some(CommittedOffset {
                topic: names.get(&stored.topic)?.to_string(),
                partition: stored.partition as i32,
                offset: stored.offset,
                leader_epoch: stored.leader_epoch,
                metadata: stored.metadata,
            })
        });
        named.collect()
    }

    /// Names of the groups that have committed something, in no order.
    pub fn groups(&self) -> Vec<String> {
        self.shared().groups().names().map(str::to_owned).collect()
    }

    /// Forgets what a group has committed.
    pub fn forget_group(&self, group: &str) -> Pending<(), WriteError> {
        let group = group.to_owned();
        self.request(|answer| Request::ForgetGroup { group, answer })
    }

    /// A producer id that was never given before.
    pub fn new_producer_id(&self) -> Pending<i64, WriteError> {
        self.request(|answer| Request::NewProducerId { answer })
    }

    /// Whether the log takes writes.
    ///
    /// # Errors
    /// [`WriteError::DiskFull`], which heals, or [`WriteError::Stopped`], which is final.
    pub fn writable(&self) -> Result<(), WriteError> {
        self.shared().status()
    }

    /// Waits until the fate of everything handed over so far is known, whatever it is.
    ///
    /// # Errors
    /// [`WriteError::Overdue`] or [`WriteError::Stalled`] where it is not: some may be durable later.
    pub fn flush(&self) -> Pending<(), WriteError> {
        self.request(|answer| Request::Flush { answer })
    }

    /// Bytes, and records and batches, that were handed over and are not durable yet.
    pub fn backlog(&self) -> (usize, usize) {
        self.shared().queue.backlog()
    }

    /// How long the oldest of that has waited.
    pub fn oldest(&self) -> Option<Duration> {
        self.shared().queue.ages().into_iter().flatten().max()
    }

    /// Answers for a disk that hangs: what the disk was asked to write and has waited longer is [`WriteError::Overdue`], what
    /// was not begun is taken back as [`WriteError::Stalled`]. To be called now and then, by who promises an answer in time:
    /// a timer for each append would cost more than the append.
    pub fn give_up_after(&self, patience: Duration) {
        let queue = &self.shared().queue;
        let late = |age: Option<Duration>| age.is_some_and(|age| age > patience);
        self.shared().answer_if(|| late(queue.ages()[0]), Err(WriteError::Overdue));
        if late(queue.ages()[1]) {
            Plan::refuse(&mut queue.withdraw(), &WriteError::Stalled);
        }
    }

    /// Bytes of all segment files together.
    pub fn bytes(&self) -> u64 {
        self.shared().segments().values().map(|segment| segment.end).sum()
    }

    /// Random text that tells this log from every other, the same for its whole life.
    pub fn id(&self) -> &str {
        &self.shared().id
    }

    /// Limits in force.
    pub fn options(&self) -> &Options {
        &self.shared().options
    }

    /// For tests that are the writer themselves.
    #[cfg(test)]
    pub(crate) fn without_thread(shared: Arc<Shared>) -> Self {
        Self { inner: Arc::new(Inner { shared, writer: Mutex::default() }) }
    }

    fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    fn check_size(&self, size: usize) -> Result<(), AppendError> {
        let limit = self.options().max_batch_bytes;
        if size > limit { Err(AppendError::TooLarge { size, limit }) } else { Ok(()) }
    }

    fn request<T, E: From<WriteError>>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Request,
    ) -> Pending<T, E> {
        let (answer, pending) = oneshot::channel();
        match self.shared().queue.push_request(request(answer)) {
            Ok(()) => Pending(pending),
            Err(error) => {
                let (answer, refused) = oneshot::channel();
                let _ = answer.send(Err(error.into())); // cannot fail: the other end is in our hand
                Pending(refused)
            }
        }
    }
}

/// Resolves when the log has made something durable, or has not. Dropping it takes nothing back.
#[derive(Debug)]
pub struct Pending<T, E>(pub(crate) oneshot::Receiver<Result<T, E>>);

impl<T, E: From<WriteError>> Future for Pending<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let lost = |_| Err(E::from(WriteError::Failed("the log was closed".to_owned())));
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or_else(lost))
    }
}

/// What readers, appenders and the writer share. Changed by the writer alone, after each commit.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) options: Options,
    pub(crate) id: String,
    pub(crate) queue: Queue,
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
    groups: RwLock<Groups>,
    segments: RwLock<BTreeMap<Name, Segment>>,
    cache: RwLock<Cache>,
    status: RwLock<Option<WriteError>>,
    /// Who waits for the group that is being written.
    in_hand: Mutex<Option<Answers>>,
}

impl Shared {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        options: Options,
        id: String,
        topics: HashMap<Arc<str>, Arc<Topic>>,
        groups: Groups,
        segments: BTreeMap<Name, Segment>,
    ) -> Self {
        Self {
            queue: Queue::new(options.backlog_bytes, options.backlog_records),
            cache: RwLock::new(Cache::new(options.recent_bytes)),
            storage,
            options,
            id,
            topics: RwLock::new(topics),
            groups: RwLock::new(groups),
            segments: RwLock::new(segments),
            status: RwLock::default(),
            in_hand: Mutex::default(),
        }
    }

    pub(crate) fn topics(&self) -> RwLockReadGuard<'_, HashMap<Arc<str>, Arc<Topic>>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn topics_mut(&self) -> RwLockWriteGuard<'_, HashMap<Arc<str>, Arc<Topic>>> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn groups(&self) -> RwLockReadGuard<'_, Groups> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn groups_mut(&self) -> RwLockWriteGuard<'_, Groups> {
        self.groups.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn segments(&self) -> RwLockReadGuard<'_, BTreeMap<Name, Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn segments_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<Name, Segment>> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn segment(&self, name: Name) -> Option<Segment> {
        self.segments().get(&name).cloned()
    }

    pub(crate) fn cache(&self) -> RwLockReadGuard<'_, Cache> {
        self.cache.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn cache_mut(&self) -> RwLockWriteGuard<'_, Cache> {
        self.cache.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// They are answered when the group's fate is known, or when somebody gives up.
    pub(crate) fn hold(&self, answers: Answers) {
        *self.in_hand.lock().unwrap_or_else(PoisonError::into_inner) = Some(answers);
    }

    /// Answers who waits for the group in hand, unless that was done.
    pub(crate) fn answer(&self, fate: Result<(), WriteError>) {
        self.answer_if(|| true, fate);
    }

    /// The same if that holds of this very group: as long as it is asked, no other can come to hand.
    fn answer_if(&self, holds: impl FnOnce() -> bool, fate: Result<(), WriteError>) {
        let answers = {
            let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
            if holds() { in_hand.take() } else { None }
        };
        if let Some(answers) = answers {
            answers.give(fate.map(|()| self));
        }
    }

    /// Whether writes are taken.
    pub(crate) fn status(&self) -> Result<(), WriteError> {
        self.status.read().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }

    pub(crate) fn set_status(&self, status: Option<WriteError>) {
        *self.status.write().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

//! `MemoryBroker`: a broker in this process for tests and trials; nothing outlives it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use tokio::sync::{mpsc, watch};

use crate::broker::{
    Ack, Broker, BrokerError, CreateTopicError, Deliveries, Delivery, Health, NextOffset, NotWritten,
    PartitionPositions, ReadError, Start, Stored, TopicInfo,
};
use crate::metrics::Metrics;
use crate::names::check_topic_name;
use crate::partitioner::partition_of;
use crate::record::{Batch, Header, NewRecord, Record};
use crate::topic_settings::{NewTopic, TopicSettings};

/// Bounds of a [`MemoryBroker`].
#[derive(Debug, Clone, Copy)]
pub struct MemorySettings {
    /// Bytes kept over all topics, each record counted with a share for its bookkeeping. Past it the oldest records go, of
    /// whatever topic, and readers still behind get a [`Delivery::Gap`]. Default 64 MiB.
    pub capacity_bytes: usize,
    /// Largest key and value together. Default 4 MiB + 64 KiB, as the server's own limits leave it.
    pub message_max_bytes: usize,
}

impl Default for MemorySettings {
    fn default() -> Self {
        Self { capacity_bytes: 64 << 20, message_max_bytes: (4 << 20) + (64 << 10) }
    }
}

/// Keeps records in memory, acknowledges at once, wakes readers without timers. Promises nothing beyond this process.
#[derive(Debug)]
pub struct MemoryBroker {
    shared: Arc<Shared>,
    settings: MemorySettings,
    metrics: Metrics,
}

impl Default for MemoryBroker {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBroker {
    /// An empty broker with the default bounds and metrics of its own.
    pub fn new() -> Self {
        Self::with(MemorySettings::default(), Metrics::default())
    }

    /// An empty broker.
    pub fn with(settings: MemorySettings, metrics: Metrics) -> Self {
        Self { shared: Arc::default(), settings, metrics }
    }

    /// Deletes a topic; its readers get [`Delivery::TopicGone`]. False if there is none.
    pub fn delete_topic(&self, name: &str) -> bool {
        let mut state = self.shared.lock();
        let Some(topic) = state.topics.remove(name) else {
            return false;
        };
        state.bytes -= topic.partitions.iter().map(|partition| partition.bytes).sum::<usize>();
        true
    }

    /// Raises a topic's number of partitions to `partitions`; readers read the new ones from their first record on.
    /// False if there is no such topic.
    pub fn add_partitions(&self, name: &str, partitions: i32) -> bool {
        let mut state = self.shared.lock();
        let Some(topic) = state.topics.get_mut(name) else {
            return false;
        };
        while topic.info(name).partitions < partitions {
            topic.partitions.push_back(Partition::default());
        }
        true
    }
}

impl Broker for MemoryBroker {
    fn describe(&self) -> String {
        "memory (nothing is kept)".to_owned()
    }

    fn append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten> {
        let begun = Instant::now();
        let stored = self.store(topic, record).inspect_err(|error| self.metrics.count_refused(error))?;
        self.metrics.count_answer(&Ok(stored), begun.elapsed(), "none");
        let (sender, ack) = Ack::pair();
        let _ = sender.send(Ok(stored)); // cannot fail: the other end is in our hand
        Ok(ack)
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, BrokerError>> {
        let state = self.shared.lock();
        ready(Ok(state.topics.iter().map(|(name, topic)| topic.info(name)).collect())).boxed()
    }

    fn topic(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicInfo>, BrokerError>> {
        ready(Ok(self.shared.lock().topics.get(name).map(|topic| topic.info(name)))).boxed()
    }

    fn make_topic(&self, name: &str, wanted: NewTopic) -> BoxFuture<'_, Result<TopicInfo, CreateTopicError>> {
        ready(self.add_topic(name, &wanted)).boxed()
    }

    fn topic_settings(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicSettings>, BrokerError>> {
        ready(Ok(self.shared.lock().topics.get(name).map(|topic| topic.settings))).boxed()
    }

    fn positions(&self, topic: &str) -> BoxFuture<'_, Result<Vec<PartitionPositions>, ReadError>> {
        let positions = match self.shared.lock().topics.get(topic) {
            Some(topic) => Ok(topic.positions()),
            None => Err(ReadError::UnknownTopic(topic.to_owned())),
        };
        ready(positions).boxed()
    }

    fn offsets_at(&self, topic: &str, timestamp_ms: i64) -> BoxFuture<'_, Result<Vec<i64>, ReadError>> {
        let offsets = match self.shared.lock().topics.get(topic) {
            Some(topic) => Ok(topic.partitions.iter().map(|partition| partition.offset_at(timestamp_ms)).collect()),
            None => Err(ReadError::UnknownTopic(topic.to_owned())),
        };
        ready(offsets).boxed()
    }

    fn read(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>> {
        // Positions are taken when the future runs, not when it is made: a caller counts from its completion.
        let name = topic.to_owned();
        async move {
            let (reader, changed) = self.reader(&name, start).ok_or(ReadError::UnknownTopic(name))?;
            let (sender, receiver) = mpsc::channel(QUEUED_DELIVERIES);
            tokio::spawn(reader.run(changed, sender));
            Ok(Deliveries { receiver })
        }
        .boxed()
    }

    fn committed(&self, group: &str, topic: &str) -> BoxFuture<'_, Result<Vec<NextOffset>, BrokerError>> {
        let state = self.shared.lock();
        let committed = state.topics.get(topic).and_then(|topic| topic.committed.get(group));
        let next = |(partition, offset): (&i32, &i64)| NextOffset { partition: *partition, offset: *offset };
        ready(Ok(committed.map(|offsets| offsets.iter().map(next).collect()).unwrap_or_default())).boxed()
    }

    fn commit(&self, group: &str, topic: &str, next: Vec<NextOffset>) -> BoxFuture<'_, Result<(), ReadError>> {
        let mut state = self.shared.lock();
        let Some(kept) = state.topics.get_mut(topic) else {
            return ready(Err(ReadError::UnknownTopic(topic.to_owned()))).boxed();
        };
        let offsets = kept.committed.entry(group.to_owned()).or_default();
        offsets.extend(next.into_iter().map(|next| (next.partition, next.offset)));
        ready(Ok(())).boxed()
    }

    fn health(&self) -> Health {
        Health::Reachable
    }

    fn flush(&self) -> BoxFuture<'_, bool> {
        ready(true).boxed()
    }
}

impl MemoryBroker {
    fn store(&self, name: &str, record: NewRecord<'_>) -> Result<Stored, NotWritten> {
        if record.size() > self.settings.message_max_bytes {
            return Err(NotWritten::TooLarge { size: record.size(), limit: self.settings.message_max_bytes });
        }
        let mut state = self.shared.lock();
        let state = &mut *state;
        let Some((name, topic)) = state
            .topics
            .get_key_value(name)
            .map(|(name, _)| name.clone())
            .and_then(|name| state.topics.get_mut(&name).map(|topic| (name, topic)))
        else {
            return Err(NotWritten::UnknownTopic(name.to_owned()));
        };
        let stored = topic.push(record);
        state.bytes += size_of_kept(record.size());
        state.order.push_back(Oldest { topic: name, generation: topic.generation, partition: stored.partition });
        topic.changed.send_replace(());
        state.evict(self.settings.capacity_bytes);
        Ok(stored)
    }

    fn add_topic(&self, name: &str, wanted: &NewTopic) -> Result<TopicInfo, CreateTopicError> {
        let partitions = wanted.partitions.unwrap_or(1);
        let invalid = |reason: String| CreateTopicError::Invalid { name: name.to_owned(), reason };
        check_topic_name(name).map_err(|error| invalid(error.to_string()))?;
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(invalid(format!("a topic has 1 to {MAX_PARTITIONS} partitions")));
        }
        let mut state = self.shared.lock();
        if state.topics.contains_key(name) {
            return Err(CreateTopicError::Exists(name.to_owned()));
        }
        let held: usize = state.topics.values().map(|topic| topic.partitions.len()).sum();
        if held + partitions as usize > MAX_PARTITIONS as usize {
            return Err(invalid(format!("in memory there are {MAX_PARTITIONS} partitions at most, of all topics")));
        }
        state.generations += 1;
        let topic = Topic {
            generation: state.generations,
            settings: wanted.settings(TopicSettings::UNLIMITED),
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
            without_key: 0,
            committed: HashMap::new(),
            changed: watch::Sender::new(()),
        };
        let info = topic.info(name);
        state.topics.insert(name.into(), topic);
        Ok(info)
    }

    fn reader(&self, name: &str, start: Start) -> Option<(Reader, watch::Receiver<()>)> {
        let state = self.shared.lock();
        let topic = state.topics.get(name)?;
        let caught_up = start == Start::End;
        let positions = topic.positions().into_iter();
        let positions = positions.map(|kept| Position { next: start.in_partition(&kept), caught_up });
        let reader = Reader {
            shared: Arc::downgrade(&self.shared),
            topic: name.into(),
            generation: topic.generation,
            positions: positions.collect(),
            metrics: self.metrics.clone(),
        };
        Some((reader, topic.changed.subscribe()))
    }
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if it did, the state is still the best there is.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    topics: BTreeMap<Arc<str>, Topic>,
    /// Where each record kept stands, oldest first; entries of deleted topics stay until their turn.
    order: VecDeque<Oldest>,
    bytes: usize,
    generations: u64,
}

impl State {
    fn evict(&mut self, capacity: usize) {
        while self.bytes > capacity {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            let topic = self.topics.get_mut(&oldest.topic).filter(|topic| topic.generation == oldest.generation);
            if let Some(partition) = topic.and_then(|topic| topic.partitions.get_mut(oldest.partition as usize)) {
                self.bytes -= partition.pop();
            }
        }
    }
}

#[derive(Debug)]
struct Oldest {
    topic: Arc<str>,
    generation: u64,
    partition: i32,
}

#[derive(Debug)]
struct Topic {
    /// Tells a topic from one of the same name that was deleted before.
    generation: u64,
    settings: TopicSettings,
    partitions: VecDeque<Partition>,
    /// Records without a key so far: they go round.
    without_key: usize,
    /// Offsets of partitions, by group.
    committed: HashMap<String, BTreeMap<i32, i64>>,
    /// Bumped after each append; dropped with the topic.
    changed: watch::Sender<()>,
}

impl Topic {
    fn info(&self, name: &str) -> TopicInfo {
        TopicInfo { name: name.to_owned(), partitions: self.partitions.len() as i32, has_leaders: true }
    }

    fn positions(&self) -> Vec<PartitionPositions> {
        let positions = (0_i32..).zip(&self.partitions);
        positions
            .map(|(partition, kept)| PartitionPositions { partition, earliest: kept.first, end: kept.end() })
            .collect()
    }

    fn push(&mut self, record: NewRecord<'_>) -> Stored {
        let partition = match record.key {
            Some(key) => partition_of(key, self.partitions.len() as i32),
            None => {
                self.without_key = (self.without_key + 1) % self.partitions.len();
                self.without_key as i32
            }
        };
        let kept = &mut self.partitions[partition as usize];
        let offset = kept.end();
        kept.bytes += size_of_kept(record.size());
        kept.records.push_back(Record {
            partition,
            offset,
            timestamp_ms: SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|since| since.as_millis() as i64),
            key: record.key.map(Bytes::copy_from_slice),
            value: Some(Bytes::copy_from_slice(record.value)),
            headers: record.headers.iter().map(header).collect(),
        });
        Stored { partition, offset }
    }
}

#[derive(Debug, Default)]
struct Partition {
    first: i64,
    records: VecDeque<Record>,
    bytes: usize,
}

impl Partition {
    fn end(&self) -> i64 {
        self.first + self.records.len() as i64
    }

    /// Of the first record as late as this, else the end.
    fn offset_at(&self, timestamp_ms: i64) -> i64 {
        let late = self.records.iter().find(|record| record.timestamp_ms >= Some(timestamp_ms));
        late.map_or(self.end(), |record| record.offset)
    }

    /// Forgets the oldest record and gives the bytes it took.
    fn pop(&mut self) -> usize {
        let Some(record) = self.records.pop_front() else {
            return 0;
        };
        let bytes = size_of_kept(payload_of(&record));
        self.first += 1;
        self.bytes -= bytes;
        bytes
    }
}

/// One running read: a task that looks, hands out, and sleeps until the topic changes.
#[derive(Debug)]
struct Reader {
    shared: Weak<Shared>,
    topic: Arc<str>,
    generation: u64,
    positions: Vec<Position>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Position {
    next: i64,
    caught_up: bool,
}

impl Reader {
    async fn run(mut self, mut changed: watch::Receiver<()>, sender: mpsc::Sender<Delivery>) {
        loop {
            changed.borrow_and_update(); // before looking, so that no append falls between
            let Some(shared) = self.shared.upgrade() else {
                return;
            };
            let found = self.look(&shared.lock());
            drop(shared);
            if found.is_empty() {
                tokio::select! {
                    _ = changed.changed() => {} // an error means that the topic went; the next look tells
                    () = sender.closed() => return,
                }
            }
            for delivery in found {
                let last = delivery.is_last();
                self.count(&delivery);
                if sender.send(delivery).await.is_err() || last {
                    return;
                }
            }
        }
    }

    /// Everything due now, up to a batch's bound.
    fn look(&mut self, state: &State) -> Vec<Delivery> {
        let Some(topic) = state.topics.get(&self.topic).filter(|topic| topic.generation == self.generation) else {
            return vec![Delivery::TopicGone];
        };
        let grown_from = self.positions.len();
        self.positions.extend((grown_from..topic.partitions.len()).map(|_| Position { next: 0, caught_up: true }));

        let (mut gaps, mut batch, mut caught_up, mut room) = (Vec::new(), Batch::default(), Vec::new(), BATCH_BYTES);
        for ((partition, kept), position) in (0_i32..).zip(&topic.partitions).zip(&mut self.positions) {
            if let Some(gap) = position.jump(partition, kept) {
                gaps.push(gap);
            }
            let behind = kept.records.iter().skip((position.next - kept.first) as usize);
            for record in behind.take_while(|record| {
                let had_room = room > 0;
                room = room.saturating_sub(size_of_kept(payload_of(record)));
                had_room
            }) {
                position.next = record.offset + 1;
                batch.records.push(record.clone());
            }
            if !position.caught_up && position.next == kept.end() {
                position.caught_up = true;
                caught_up.push(Delivery::CaughtUp { partition });
            }
        }
        let batch = (!batch.records.is_empty()).then_some(Delivery::Batch(batch));
        gaps.into_iter().chain(batch).chain(caught_up).collect()
    }

    fn count(&self, delivery: &Delivery) {
        match delivery {
            Delivery::Batch(batch) => _ = self.metrics.records_read.inc_by(batch.records.len() as u64),
            Delivery::Gap { lost, .. } => self.metrics.count_gap(*lost),
            Delivery::CaughtUp { .. } | Delivery::Unreadable { .. } | Delivery::TopicGone => {}
        }
    }
}

impl Position {
    /// Moves into what is kept, if it stands outside.
    fn jump(&mut self, partition: i32, kept: &Partition) -> Option<Delivery> {
        let next_offset = self.next.clamp(kept.first, kept.end());
        let lost = (next_offset - self.next).max(0);
        let jumped = self.next != next_offset;
        self.next = next_offset;
        jumped.then_some(Delivery::Gap { partition, next_offset, lost })
    }
}

fn payload_of(record: &Record) -> usize {
    let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    let headers: usize = record.headers.iter().map(|header| header.name.len() + length(&header.value)).sum();
    length(&record.key) + length(&record.value) + headers
}

fn header((name, value): &(&str, &str)) -> Header {
    Header { name: (*name).into(), value: Some(Bytes::copy_from_slice(value.as_bytes())) }
}

/// What a record of `size` bytes costs: itself, its `Record`, its place in the order.
fn size_of_kept(size: usize) -> usize {
    size + size_of::<Record>() + size_of::<Oldest>()
}

/// Deliveries a reader may leave waiting before reading pauses.
const QUEUED_DELIVERIES: usize = 16;
/// Bound of one batch, in bytes; a larger record comes alone.
const BATCH_BYTES: usize = 256 << 10;
/// Of one topic, and of all; each costs memory at once.
const MAX_PARTITIONS: i32 = 10_000;

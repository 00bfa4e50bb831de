//! `Live`: the one consumer of the process, for all topics followed at their live end.
//!
//! ```text
//!  join (blocking pool) ── routes (mutex) ──► poll thread: poll, drain, group by topic ──► reader's queue ──► Deliveries
//!  watch thread: new partitions, deletion, gaps ──┘
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::batch::BatchBuilder;
use super::health::{Context, count_unread};
use super::lookup::{Described, Lookup, TopicId, broker_error};
use super::replay::Replays;
use super::route::{Manners, Reader, Route};
use super::settle::settle;
use super::wake::Wake;
use crate::broker::{Deliveries, Delivery, ReadError};
use crate::metrics::Metrics;

/// Shared by the poll thread, the watch thread and whoever joins.
pub(super) struct Live {
    pub(super) consumer: BaseConsumer<Context>,
    pub(super) lookup: Arc<Lookup>,
    pub(super) metrics: Metrics,
    pub(super) routes: Mutex<HashMap<String, Route>>,
    /// Readers of topics that went, until they have been told.
    pub(super) farewell: Mutex<Vec<Reader>>,
    /// Readers that were too slow, until they are read to from an old position.
    behind: Mutex<Vec<(String, TopicId, Reader)>>,
    joined: AtomicU64,
    /// Wakes the watch thread: a partition cannot go on.
    pub(super) watch: Wake,
    stop: AtomicBool,
}

impl Live {
    pub(super) fn new(consumer: BaseConsumer<Context>, lookup: Arc<Lookup>, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self {
            consumer,
            lookup,
            metrics,
            routes: Mutex::default(),
            farewell: Mutex::default(),
            behind: Mutex::default(),
            joined: AtomicU64::new(0),
            watch: Wake::default(),
            stop: AtomicBool::new(false),
        })
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.watch.stop();
    }

    /// Adds a reader at the live end. When this returns, every record acknowledged afterwards will reach it: the end offsets
    /// are asked through another client, whose requests do not stand behind this consumer's long poll, and the partitions
    /// are assigned at those numbers. Blocks.
    pub(super) fn join(&self, topic: &str) -> Result<Deliveries, ReadError> {
        let unknown = || ReadError::UnknownTopic(topic.to_owned());
        let described = self.lookup.topic(topic, JOIN_TIMEOUT)?.ok_or_else(unknown)?;
        let receiver = self.add(topic, described, Manners::Waits)?.queued;
        Ok(Deliveries { receiver })
    }

    /// As [`join`](Self::join), for a replay of the topic that is to end once it has come to where the successor begins.
    pub(super) fn succeed(&self, topic: &str, described: Described) -> Result<Successor, ReadError> {
        // A route of this name is the replay's topic only if that was not made anew.
        if !self.lookup.topic(topic, JOIN_TIMEOUT)?.is_some_and(|found| found.is_same(described)) {
            return Err(ReadError::UnknownTopic(topic.to_owned()));
        }
        self.add(topic, described, Manners::GivesUp)
    }

    /// Lets a successor go on where a replay has come to its beginning; `false` if it cannot any more.
    pub(super) fn take_over(
        &self,
        topic: &str,
        successor: Successor,
        sender: &mpsc::Sender<Delivery>,
        back: Arc<Replays>,
    ) -> bool {
        let mut routes = self.routes();
        let readers = routes.get_mut(topic).into_iter().flat_map(|route| &mut route.readers);
        match readers.into_iter().find(|reader| reader.number == successor.number) {
            Some(reader) if !reader.is_behind() => {
                reader.take_over(successor.queued, sender.clone(), back);
                true
            }
            _ => false,
        }
    }

    fn add(&self, topic: &str, described: Described, manners: Manners) -> Result<Successor, ReadError> {
        if !self.routes().contains_key(topic) {
            // Or the consumer learns of the topic only in its scan once a second.
            self.consumer.fetch_metadata(Some(topic), JOIN_TIMEOUT).map_err(|error| broker_error(&error))?;
        }
        let mut ends = self.lookup.ends(topic, described.partitions, JOIN_TIMEOUT)?;
        let (sender, queued) = mpsc::channel(QUEUED_DELIVERIES);
        let number = self.joined.fetch_add(1, Ordering::Relaxed) + 1;
        let mut routes = self.routes();
        if routes.get(topic).is_some_and(|route| route.id != described.id) {
            self.end_route(&mut routes, topic); // made anew, and the watch has not seen it yet
        }
        let route = routes.get_mut(topic);
        if let Some(route) = &route {
            // What was handed out since the ends were asked comes no more.
            ends.iter_mut().zip(&route.next).for_each(|(end, next)| *end = (*end).max(*next));
            // Partitions may have come since: no reader of a route knows fewer than the route.
            ends.extend(route.next.iter().skip(ends.len()));
        }
        let mut reader = Reader::new(sender, ends.clone(), manners);
        reader.number = number;
        match route {
            Some(route) => route.readers.push(reader),
            None => {
                self.assign(topic, &ends).map_err(|error| broker_error(&error))?;
                routes.insert(topic.to_owned(), Route::new(described.id, ends.clone(), reader));
                tracing::debug!(topic, "assigned at the live end");
            }
        }
        Ok(Successor { ends, number, queued })
    }

    /// Polls until stopped; runs on a thread of its own.
    pub(super) fn poll(&self) {
        let mut tended = Instant::now();
        let mut stalled = false;
        while !self.stop.load(Ordering::Acquire) {
            let wait = if stalled { STALLED_WAIT } else { IDLE_WAIT };
            if let Some(first) = self.consumer.poll(wait) {
                let mut drained = Drained::default();
                drained.take(first, self);
                while drained.has_room() {
                    let Some(next) = self.consumer.poll(Duration::ZERO) else {
                        break;
                    };
                    drained.take(next, self);
                }
                stalled |= self.hand_over(drained);
            }
            if stalled || tended.elapsed() > IDLE_WAIT {
                stalled = self.tend();
                tended = Instant::now();
            }
        }
        // Readers that may go back to a replay keep what leads here.
        self.routes().clear();
        self.behind.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Ends a topic for its readers, who are told that it is gone.
    pub(super) fn end_route(&self, routes: &mut HashMap<String, Route>, topic: &str) {
        let Some(route) = routes.remove(topic) else {
            return;
        };
        self.unassign(topic, 0..route.next.len());
        let mut farewell = self.farewell.lock().unwrap_or_else(PoisonError::into_inner);
        farewell.extend(route.readers.into_iter().map(Reader::gone));
    }

    pub(super) fn assign_one(&self, topic: &str, partition: usize, offset: i64) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(topic, partition as i32, Offset::Offset(offset))?;
        self.consumer.incremental_assign(&list)
    }

    pub(super) fn unassign(&self, topic: &str, partitions: std::ops::Range<usize>) {
        if let Err(error) = self.consumer.incremental_unassign(&list_of(topic, partitions)) {
            tracing::debug!(topic, %error, "not unassigned");
        }
        settle(&self.consumer);
    }

    pub(super) fn routes(&self) -> MutexGuard<'_, HashMap<String, Route>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn assign(&self, topic: &str, offsets: &[i64]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in (0..).zip(offsets) {
            list.add_partition_offset(topic, partition, Offset::Offset(*offset))?;
        }
        self.consumer.incremental_assign(&list)
    }

    /// Hands each topic's batch to its readers; whether one of them is full.
    fn hand_over(&self, drained: Drained) -> bool {
        let mut waits = false;
        let mut routes = self.routes();
        for (_, topic, builder) in drained.topics {
            let Some(route) = routes.get_mut(&topic) else {
                continue;
            }; // its last reader left while this was under way
            self.metrics.records_read.inc_by(route.hand_over(builder.finish()) as u64);
            if route.is_stalled() && !route.paused {
                route.paused = self.consumer.pause(&list_of(&topic, 0..route.next.len())).is_ok();
            }
            waits |= route.has_pending();
        }
        waits
    }

    /// Offers again what did not fit, resumes, and lets go of topics that nobody reads; whether somebody is still full.
    fn tend(&self) -> bool {
        let mut routes = self.routes();
        let mut abandoned = Vec::new();
        let mut waits = false;
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, route) in routes.iter_mut() {
            route.readers.retain_mut(Reader::offer_pending);
            let slow = route.readers.extract_if(.., |reader| reader.is_behind());
            behind.extend(slow.map(|reader| (topic.clone(), route.id, reader.leaving())));
            waits |= route.has_pending();
            if route.readers.is_empty() {
                abandoned.push(topic.clone());
            } else if route.paused && !route.is_stalled() {
                route.paused = self.consumer.resume(&list_of(topic, 0..route.next.len())).is_err();
            }
        }
        for topic in abandoned {
            if let Some(route) = routes.remove(&topic) {
                self.unassign(&topic, 0..route.next.len());
                route.forget_lag(&topic, &self.metrics);
                tracing::debug!(topic, "unassigned: nobody reads it");
            }
        }
        drop(routes);
        self.go_back(&mut behind);
        drop(behind);
        let mut farewell = self.farewell.lock().unwrap_or_else(PoisonError::into_inner);
        farewell.retain_mut(|reader| reader.offer_pending() && reader.is_pending());
        waits || !farewell.is_empty()
    }

    /// Lets readers that were too slow be read to from where they are. As many may wait for a place as there are places; the
    /// reads of those that came last end.
    fn go_back(&self, behind: &mut Vec<(String, TopicId, Reader)>) {
        for (topic, id, reader) in std::mem::take(behind) {
            let Some(reader) = go_back(&topic, id, reader) else { continue };
            if reader.back().is_some_and(|replays| behind.len() < replays.most) {
                behind.push((topic, id, reader));
            } else {
                self.metrics.count_limit("replays");
                tracing::warn!(
                    topic,
                    "a read that was too slow ends: too many wait to be read to from an old position"
                );
            }
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("topics", &self.routes().len()).finish_non_exhaustive()
    }
}

/// A live read, such as a replay's reader goes on with.
pub(super) struct Successor {
    /// By partition: where it begins.
    pub(super) ends: Vec<i64>,
    number: u64,
    queued: mpsc::Receiver<Delivery>,
}

#[cfg(test)]
impl Successor {
    /// One that cannot take over any more.
    pub(super) fn that_left(ends: Vec<i64>) -> Self {
        Self { ends, number: 0, queued: mpsc::channel(1).1 }
    }
}

/// Lets a reader that was too slow be read to from where it is; it is given back while there is no place for that.
fn go_back(topic: &str, id: TopicId, reader: Reader) -> Option<Reader> {
    let Some(slot) = reader.back()?.slot() else { return Some(reader) };
    let (replays, sender, next) = reader.rest()?;
    replays.resume(slot, topic, id, sender, next);
    None
}

/// What one round of polling brought, by topic. Few topics at once, so a list is searched.
#[derive(Default)]
struct Drained {
    topics: Vec<(usize, String, BatchBuilder)>,
    messages: usize,
    bytes: usize,
}

impl Drained {
    fn take(&mut self, polled: Result<BorrowedMessage<'_>, KafkaError>, live: &Live) {
        match polled {
            Ok(message) => self.push(&message),
            Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)) => live.watch.wake(),
            Err(error) => count_unread(&error, &live.metrics), // librdkafka goes on by itself
        }
    }

    fn push(&mut self, message: &BorrowedMessage<'_>) {
        let pointer = message.topic_ptr() as usize;
        let known = self.topics.iter().rposition(|(known, name, _)| *known == pointer || name == message.topic());
        let index = known.unwrap_or_else(|| {
            self.topics.push((pointer, message.topic().to_owned(), BatchBuilder::default()));
            self.topics.len() - 1
        });
        self.topics[index].2.push(message);
        self.messages += 1;
        self.bytes += message.payload_len();
    }

    fn has_room(&self) -> bool {
        self.messages < DRAIN_MESSAGES && self.bytes < DRAIN_BYTES
    }
}

pub(super) fn list_of(topic: &str, partitions: std::ops::Range<usize>) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(topic, partition as i32);
    }
    list
}

/// For each of the questions of a join.
const JOIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Deliveries a reader may leave waiting before its topic is paused.
const QUEUED_DELIVERIES: usize = 64;
/// How long a poll waits; also how soon a reader that left is noticed.
const IDLE_WAIT: Duration = Duration::from_millis(100);
/// The same while a reader is full and may have room any moment.
const STALLED_WAIT: Duration = Duration::from_millis(5);
/// Bounds of one round of polling, and so of a batch.
const DRAIN_MESSAGES: usize = 2_000;
const DRAIN_BYTES: usize = 256 << 10;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rdkafka::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;
    use crate::metrics::Cause;
    use crate::record::{Batch, Record};

    #[test]
    fn of_readers_that_are_behind_few_wait_for_a_place_and_hold_nothing() {
        let mut config = ClientConfig::new();
        config.set("group.id", "test");
        let replays = Replays::for_test(config, Metrics::default());
        let live = &replays.live;
        let taken = replays.slot();
        assert!(taken.is_some() && replays.slot().is_none());
        let (mut waits, mut ends) = (follow(&replays), follow(&replays));
        let mut route = Route::new(TopicId::for_test(), vec![0], waits.0);
        route.readers.push(ends.0);
        for offset in 0..100 {
            route.hand_over(batch(offset));
        }
        assert!(route.readers.iter().all(Reader::is_behind));
        live.routes().insert("t".into(), route);
        live.tend();
        assert!(live.routes().is_empty());
        for queued in [&mut waits.1, &mut ends.1] {
            assert_eq!(queued.try_recv().unwrap(), Delivery::Batch(batch(0)), "what is queued stays");
        }
        assert_eq!(waits.1.try_recv(), Err(mpsc::error::TryRecvError::Empty));
        assert_eq!(ends.1.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        let behind = live.behind.lock().unwrap();
        assert!(behind.len() == 1 && !behind[0].2.is_pending());
    }

    #[test]
    fn one_that_joins_while_partitions_come_knows_all_of_them() {
        let (_cluster, config) = topic_of(3);
        let live = Replays::for_test(config, Metrics::default()).live.clone();
        let (sender, _queued) = mpsc::channel(1);
        let mut route = Route::new(TopicId::for_test(), vec![0; 2], Reader::new(sender, vec![0; 2], Manners::Waits));
        route.grow(3); // which the one that joins has not been told
        live.routes().insert("t".into(), route);
        let described = Described { id: TopicId::for_test(), partitions: 2, has_leaders: true };
        let mut joined = live.add("t", described, Manners::Waits).unwrap();
        assert_eq!(joined.ends, [0; 3]);
        live.routes().get_mut("t").unwrap().jump(2, 5, 5);
        assert_eq!(joined.queued.try_recv().unwrap(), Delivery::Gap { partition: 2, next_offset: 5, lost: 5 });
    }

    #[test]
    fn records_that_cannot_be_read_are_counted() {
        let (cluster, config) = topic_of(1);
        let producer: BaseProducer = config.create().unwrap();
        producer.send(BaseRecord::<(), _>::to("t").payload("x")).unwrap();
        producer.flush(Duration::from_secs(60)).unwrap();
        let metrics = Metrics::default();
        let live = Replays::for_test(config, metrics.clone()).live.clone();
        cluster.request_errors(RDKafkaApiKey::Fetch, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_MSG]);
        live.assign("t", &[0]).unwrap();
        let damaged = metrics.read_errors.get_or_create(&Cause { cause: "damaged" }).clone();
        let begun = Instant::now();
        while damaged.get() == 0 && begun.elapsed() < Duration::from_secs(60) {
            if let Some(polled) = live.consumer.poll(IDLE_WAIT) {
                Drained::default().take(polled, &live);
            }
        }
        assert_eq!(damaged.get(), 1);
    }

    /// Topic `t` at librdkafka's broker for tests, and a client's settings.
    fn topic_of(partitions: i32) -> (MockCluster<'static, DefaultProducerContext>, ClientConfig) {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", partitions, 1).unwrap();
        let mut config = ClientConfig::new();
        config.set("group.id", "test").set("bootstrap.servers", cluster.bootstrap_servers());
        (cluster, config)
    }

    /// A read that has taken over from a replay, and its reader's queue, of one place.
    fn follow(replays: &Arc<Replays>) -> (Reader, mpsc::Receiver<Delivery>) {
        let (sender, queue) = mpsc::channel(1);
        let (early, queued) = mpsc::channel(1);
        let mut reader = Reader::new(early, vec![0], Manners::GivesUp);
        reader.take_over(queued, sender, replays.clone());
        (reader, queue)
    }

    fn batch(offset: i64) -> Batch {
        let record = Record { partition: 0, offset, timestamp_ms: None, key: None, value: None, headers: Vec::new() };
        Batch { records: vec![record] }
    }
}

//! Reads from old positions: each has a consumer and a thread of its own, so that none slows the live ones. One that has come
//! to the end of its topic is handed over to the live consumer, and gives its place back; a reader that is too slow there comes
//! back here.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::batch::BatchBuilder;
use super::health::{Context, count_unread};
use super::live::{Live, Successor};
use super::lookup::{Described, Lookup, TopicId, broker_error};
use super::settle::settle;
use super::watch::{Missing, SECOND_LOOK};
use crate::broker::{BrokerError, Deliveries, Delivery, PartitionPositions, ReadError, Start};
use crate::metrics::Metrics;

/// Starts replays, up to a number at once.
pub(super) struct Replays {
    pub(super) config: ClientConfig,
    pub(super) context: Context,
    pub(super) lookup: Arc<Lookup>,
    pub(super) live: Arc<Live>,
    pub(super) metrics: Metrics,
    pub(super) most: usize,
    pub(super) refresh: Duration,
    pub(super) running: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Replays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replays").field("running", &self.running).finish_non_exhaustive() // the configuration may hold secrets
    }
}

impl Replays {
    /// Begins to read. Blocks until the positions are known.
    pub(super) fn start(self: &Arc<Self>, topic: &str, start: &Start) -> Result<Deliveries, ReadError> {
        let slot = self.slot().ok_or_else(|| {
            self.metrics.count_limit("replays");
            ReadError::TooManyReaders(self.most)
        })?;
        let unknown = || ReadError::UnknownTopic(topic.to_owned());
        let described = self.lookup.topic(topic, TIMEOUT)?.ok_or_else(unknown)?;
        let positions = self.lookup.positions(topic, described.partitions, TIMEOUT)?;
        let (sender, receiver) = mpsc::channel(QUEUED_DELIVERIES);
        let mut replay = self.replay(topic, described, slot)?;
        replay.next = positions.iter().map(|position| start.in_partition(position)).collect();
        let gaps = replay.assign(&positions).map_err(|error| broker_error(&error))?;
        let spawned = std::thread::Builder::new().name(THREAD.into()).spawn(move || replay.run(gaps, &sender));
        spawned.map_err(|error| BrokerError::Other(error.to_string()))?;
        Ok(Deliveries { receiver })
    }

    /// Goes on where a live read did not. Does not block.
    pub(super) fn resume(
        self: Arc<Self>,
        slot: Slot,
        topic: &str,
        id: TopicId,
        sender: mpsc::Sender<Delivery>,
        next: Vec<i64>,
    ) {
        let topic = topic.to_owned();
        let described = Described { id, partitions: next.len() as i32, has_leaders: true };
        let resumed = std::thread::Builder::new().name(THREAD.into()).spawn(move || {
            let replay = self.replay(&topic, described, slot);
            let Ok(mut replay) = replay.inspect_err(|error| tracing::warn!(topic, %error, "a read cannot go on"))
            else {
                return;
            };
            replay.caught_up = vec![true; next.len()]; // which was told before
            (replay.next, replay.out_of_range) = (next, true); // to be assigned after the first poll
            replay.run(Vec::new(), &sender);
        });
        if let Err(error) = resumed {
            tracing::warn!(%error, "no thread for a read that was to go on");
        }
    }

    /// A place, if there is one.
    pub(super) fn slot(&self) -> Option<Slot> {
        Slot::take(&self.running, self.most)
    }

    fn replay(self: &Arc<Self>, topic: &str, described: Described, slot: Slot) -> Result<Replay, ReadError> {
        let consumer: BaseConsumer<Context> =
            self.config.create_with_context(self.context.clone()).map_err(|error| broker_error(&error))?;
        Ok(Replay {
            topic: topic.to_owned(),
            described,
            consumer,
            replays: self.clone(),
            next: Vec::new(),
            ends: vec![0; described.partitions as usize],
            caught_up: vec![false; described.partitions as usize],
            handing_over: None,
            hand_over_at: Instant::now() + AGAIN, // for a short read it is not worth it
            out_of_range: false,
            look_at: Instant::now() + self.refresh,
            missing: Missing::default(),
            _slot: slot,
        })
    }

    #[cfg(test)]
    pub(super) fn for_test(config: ClientConfig, metrics: Metrics) -> Arc<Self> {
        let context = Context { health: super::health::HealthState::new() };
        let client = || config.create_with_context(context.clone()).expect("a client without brokers");
        let lookup = Arc::new(Lookup::new(client()));
        let live = Live::new(client(), lookup.clone(), metrics.clone());
        let running = Arc::default();
        Arc::new(Self { config, context, lookup, live, metrics, most: 1, refresh: TIMEOUT, running })
    }
}

/// One of the places for replays; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(running: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let slot = Self(running.clone());
        (running.fetch_add(1, Ordering::AcqRel) < most).then_some(slot)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Replay {
    topic: String,
    described: Described,
    consumer: BaseConsumer<Context>,
    replays: Arc<Replays>,
    /// By partition: offset behind the last record that was read.
    next: Vec<i64>,
    /// By partition: its end when that was asked.
    ends: Vec<i64>,
    caught_up: Vec<bool>,
    /// The read that takes over, and by partition whether this one has come to where it begins.
    handing_over: Option<(Successor, Vec<bool>)>,
    /// When that is tried next.
    hand_over_at: Instant,
    /// To be assigned anew: a partition cannot go on, or its end was told and is none, or nothing is assigned.
    out_of_range: bool,
    /// When the topic is looked at next.
    look_at: Instant,
    missing: Missing,
    _slot: Slot,
}

/// The reader has left, or is served by another, or there is nothing more to read.
struct Ended;

impl Replay {
    /// Goes on at `next` as far as that is held; what is not is told.
    fn assign(&mut self, positions: &[PartitionPositions]) -> Result<Vec<Delivery>, KafkaError> {
        let mut gaps = Vec::new();
        for position in positions {
            let partition = position.partition as usize;
            let (Some(next), Some(end)) = (self.next.get_mut(partition), self.ends.get_mut(partition)) else {
                continue;
            };
            *end = position.end;
            let next_offset = position.nearest(*next);
            if next_offset != *next {
                let lost = (next_offset - *next).max(0);
                gaps.push(Delivery::Gap { partition: position.partition, next_offset, lost });
                *next = next_offset;
            }
        }
        self.assign_again()?;
        Ok(gaps)
    }

    /// So that the ends of partitions are told once more.
    fn assign_again(&self) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::with_capacity(self.next.len());
        for (partition, next) in (0..).zip(&self.next) {
            list.add_partition_offset(&self.topic, partition, Offset::Offset(*next))?;
        }
        let assigned = self.consumer.assign(&list);
        settle(&self.consumer);
        assigned
    }

    fn run(mut self, gaps: Vec<Delivery>, sender: &mpsc::Sender<Delivery>) {
        let mut due = gaps;
        loop {
            for delivery in due.drain(..) {
                if self.deliver(delivery, sender).is_err() {
                    return;
                }
            }
            if self.hand_over(sender).is_err() {
                return;
            }
            if Instant::now() >= self.look_at {
                self.look(&mut due);
                if !due.is_empty() {
                    continue;
                }
            }
            if sender.is_closed() {
                return;
            }
            self.poll(&mut due);
            if self.out_of_range {
                self.out_of_range = !self.repair(&mut due);
            }
        }
    }

    /// One round of polling, into deliveries.
    fn poll(&mut self, due: &mut Vec<Delivery>) {
        let mut builder = BatchBuilder::default();
        let mut wait = IDLE_WAIT;
        while builder.bytes() < BATCH_BYTES {
            let Some(polled) = self.consumer.poll(wait) else {
                break;
            };
            wait = Duration::ZERO;
            match polled {
                Ok(message) => {
                    let partition = message.partition() as usize;
                    if let Some((successor, reached)) = &mut self.handing_over
                        && let Some(end) = successor.ends.get(partition)
                    {
                        reached[partition] = message.offset() >= *end; // if not, no end that was told before was one
                        if reached[partition] {
                            continue; // the other brings it
                        }
                    }
                    let next = self.next.get_mut(partition);
                    if let Some(next) = next.filter(|next| message.offset() >= **next) {
                        *next = message.offset() + 1;
                        builder.push(&message);
                    }
                }
                Err(KafkaError::PartitionEOF(partition)) if !self.is_at_end(partition) => self.out_of_range = true,
                Err(KafkaError::PartitionEOF(partition)) => {
                    if let Some((_, reached)) = &mut self.handing_over
                        && let Some(reached) = reached.get_mut(partition as usize)
                    {
                        *reached = true;
                    }
                    if let Some(told) = self.caught_up.get_mut(partition as usize).filter(|told| !**told) {
                        *told = true;
                        finish(&mut builder, due);
                        due.push(Delivery::CaughtUp { partition });
                    }
                }
                Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)) => self.out_of_range = true,
                Err(error) => {
                    tracing::debug!(topic = self.topic, %error, "while reading"); // it goes on by itself
                    count_unread(&error, &self.replays.metrics);
                }
            }
        }
        finish(&mut builder, due);
    }

    /// Whether the end that was told of a partition is one.
    fn is_at_end(&self, partition: i32) -> bool {
        let (next, end) = (self.next.get(partition as usize), self.ends.get(partition as usize));
        let watermark = high_watermark(&self.consumer, &self.topic, partition);
        next.zip(end).is_none_or(|(next, end)| is_end(*next, *end, watermark))
    }

    /// Moves what is out of range to where it can go on; false if that must be tried again. All partitions are assigned anew,
    /// for it is not said which one failed.
    fn repair(&mut self, due: &mut Vec<Delivery>) -> bool {
        let lookup = &self.replays.lookup;
        let Ok(positions) = lookup.positions(&self.topic, self.next.len() as i32, TIMEOUT) else { return false };
        // After the offsets were asked: those of a topic made anew meanwhile say nothing about the old one.
        if !matches!(lookup.topic(&self.topic, TIMEOUT), Ok(Some(found)) if found.id == self.described.id) {
            self.look(due);
            return false;
        }
        self.handing_over = None;
        match self.assign(&positions) {
            Ok(gaps) => due.extend(gaps),
            Err(error) => tracing::warn!(topic = self.topic, %error, "partitions not assigned anew"),
        }
        true
    }

    /// Once the topic has been read to its end, lets the live consumer go on, from where that began. The last offsets before
    /// may hold no record (transactions), so it is the end that counts, told once more, and not the last record.
    fn hand_over(&mut self, sender: &mpsc::Sender<Delivery>) -> Result<(), Ended> {
        if self.handing_over.is_none() && self.caught_up.iter().all(|told| *told) && Instant::now() >= self.hand_over_at
        {
            self.hand_over_at = Instant::now() + AGAIN;
            let successor = self.replays.live.succeed(&self.topic, self.described);
            // Partitions that came meanwhile are taken in first.
            let Some(successor) = successor.ok().filter(|successor| successor.ends.len() == self.next.len()) else {
                return Ok(());
            };
            let reached = self.next.iter().zip(&successor.ends).map(|(next, end)| next >= end).collect::<Vec<_>>();
            if reached.contains(&false) && self.assign_again().is_err() {
                return Ok(());
            }
            self.ends.clone_from(&successor.ends);
            self.handing_over = Some((successor, reached));
        }
        if self.handing_over.take_if(|(successor, _)| successor.ends.len() != self.next.len()).is_some() {
            self.read_on();
        }
        let has_reached = |(_, reached): &mut (_, Vec<bool>)| reached.iter().all(|reached| *reached);
        if let Some((successor, _)) = self.handing_over.take_if(has_reached) {
            if self.replays.live.take_over(&self.topic, successor, sender, self.replays.clone()) {
                tracing::debug!(topic = self.topic, "read to its end, and handed over");
                return Err(Ended);
            }
            self.read_on();
        }
        Ok(())
    }

    /// Nobody has taken over: what was left to the successor is to be read here after all, from `next` on, and nothing else
    /// before it.
    fn read_on(&mut self) {
        if let Err(error) = self.assign_again() {
            let _ = self.consumer.unassign();
            settle(&self.consumer);
            tracing::warn!(topic = self.topic, %error, "partitions not assigned anew; it is tried again");
            self.out_of_range = true;
        }
    }

    /// Whether the topic went or grew.
    fn look(&mut self, due: &mut Vec<Delivery>) {
        let found = self.replays.lookup.topic(&self.topic, TIMEOUT);
        self.look_at = Instant::now() + self.replays.refresh;
        match found {
            Ok(Some(found)) if found.id == self.described.id => {
                self.missing = Missing::default();
                self.grow(found);
            }
            Ok(Some(_)) => due.push(Delivery::TopicGone),
            Ok(None) if self.missing.is_gone(Instant::now()) => due.push(Delivery::TopicGone),
            Ok(None) => self.look_at = Instant::now() + self.replays.refresh.min(SECOND_LOOK),
            Err(_) => {}
        }
    }

    fn grow(&mut self, found: Described) {
        for partition in self.next.len()..found.partitions as usize {
            let mut list = TopicPartitionList::with_capacity(1);
            let added = list.add_partition_offset(&self.topic, partition as i32, Offset::Offset(0));
            if let Err(error) = added.and_then(|()| self.consumer.incremental_assign(&list)) {
                return tracing::warn!(topic = self.topic, partition, %error, "new partition not assigned");
            }
            self.next.push(0);
            self.ends.push(0);
            self.caught_up.push(true); // it began empty
            self.described.partitions = self.next.len() as i32;
        }
    }

    /// Waits for room: a reader that is slow slows only its own replay.
    fn deliver(&self, delivery: Delivery, sender: &mpsc::Sender<Delivery>) -> Result<(), Ended> {
        match &delivery {
            Delivery::Batch(batch) => _ = self.replays.metrics.records_read.inc_by(batch.records.len() as u64),
            Delivery::Gap { lost, .. } => self.replays.metrics.count_gap(*lost),
            Delivery::CaughtUp { .. } | Delivery::Unreadable { .. } | Delivery::TopicGone => {}
        }
        let last = delivery.is_last();
        sender.blocking_send(delivery).map_err(|_| Ended)?;
        if last { Err(Ended) } else { Ok(()) }
    }
}

/// Whether an end told at `next` is that of a partition which has come to `end` before. What is left may be no records, but
/// markers of transactions. But a broker that has begun to lead the partition, or only follows, may not know yet how far it is
/// stored for good, its `watermark`, and takes that for the end.
fn is_end(next: i64, end: i64, watermark: i64) -> bool {
    next >= end || watermark >= end
}

/// How far a partition is stored for good, as the last answer to a fetch said; negative if there was none.
fn high_watermark(consumer: &BaseConsumer<Context>, topic: &str, partition: i32) -> i64 {
    let (mut low, mut high) = (-1, -1);
    let Ok(topic) = CString::new(topic) else { return high };
    // SAFETY: the client lives as long as `consumer`; the name and both numbers outlive the call, which keeps none of them.
    unsafe {
        let client = consumer.client().native_ptr();
        sys::rd_kafka_get_watermark_offsets(client, topic.as_ptr(), partition, &mut low, &mut high);
    }
    high
}

fn finish(builder: &mut BatchBuilder, due: &mut Vec<Delivery>) {
    if !builder.is_empty() {
        due.push(Delivery::Batch(std::mem::take(builder).finish()));
    }
}

const THREAD: &str = "kafka-replay";
const TIMEOUT: Duration = Duration::from_secs(5);
/// Before the first try to hand over, and between two.
const AGAIN: Duration = Duration::from_secs(1);
/// Deliveries a reader may leave waiting before its replay waits.
const QUEUED_DELIVERIES: usize = 4;
const IDLE_WAIT: Duration = Duration::from_millis(100);
const BATCH_BYTES: usize = 256 << 10;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

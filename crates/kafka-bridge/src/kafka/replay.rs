//! Reads from old positions: each has a consumer and a thread of its own, so that none slows the live ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::batch::BatchBuilder;
use super::health::Context;
use super::lookup::{Described, Lookup, broker_error};
use crate::broker::{BrokerError, Deliveries, Delivery, PartitionPositions, ReadError, Start};
use crate::metrics::Metrics;

/// Starts replays, up to a number at once.
pub(super) struct Replays {
    pub(super) config: ClientConfig,
    pub(super) context: Context,
    pub(super) lookup: Arc<Lookup>,
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
    pub(super) fn start(&self, topic: &str, start: &Start) -> Result<Deliveries, ReadError> {
        let slot = Slot::take(&self.running, self.most).ok_or_else(|| {
            self.metrics.count_limit("replays");
            ReadError::TooManyReaders(self.most)
        })?;
        let unknown = || ReadError::UnknownTopic(topic.to_owned());
        let described = self.lookup.topic(topic, TIMEOUT)?.ok_or_else(unknown)?;
        let positions = self.lookup.positions(topic, described.partitions, TIMEOUT)?;
        let consumer: BaseConsumer<Context> =
            self.config.create_with_context(self.context.clone()).map_err(|error| broker_error(&error))?;
        let (sender, receiver) = mpsc::channel(QUEUED_DELIVERIES);
        let mut replay = Replay {
            topic: topic.to_owned(),
            described,
            consumer,
            lookup: self.lookup.clone(),
            metrics: self.metrics.clone(),
            next: Vec::new(),
            caught_up: vec![false; positions.len()],
            out_of_range: false,
            refresh: self.refresh,
            _slot: slot,
        };
        let gaps = replay.assign_at(start, &positions).map_err(|error| broker_error(&error))?;
        let spawned = std::thread::Builder::new().name("kafka-replay".into()).spawn(move || replay.run(gaps, &sender));
        spawned.map_err(|error| BrokerError::Other(error.to_string()))?;
        Ok(Deliveries { receiver })
    }
}

/// One of the places for replays; given back when dropped.
#[derive(Debug)]
struct Slot(Arc<AtomicUsize>);

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
    lookup: Arc<Lookup>,
    metrics: Metrics,
    next: Vec<i64>,
    caught_up: Vec<bool>,
    /// librdkafka has said that a partition cannot go on.
    out_of_range: bool,
    refresh: Duration,
    _slot: Slot,
}

/// The reader has left, or there is nothing more to read.
struct Ended;

impl Replay {
    fn assign_at(&mut self, start: &Start, positions: &[PartitionPositions]) -> Result<Vec<Delivery>, KafkaError> {
        let mut gaps = Vec::new();
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for position in positions {
            let wanted = start.of(position.partition, position.earliest, position.end);
            let next_offset = wanted.clamp(position.earliest, position.end);
            if next_offset != wanted {
                let lost = (next_offset - wanted).max(0);
                gaps.push(Delivery::Gap { partition: position.partition, next_offset, lost });
            }
            list.add_partition_offset(&self.topic, position.partition, Offset::Offset(next_offset))?;
            self.next.push(next_offset);
        }
        self.consumer.assign(&list)?;
        Ok(gaps)
    }

    fn run(mut self, gaps: Vec<Delivery>, sender: &mpsc::Sender<Delivery>) {
        let mut looked = Instant::now();
        let mut due = gaps;
        loop {
            for delivery in due.drain(..) {
                if self.hand_over(delivery, sender).is_err() {
                    return;
                }
            }
            if looked.elapsed() > self.refresh {
                looked = Instant::now();
                self.look(&mut due);
                if !due.is_empty() {
                    continue;
                }
            }
            if sender.is_closed() {
                return;
            }
            self.poll(&mut due);
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
                    let next = self.next.get_mut(message.partition() as usize);
                    if let Some(next) = next.filter(|next| message.offset() >= **next) {
                        *next = message.offset() + 1;
                        builder.push(&message);
                    }
                }
                Err(KafkaError::PartitionEOF(partition)) => {
                    if let Some(told) = self.caught_up.get_mut(partition as usize).filter(|told| !**told) {
                        *told = true;
                        finish(&mut builder, due);
                        due.push(Delivery::CaughtUp { partition });
                    }
                }
                Err(KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset)) => self.out_of_range = true,
                Err(error) => tracing::debug!(topic = self.topic, %error, "while reading"), // it goes on by itself
            }
        }
        finish(&mut builder, due);
        if self.out_of_range {
            self.out_of_range = !self.repair(due);
        }
    }

    /// Moves what is out of range to where it can go on; false if that must be tried again. All partitions are assigned anew,
    /// for it is not said which one failed.
    fn repair(&mut self, due: &mut Vec<Delivery>) -> bool {
        let Ok(positions) = self.lookup.positions(&self.topic, self.next.len() as i32, TIMEOUT) else { return false };
        // After the offsets were asked: those of a topic made anew meanwhile say nothing about the old one.
        if !matches!(self.lookup.topic(&self.topic, TIMEOUT), Ok(Some(found)) if found.id == self.described.id) {
            self.look(due);
            return false;
        }
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for position in positions {
            let next = &mut self.next[position.partition as usize];
            let next_offset = (*next).clamp(position.earliest, position.end);
            if next_offset != *next {
                let lost = (next_offset - *next).max(0);
                due.push(Delivery::Gap { partition: position.partition, next_offset, lost });
                *next = next_offset;
            }
            let _ = list.add_partition_offset(&self.topic, position.partition, Offset::Offset(*next)); // a plain number fits
        }
        if let Err(error) = self.consumer.assign(&list) {
            tracing::warn!(topic = self.topic, %error, "partitions not assigned anew");
        }
        true
    }

    /// Whether the topic went or grew.
    fn look(&mut self, due: &mut Vec<Delivery>) {
        match self.lookup.topic(&self.topic, TIMEOUT) {
            Ok(Some(found)) if found.id == self.described.id => self.grow(found),
            Ok(Some(_)) => due.push(Delivery::TopicGone),
            // One look is not enough: a broker just started may not have heard of all topics.
            Ok(None) if matches!(self.lookup.topic(&self.topic, TIMEOUT), Ok(None)) => due.push(Delivery::TopicGone),
            Ok(None) | Err(_) => {}
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
            self.caught_up.push(true); // it began empty
        }
    }

    /// Waits for room: a reader that is slow slows only its own replay.
    fn hand_over(&self, delivery: Delivery, sender: &mpsc::Sender<Delivery>) -> Result<(), Ended> {
        match &delivery {
            Delivery::Batch(batch) => _ = self.metrics.records_read.inc_by(batch.records.len() as u64),
            Delivery::Gap { lost, .. } => self.metrics.count_gap(*lost),
            Delivery::CaughtUp { .. } | Delivery::Unreadable { .. } | Delivery::TopicGone => {}
        }
        let last = delivery.is_last();
        sender.blocking_send(delivery).map_err(|_| Ended)?;
        if last { Err(Ended) } else { Ok(()) }
    }
}

fn finish(builder: &mut BatchBuilder, due: &mut Vec<Delivery>) {
    if !builder.is_empty() {
        due.push(Delivery::Batch(std::mem::take(builder).finish()));
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);
/// Deliveries a reader may leave waiting before its replay waits.
const QUEUED_DELIVERIES: usize = 4;
const IDLE_WAIT: Duration = Duration::from_millis(100);
const BATCH_BYTES: usize = 256 << 10;

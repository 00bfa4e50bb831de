//! `Reading`: a topic from some way back, then live. Both are reads of their own, so that whoever follows the topic's feed
//! never waits for this one. The one from the past ends when the live one has taken over: brokers have few places for such.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kafka_bridge::broker::{Broker, Deliveries, Delivery, ReadError, Start};
use kafka_bridge::record::Record;
use tokio::time::Instant;

/// Records of a topic, each partition's in the order of their offsets, each once.
#[derive(Debug)]
pub(crate) struct Reading {
    source: Source,
    /// Partitions whose past is not read to its end.
    behind: HashSet<i32>,
    /// By partition: offset behind the last record handed out.
    next: HashMap<i32, i64>,
}

enum Source {
    /// From some way back; it goes on live too, and does for good where no other could take over.
    Past {
        past: Deliveries,
        live: Live,
    },
    Live {
        live: Deliveries,
        waiting: VecDeque<Delivery>,
    },
}

/// The read that is to take over.
enum Live {
    /// Begins when the past is read.
    Later(Arc<dyn Broker>, String),
    Joining(BoxFuture<'static, Result<Joined, ReadError>>),
    /// Takes over when the past has come to where it began, the ends; what it brings until then waits.
    Joined(Joined),
    Never,
}

struct Joined {
    live: Deliveries,
    ends: HashMap<i32, i64>,
    waiting: VecDeque<Delivery>,
    give_up_at: Instant,
}

enum Came {
    Delivery(Option<Delivery>),
    /// Of the read that is to take over.
    Progress,
}

/// Why nothing follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    TopicGone,
    Unreadable,
    /// The broker was shut down.
    Stopped,
}

impl Reading {
    /// From at most so many records of each partition before its end.
    pub(crate) async fn begin(broker: &Arc<dyn Broker>, topic: &str, records: u32) -> Result<Self, ReadError> {
        let positions = broker.positions(topic).await?;
        let behind = positions.iter().filter(|position| position.end > position.earliest && records > 0);
        let behind = behind.map(|position| position.partition).collect();
        let past = broker.read(topic, Start::Last(records)).await?;
        let live = Live::Later(broker.clone(), topic.to_owned());
        Ok(Self { source: Source::Past { past, live }, behind, next: HashMap::new() })
    }

    /// What arrived together; may be empty. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Vec<Record>, End> {
        let has_caught_up = self.has_caught_up();
        let came = match &mut self.source {
            Source::Live { live, waiting } => match waiting.pop_front() {
                Some(delivery) => Came::Delivery(Some(delivery)),
                None => Came::Delivery(live.next().await),
            },
            Source::Past { past, live } => {
                if let Live::Later(broker, topic) = live
                    && has_caught_up
                {
                    *live = Live::Joining(join(broker.clone(), topic.clone()).boxed());
                }
                tokio::select! {
                    delivery = past.next() => Came::Delivery(delivery),
                    () = live.progress() => Came::Progress,
                }
            }
        };
        let records = match came {
            Came::Delivery(delivery) => self.take(delivery)?,
            Came::Progress => Vec::new(),
        };
        self.hand_over();
        Ok(records)
    }

    /// Whether what comes from a partition now is new.
    pub(crate) fn is_new(&self, partition: i32) -> bool {
        !self.behind.contains(&partition)
    }

    /// Whether that holds for all of them.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.behind.is_empty()
    }

    fn take(&mut self, delivery: Option<Delivery>) -> Result<Vec<Record>, End> {
        match delivery {
            Some(Delivery::Batch(mut batch)) => {
                batch.records.retain(|record| {
                    let next = self.next.entry(record.partition).or_insert(0);
                    let is_first = record.offset >= *next;
                    *next = (*next).max(record.offset + 1);
                    is_first
                });
                return Ok(batch.records);
            }
            Some(Delivery::CaughtUp { partition }) => _ = self.behind.remove(&partition),
            Some(Delivery::Gap { partition, next_offset, .. }) => _ = self.next.insert(partition, next_offset),
            Some(Delivery::Unreadable { .. }) => return Err(End::Unreadable),
            Some(Delivery::TopicGone) => return Err(End::TopicGone),
            None => return Err(End::Stopped),
        }
        Ok(Vec::new())
    }

    /// Lets the live read take over where nothing before its beginning is missing.
    fn hand_over(&mut self) {
        let Source::Past { live: place @ Live::Joined(_), .. } = &mut self.source else { return };
        let Live::Joined(joined) = std::mem::replace(place, Live::Never) else { return };
        if joined.ends.iter().all(|(partition, end)| self.next.get(partition).is_some_and(|next| next >= end)) {
            self.source = Source::Live { live: joined.live, waiting: joined.waiting };
        } else {
            *place = Live::Joined(joined);
        }
    }
}

impl Live {
    /// Until there is something new about it. Cancel safe.
    async fn progress(&mut self) {
        match self {
            Self::Later(..) | Self::Never => std::future::pending().await,
            Self::Joining(joining) => {
                *self = joining.await.map_or(Self::Never, Self::Joined);
            }
            Self::Joined(Joined { live, waiting, give_up_at, .. }) => tokio::select! {
                // The end of it is for the read of the past to tell.
                Some(delivery) = live.next() => {
                    waiting.push_back(delivery);
                    if waiting.len() > MAX_WAITING {
                        *self = Self::Never;
                    }
                }
                // The last offsets of a partition may hold no record (transactions), and nothing come any more.
                () = tokio::time::sleep_until(*give_up_at) => *self = Self::Never,
            },
        }
    }
}

/// A live read, and where the topic ended at a moment after its beginning.
async fn join(broker: Arc<dyn Broker>, topic: String) -> Result<Joined, ReadError> {
    let live = broker.read(&topic, Start::End).await?;
    let held = broker.positions(&topic).await?.into_iter().filter(|position| position.end > position.earliest);
    let ends = held.map(|position| (position.partition, position.end)).collect();
    Ok(Joined { live, ends, waiting: VecDeque::new(), give_up_at: Instant::now() + PATIENCE })
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Past { .. } => "Past",
            Self::Live { .. } => "Live",
        })
    }
}

/// For the past to come to where the live read began.
const PATIENCE: Duration = Duration::from_secs(5);

/// Deliveries of the live read meanwhile.
const MAX_WAITING: usize = 64;

#[cfg(test)]
mod tests {
    use kafka_bridge::memory::MemoryBroker;
    use kafka_bridge::record::NewRecord;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn while_the_live_read_takes_over_each_record_comes_once_and_in_order() {
        for round in 0..20 {
            let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new());
            broker.create_topic("t", Some(3)).await.unwrap();
            for number in 0..300 {
                write(&*broker, number).await;
            }
            let mut reading = Reading::begin(&broker, "t", 1_000).await.unwrap();
            let writer = broker.clone();
            let writing = tokio::spawn(async move {
                for number in 300..2_000 {
                    write(&*writer, number).await;
                    if number % 50 == round {
                        tokio::task::yield_now().await;
                    }
                }
            });
            let mut next = HashMap::new();
            let mut count = 0;
            while count < 2_000 {
                let records = tokio::time::timeout(Duration::from_secs(60), reading.next()).await;
                for record in records.expect("none is lost").unwrap() {
                    let next = next.entry(record.partition).or_insert(0);
                    assert_eq!(record.offset, *next);
                    *next += 1;
                    count += 1;
                }
            }
            writing.await.unwrap();
            while matches!(reading.source, Source::Past { .. }) {
                assert!(reading.next().await.unwrap().is_empty());
            }
            write(&*broker, 2_000).await;
            assert!(matches!(live_record(&mut reading).await, Ok(record) if record.key.as_deref() == Some(b"2000")));
        }
    }

    #[tokio::test]
    async fn the_past_is_what_was_there_and_is_told_from_what_is_new() {
        let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new());
        broker.create_topic("t", Some(2)).await.unwrap();
        write(&*broker, 7).await;
        let mut reading = Reading::begin(&broker, "t", 1).await.unwrap();
        assert!(!reading.has_caught_up());
        let record = live_record(&mut reading).await.unwrap();
        assert!(!reading.is_new(record.partition) && reading.is_new(1 - record.partition));
        while !reading.has_caught_up() {
            reading.next().await.unwrap();
        }
        assert!(reading.is_new(record.partition));
        let nothing_to_look_at = Reading::begin(&broker, "t", 0).await.unwrap();
        assert!(nothing_to_look_at.has_caught_up());
        assert!(matches!(Reading::begin(&broker, "unknown", 1).await, Err(ReadError::UnknownTopic(_))));
    }

    async fn live_record(reading: &mut Reading) -> Result<Record, End> {
        loop {
            if let Some(record) = reading.next().await?.pop() {
                return Ok(record);
            }
        }
    }

    async fn write(broker: &dyn Broker, number: i32) {
        let key = number.to_string();
        broker.append("t", NewRecord { key: Some(key.as_bytes()), value: b"x", headers: &[] }).unwrap().await.unwrap();
    }
}

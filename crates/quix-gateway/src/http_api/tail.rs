//! `Tail`: one read of a topic under way, for an answer that goes on or for one that is bounded.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use futures::future::BoxFuture;
use kafka_bridge::broker::{Deliveries, Delivery};
use kafka_bridge::feed::{FeedEvent, Following};
use kafka_bridge::record::Record;
use tokio::time::Instant;

use super::ask::Bounds;
use super::cursor::Cursor;
use super::ends::Ends;
use super::form::{Form, Text};
use super::lines::PackageLines;
use crate::replays::Permit;
use crate::topics::Topic;

/// One read under way.
pub(super) struct Tail {
    pub(super) source: Source,
    pub(super) topic: Arc<Topic>,
    pub(super) lines: PackageLines,
    pub(super) form: Form,
    /// Why the answer ends before its own end, when it does.
    pub(super) end: BoxFuture<'static, String>,
    /// What has come and is not written yet; of the first, this many records are.
    pub(super) pieces: VecDeque<Piece>,
    written: usize,
    /// Partitions that were read to what was their end.
    caught_up: BTreeSet<i32>,
    /// Held until all are.
    pub(super) permit: Option<Permit>,
}

/// Where the packages come from.
pub(super) enum Source {
    /// There is nothing to read up to the end.
    AtEnd,
    /// The topic's feed, shared with all who follow it.
    Live(Following),
    /// A read of its own, from an older position.
    From(Deliveries),
    /// The same, up to what was the end.
    Until { deliveries: Deliveries, ends: Ends },
}

/// What came next.
pub(super) enum Piece {
    Records(Vec<Record>),
    /// The same, shared with others.
    Shared(Arc<FeedEvent>),
    Gap {
        partition: i32,
        next_offset: i64,
        lost: i64,
    },
    CaughtUp {
        partition: i32,
    },
    /// Nothing follows, as was planned.
    End,
    /// Nothing follows, for this reason.
    Failed(String),
}

/// What is to be sent next of an answer that goes on.
pub(super) enum Next {
    /// Never empty.
    Text(Text),
    /// Its last word; ask no further.
    Last(Bytes),
}

/// A bounded read that is over.
pub(super) struct Read {
    pub(super) text: Text,
    pub(super) cursor: Cursor,
}

impl Tail {
    /// A read of this source from the cursor of `lines` on.
    pub(super) fn new(
        source: Source,
        topic: Arc<Topic>,
        lines: PackageLines,
        form: Form,
        end: BoxFuture<'static, String>,
    ) -> Self {
        let (pieces, caught_up) = (VecDeque::new(), BTreeSet::new());
        Self { source, topic, lines, form, end, pieces, written: 0, caught_up, permit: None }
    }

    /// What is to be sent next of an answer that goes on. Cancel safe.
    pub(super) async fn next(&mut self) -> Next {
        let mut text = Text::default();
        let beat = tokio::time::sleep(HEARTBEAT);
        tokio::pin!(beat);
        while text.len() == 0 {
            tokio::select! {
                biased;
                why = &mut self.end => return Next::Last(self.form.error(&why)),
                () = &mut beat => {
                    self.lines.expire();
                    self.form.heartbeat(&mut text, &self.lines.cursor);
                    break;
                }
                () = self.source.fetch(&self.topic, &mut self.pieces) => {}
            }
            match self.write(&mut text, |text| text.len() >= ROUND_BYTES) {
                Some(Over::Planned) => return Next::Last(self.form.end()),
                Some(Over::Failed(why)) => return Next::Last(self.form.error(&why)),
                None => {}
            }
        }
        Next::Text(text)
    }

    /// Reads until one of the bounds is reached, the end, or what cannot be passed.
    pub(super) async fn read(mut self, bounds: Bounds) -> Read {
        let (mut text, mut messages) = (Text::default(), 0);
        let deadline = Instant::now() + bounds.time;
        loop {
            tokio::select! {
                biased;
                why = &mut self.end => self.pieces = [Piece::Failed(why)].into(),
                () = self.source.fetch(&self.topic, &mut self.pieces) => {}
                () = tokio::time::sleep_until(deadline) => break,
            }
            let over = self.write(&mut text, |text| {
                messages += 1;
                messages >= bounds.max || text.len() >= MAX_BYTES
            });
            if let Some(Over::Failed(why)) = &over {
                text.add(&[&self.form.error(why)]);
            }
            let is_full = messages >= bounds.max || text.len() >= MAX_BYTES;
            // Records that nobody wants may come without end.
            if over.is_some() || is_full || Instant::now() >= deadline {
                break;
            }
        }
        if self.pieces.is_empty() {
            self.caught_up.iter().for_each(|partition| self.lines.end(*partition, now()));
        }
        Read { text, cursor: self.lines.cursor }
    }

    /// Writes what has come, until it is enough; `is_enough` is asked after each message. Why nothing follows, if so.
    fn write(&mut self, text: &mut Text, mut is_enough: impl FnMut(&Text) -> bool) -> Option<Over> {
        let form = self.form;
        while let Some(piece) = self.pieces.pop_front() {
            let records = match &piece {
                Piece::Records(records) => &records[..],
                Piece::Shared(event) => match &**event {
                    FeedEvent::Batch(batch) => &batch.records[..],
                    _ => &[],
                },
                Piece::Gap { partition, next_offset, lost } => {
                    if let Some(lost) = self.lines.pass_gap(*partition, *next_offset, *lost) {
                        form.gap(text, &self.lines.cursor, *partition, *next_offset, lost);
                    }
                    continue;
                }
                Piece::CaughtUp { partition } => {
                    self.caught_up.insert(*partition);
                    if self.permit.is_some() && self.caught_up.is_superset(&self.lines.cursor.partitions()) {
                        self.permit = None;
                    }
                    continue;
                }
                Piece::End => {
                    self.caught_up = self.lines.cursor.partitions();
                    return Some(Over::Planned);
                }
                Piece::Failed(why) => return Some(Over::Failed(why.clone())),
            };
            let mut is_full = false;
            self.written += self.lines.hand_out(&self.topic, &records[self.written..], now(), |cursor, json| {
                form.package(text, cursor, json);
                is_full = is_enough(text);
                if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if self.written < records.len() {
                self.pieces.push_front(piece);
                return None;
            }
            self.written = 0;
            if is_full {
                return None;
            }
        }
        None
    }
}

/// Why nothing follows.
enum Over {
    Planned,
    Failed(String),
}

impl Source {
    /// Waits for the next piece unless one is there. Cancel safe.
    async fn fetch(&mut self, topic: &Topic, pieces: &mut VecDeque<Piece>) {
        if pieces.is_empty() {
            let piece = self.next(topic).await;
            pieces.push_back(piece);
        }
    }

    async fn next(&mut self, topic: &Topic) -> Piece {
        let cut_off = || Piece::Failed("The server stopped reading the topic.".to_owned());
        match self {
            Self::AtEnd => Piece::End,
            Self::Live(following) => following.recv().await.map_or_else(cut_off, |event| told(event, topic)),
            Self::From(deliveries) => {
                deliveries.next().await.map_or_else(cut_off, |delivery| delivered(delivery, topic))
            }
            Self::Until { ends, .. } if ends.are_reached() => Piece::End,
            Self::Until { deliveries, ends } => {
                let delivery = deliveries.next().await.map(|delivery| ends.cut(delivery));
                delivery.map_or_else(cut_off, |delivery| delivered(delivery, topic))
            }
        }
    }
}

fn told(event: Arc<FeedEvent>, topic: &Topic) -> Piece {
    match &*event {
        FeedEvent::Batch(_) => Piece::Shared(event),
        FeedEvent::Gap { partition, next_offset, lost } => {
            Piece::Gap { partition: *partition, next_offset: *next_offset, lost: *lost }
        }
        FeedEvent::Unreadable { .. } => Piece::Failed(topic.unreadable()),
        FeedEvent::TopicGone => Piece::Failed(gone(topic)),
        FeedEvent::TooSlow => Piece::Failed(TOO_SLOW.to_owned()),
    }
}

fn delivered(delivery: Delivery, topic: &Topic) -> Piece {
    match delivery {
        Delivery::Batch(batch) => Piece::Records(batch.records),
        Delivery::CaughtUp { partition } => Piece::CaughtUp { partition },
        Delivery::Gap { partition, next_offset, lost } => Piece::Gap { partition, next_offset, lost },
        Delivery::Unreadable { .. } => Piece::Failed(topic.unreadable()),
        Delivery::TopicGone => Piece::Failed(gone(topic)),
    }
}

fn gone(topic: &Topic) -> String {
    format!("Topic '{}' is gone.", topic.name)
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The last word to whoever does not take what it asked for.
pub(super) const TOO_SLOW: &str = "The subscriber is too slow.";

/// Between two signs that the answer goes on; proxies cut off what is silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Of an answer that goes on, written at a time: what a record comes to is written in as many rounds as it takes.
const ROUND_BYTES: usize = 1 << 20;

/// Of a bounded answer, past which no message is added.
const MAX_BYTES: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kafka_bridge::broker::{Broker, Start};
    use kafka_bridge::memory::MemoryBroker;
    use kafka_bridge::record::NewRecord;
    use quix_model::{Events, Outgoing, WriteSettings};
    use serde_json::json;

    use super::*;
    use crate::audience::Wishes;
    use crate::subscription::{Kind, Scope, Select, Subscription};

    /// Records that come all the time must not keep an answer from its end.
    #[tokio::test]
    async fn the_end_comes_before_what_is_there_to_read() {
        let broker = broker().await;
        append(&broker, b"x").await;
        for _ in 0..64 {
            let mut probe = broker.read("t", Start::Earliest).await.unwrap();
            let deliveries = broker.read("t", Start::Earliest).await.unwrap();
            probe.next().await.unwrap();
            tokio::task::yield_now().await; // the other, begun at the same time, has its records too
            let mut tail = Tail { end: std::future::ready("why".to_owned()).boxed(), ..tail(deliveries) };
            let Next::Last(word) = tail.next().await else { panic!("a record") };
            assert_eq!(word, Form::Lines.error("why"));
        }
    }

    /// There is very much, and nothing of it is wanted.
    #[tokio::test]
    async fn a_bounded_read_is_answered_in_its_time_wherever_it_is() {
        let broker = broker().await;
        let writes = async {
            loop {
                append(&broker, b"x").await;
                tokio::task::yield_now().await;
            }
        };
        let mut tail = tail(broker.read("t", Start::Earliest).await.unwrap());
        tail.lines = PackageLines::new(Wishes::default(), Cursor::default());
        let bounds = Bounds { max: 1, waits: false, time: Duration::from_millis(50) };
        tokio::select! {
            read = tail.read(bounds) => {
                assert_eq!(read.text.len(), 0);
                assert_ne!(read.cursor, Cursor::default(), "it has gone on nevertheless");
            }
            () = writes => {}
            () = tokio::time::sleep(Duration::from_secs(30)) => panic!("no answer"),
        }
    }

    #[tokio::test]
    async fn no_more_of_a_record_is_written_at_a_time_than_a_round_takes() {
        let broker = broker().await;
        let events: Vec<_> = (0..15_000).map(|number| json!({ "id": "e", "timestamp": number })).collect();
        let events: Events = serde_json::from_value(json!(events)).unwrap();
        let records = WriteSettings::default().records(Outgoing::Events(&events), "s", 7).unwrap();
        append(&broker, &records[0].value).await;
        let mut tail = tail(broker.read("t", Start::Earliest).await.unwrap());
        let mut sizes = Vec::new();
        while tail.lines.cursor.place(0).next == 0 {
            let Next::Text(text) = tail.next().await else { panic!("the end") };
            sizes.push(text.len());
        }
        assert!(sizes.len() > 2 && sizes.iter().all(|size| *size < ROUND_BYTES + 1000), "{sizes:?}");
    }

    async fn broker() -> MemoryBroker {
        let broker = MemoryBroker::new();
        broker.create_topic("t", None).await.unwrap();
        broker
    }

    async fn append(broker: &MemoryBroker, value: &[u8]) {
        broker.append("t", NewRecord { key: Some(b"s"), value, headers: &[] }).unwrap().await.unwrap();
    }

    /// Of all events.
    fn tail(deliveries: Deliveries) -> Tail {
        let topic = Arc::new(Topic { name: "t".into(), id: "ws-t".into() });
        let all = Subscription { kind: Kind::Events, stream: Select::All, id: Select::All, scope: Scope::Topic };
        let lines = PackageLines::new(Wishes::from([all]), Cursor::at([0]));
        Tail::new(Source::From(deliveries), topic, lines, Form::Lines, std::future::pending().boxed())
    }
}

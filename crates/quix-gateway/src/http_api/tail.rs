//! `Tail`: one read of a topic under way, for an answer that goes on or for one that is bounded.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use futures::future::BoxFuture;
use kafka_bridge::broker::{Deliveries, Delivery, NextOffset};
use kafka_bridge::feed::{FeedEvent, Following};
use kafka_bridge::record::Record;
use tokio::time::Instant;

use super::ask::Bounds;
use super::cursor::Cursor;
use super::ends::Ends;
use super::form::{Form, Text};
use super::lines::PackageLines;
use crate::replays::{Permit, Replayer};
use crate::topics::Topic;

/// One read under way.
pub(super) struct Tail {
    source: Source,
    topic: Arc<Topic>,
    lines: PackageLines,
    pub(super) form: Form,
    /// Why the answer ends before its own end, when it does.
    pub(super) end: BoxFuture<'static, String>,
    /// What has come and is not written yet; of the first, this many records are.
    pieces: VecDeque<Piece>,
    written: usize,
    /// Partitions that there were when the source was opened.
    begun: BTreeSet<i32>,
    /// Partitions that were read to what was their end.
    caught_up: BTreeSet<i32>,
    /// Held until all that were begun are.
    permit: Option<Permit>,
}

/// How a read begins.
pub(super) struct Opened {
    pub(super) source: Source,
    /// Partitions that go on here rather than where the cursor stands: that is told first, and moves the cursor.
    pub(super) cut_back: Vec<NextOffset>,
    /// For a read of its own.
    pub(super) permit: Option<Permit>,
}

/// Where the packages come from.
pub(super) enum Source {
    /// There is nothing to read up to the end.
    AtEnd,
    /// The topic's feed, shared with all who follow it; whoever falls behind it goes on with a read of its own.
    Live(Following, Replayer),
    /// The feed is lost; that read is to be opened.
    Behind(Replayer),
    /// A read of its own, from an older position.
    From(Deliveries),
    /// The same, up to what was the end.
    Until { deliveries: Deliveries, ends: Ends },
}

/// What came next.
pub(super) enum Piece {
    Records(Records),
    Gap {
        partition: i32,
        next_offset: i64,
        lost: i64,
    },
    CaughtUp {
        partition: i32,
    },
    /// A read of its own has been opened at the cursor.
    Replayed(Permit),
    /// Nothing follows, as was planned.
    End,
    /// Nothing follows, for this reason.
    Failed(String),
}

pub(super) enum Records {
    Own(Vec<Record>),
    /// A batch of the feed's.
    Shared(Arc<FeedEvent>),
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
    /// Unless it has come to the end.
    pub(super) permit: Option<Permit>,
}

impl Tail {
    /// A read from the cursor of `lines` on.
    pub(super) fn new(
        opened: Opened,
        topic: Arc<Topic>,
        lines: PackageLines,
        form: Form,
        end: BoxFuture<'static, String>,
    ) -> Self {
        let Opened { source, cut_back, permit } = opened;
        let gap = |NextOffset { partition, offset }| Piece::Gap { partition, next_offset: offset, lost: 0 };
        let pieces = cut_back.into_iter().map(gap).collect();
        let (begun, caught_up) = (lines.cursor.partitions(), BTreeSet::new());
        Self { source, topic, lines, form, end, pieces, written: 0, begun, caught_up, permit }
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
                () = self.source.fetch(&self.topic, &self.lines.cursor, &mut self.pieces) => {}
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
                why = &mut self.end => self.pieces.push_back(Piece::Failed(why)),
                () = self.source.fetch(&self.topic, &self.lines.cursor, &mut self.pieces) => {}
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
        Read { text, cursor: self.lines.cursor, permit: self.permit }
    }

    /// Writes what has come, until it is enough; `is_enough` is asked after each message. Why nothing follows, if so.
    fn write(&mut self, text: &mut Text, mut is_enough: impl FnMut(&Text) -> bool) -> Option<Over> {
        let form = self.form;
        while let Some(piece) = self.pieces.pop_front() {
            match piece {
                Piece::Records(records) => {
                    if self.write_records(records, text, &mut is_enough).is_break() {
                        return None;
                    }
                }
                Piece::Gap { partition, next_offset, lost } => {
                    if let Some(lost) = self.lines.pass_gap(partition, next_offset, lost) {
                        form.gap(text, &self.lines.cursor, partition, next_offset, lost);
                    }
                }
                Piece::CaughtUp { partition } => {
                    self.caught_up.insert(partition);
                    if self.caught_up.is_superset(&self.begun) {
                        self.permit = None;
                    }
                }
                Piece::Replayed(permit) => {
                    (self.begun, self.caught_up) = (self.lines.cursor.partitions(), BTreeSet::new());
                    self.permit = Some(permit);
                }
                Piece::End => {
                    self.caught_up = self.lines.cursor.partitions();
                    return Some(Over::Planned);
                }
                Piece::Failed(why) => return Some(Over::Failed(why)),
            }
        }
        None
    }

    /// What is left of them comes first again.
    fn write_records(
        &mut self,
        records: Records,
        text: &mut Text,
        mut is_enough: impl FnMut(&Text) -> bool,
    ) -> ControlFlow<()> {
        let (form, mut flow) = (self.form, ControlFlow::Continue(()));
        let rest = &records.all()[self.written..];
        let done = self.lines.hand_out(&self.topic, rest, now(), |cursor, json| {
            form.package(text, cursor, json);
            flow = if is_enough(text) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            flow
        });
        if done == rest.len() {
            self.written = 0;
        } else {
            self.written += done;
            self.pieces.push_front(Piece::Records(records));
        }
        flow
    }
}

impl Records {
    fn all(&self) -> &[Record] {
        match self {
            Self::Own(records) => records,
            Self::Shared(event) => match &**event {
                FeedEvent::Batch(batch) => &batch.records,
                _ => &[],
            },
        }
    }
}

/// Why nothing follows.
enum Over {
    Planned,
    Failed(String),
}

impl Source {
    /// Waits for the next piece unless one is there. Cancel safe.
    async fn fetch(&mut self, topic: &Topic, cursor: &Cursor, pieces: &mut VecDeque<Piece>) {
        if pieces.is_empty() {
            let piece = self.next(topic, cursor).await;
            pieces.push_back(piece);
        }
    }

    async fn next(&mut self, topic: &Topic, cursor: &Cursor) -> Piece {
        let cut_off = || Piece::Failed("The server stopped reading the topic.".to_owned());
        loop {
            return match self {
                Self::AtEnd => Piece::End,
                Self::Live(following, replayer) => match following.recv().await {
                    Some(event) if matches!(*event, FeedEvent::TooSlow) => {
                        *self = Self::Behind(replayer.clone());
                        continue;
                    }
                    event => event.map_or_else(cut_off, |event| told(event, topic)),
                },
                Self::Behind(replayer) => match replayer.open(&topic.name, cursor.start()).await {
                    Ok((deliveries, permit)) => {
                        *self = Self::From(deliveries);
                        Piece::Replayed(permit)
                    }
                    Err(error) => Piece::Failed(format!("{TOO_SLOW} {error}")),
                },
                Self::From(deliveries) => {
                    deliveries.next().await.map_or_else(cut_off, |delivery| delivered(delivery, topic))
                }
                Self::Until { ends, .. } if ends.are_reached() => Piece::End,
                Self::Until { deliveries, ends } => {
                    let delivery = deliveries.next().await.map(|delivery| ends.cut(delivery));
                    delivery.map_or_else(cut_off, |delivery| delivered(delivery, topic))
                }
            };
        }
    }
}

fn told(event: Arc<FeedEvent>, topic: &Topic) -> Piece {
    match &*event {
        FeedEvent::Batch(_) => Piece::Records(Records::Shared(event)),
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
        Delivery::Batch(batch) => Piece::Records(Records::Own(batch.records)),
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
    use kafka_bridge::feed::Feeds;
    use kafka_bridge::memory::MemoryBroker;
    use kafka_bridge::record::NewRecord;
    use quix_model::{Events, Outgoing, WriteSettings};
    use serde_json::json;

    use super::*;
    use crate::audience::Wishes;
    use crate::http_api::Held;
    use crate::read_rules::Rows;
    use crate::replays::{Client, Replays};
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
            let mut tail = tail(opened(deliveries), std::future::ready("why".to_owned()).boxed());
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
        let mut tail = tail(opened(broker.read("t", Start::Earliest).await.unwrap()), pending());
        tail.lines = PackageLines::new(Wishes::default(), Cursor::default(), Rows::default(), Held::new(0).share());
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
        let mut tail = tail(opened(broker.read("t", Start::Earliest).await.unwrap()), pending());
        let mut sizes = Vec::new();
        while tail.lines.cursor.place(0).next == 0 {
            let Next::Text(text) = tail.next().await else { panic!("the end") };
            sizes.push(text.len());
        }
        assert!(sizes.len() > 2 && sizes.iter().all(|size| *size < ROUND_BYTES + 1000), "{sizes:?}");
    }

    #[tokio::test]
    async fn a_live_reader_that_falls_behind_goes_on_with_a_read_of_its_own() {
        let broker = broker().await;
        let feeds = Feeds::new(broker.clone(), Duration::ZERO);
        let following = feeds.follow_unawaited("t").await.unwrap();
        let replays = Replays::new(1, Duration::from_secs(60));
        let replayer = Replayer { broker: broker.clone(), replays: replays.clone(), client: Client::Unknown };
        let source = Source::Live(following, replayer);
        let mut tail = tail(Opened { source, cut_back: Vec::new(), permit: None }, pending());
        let event: Events = serde_json::from_value(json!([{ "id": "e", "timestamp": 1 }])).unwrap();
        let record = &WriteSettings::default().records(Outgoing::Events(&event), "s", 7).unwrap()[0];
        let mut probe = feeds.follow("t").await.unwrap();
        for _ in 0..200 {
            append(&broker, &record.value).await;
            probe.recv().await.unwrap(); // each comes by itself
        }
        let mut lines = String::new();
        while tail.lines.cursor != Cursor::at([200]) {
            let Next::Text(text) = tail.next().await else { panic!("the end") };
            text.into_parts().iter().for_each(|part| lines.push_str(std::str::from_utf8(part).unwrap()));
        }
        let offset = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["offset"].as_i64().unwrap();
        assert_eq!(lines.lines().map(offset).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
        assert!(matches!(tail.source, Source::From(_)));
        tokio::select! {
            _ = tail.next() => panic!("there is no more"),
            permit = replays.take(Client::Unknown) => assert!(permit.is_ok(), "it has caught up"),
        }
    }

    #[tokio::test]
    async fn partitions_that_come_meanwhile_do_not_keep_a_permit() {
        let broker = broker().await;
        let permit = Replays::new(1, Duration::ZERO).take(Client::Unknown).await.unwrap();
        let deliveries = broker.read("t", Start::Earliest).await.unwrap();
        let mut tail = tail(Opened { permit: Some(permit), ..opened(deliveries) }, pending());
        let gap = Piece::Gap { partition: 7, next_offset: 3, lost: 3 };
        tail.pieces.extend([gap, Piece::CaughtUp { partition: 7 }]);
        assert!(tail.write(&mut Text::default(), |_| false).is_none());
        assert!(tail.permit.is_some() && tail.lines.cursor.partitions().contains(&7));
        tail.caught_up.clear();
        tail.pieces.push_back(Piece::CaughtUp { partition: 0 });
        assert!(tail.write(&mut Text::default(), |_| false).is_none());
        assert!(tail.permit.is_none());
    }

    #[tokio::test]
    async fn what_is_cut_back_is_told_even_if_the_end_comes_at_once_and_a_cursor_before_leads_to_it_again() {
        let cut_back = vec![NextOffset { partition: 0, offset: 0 }, NextOffset { partition: 1, offset: 2 }];
        let end = std::future::ready("why".to_owned()).boxed();
        let mut tail = tail(Opened { source: Source::AtEnd, cut_back, permit: None }, end);
        (tail.lines.cursor, tail.form) = ("0:9,1:9".parse().unwrap(), Form::Events);
        let read = tail.read(Bounds { max: 1, waits: true, time: Duration::from_secs(60) }).await;
        let text = String::from_utf8(read.text.into_parts().concat()).unwrap();
        let ids: Vec<_> = text.lines().filter(|line| line.starts_with("id: ")).collect();
        assert_eq!(ids, ["id: 0:0,1:9", "id: 0:0,1:2"]);
        assert!(text.ends_with("event: problem\ndata: {\"error\":\"why\"}\n\n"), "{text}");
        assert_eq!(read.cursor.to_string(), "0:0,1:2");
    }

    async fn broker() -> Arc<MemoryBroker> {
        let broker = MemoryBroker::new();
        broker.create_topic("t", None).await.unwrap();
        Arc::new(broker)
    }

    async fn append(broker: &MemoryBroker, value: &[u8]) {
        broker.append("t", NewRecord { key: Some(b"s"), value, headers: &[] }).unwrap().await.unwrap();
    }

    fn opened(deliveries: Deliveries) -> Opened {
        Opened { source: Source::From(deliveries), cut_back: Vec::new(), permit: None }
    }

    fn pending() -> BoxFuture<'static, String> {
        std::future::pending().boxed()
    }

    /// Of all events.
    fn tail(opened: Opened, end: BoxFuture<'static, String>) -> Tail {
        let topic = Arc::new(Topic { name: "t".into(), id: "ws-t".into() });
        let all = Subscription { kind: Kind::Events, stream: Select::All, id: Select::All, scope: Scope::Topic };
        let lines =
            PackageLines::new(Wishes::from([all]), Cursor::at([0]), Rows::default(), Held::new(usize::MAX).share());
        Tail::new(opened, topic, lines, Form::Lines, end)
    }
}

//! `Tail`: one read of a topic under way, for an answer that goes on or for one that is bounded.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use kafka_bridge::broker::{Deliveries, Delivery};
use kafka_bridge::feed::{FeedEvent, Following};
use kafka_bridge::record::Record;
use tokio::time::Instant;

use super::ask::Bounds;
use super::cursor::Cursor;
use super::ends::Ends;
use super::lines::{Form, PackageLines};
use crate::topics::Topic;

/// One read under way.
pub(super) struct Tail {
    pub(super) source: Source,
    pub(super) topic: Arc<Topic>,
    pub(super) lines: PackageLines,
    pub(super) form: Form,
    /// Why the answer ends before its own end, when it does.
    pub(super) end: BoxFuture<'static, String>,
}

/// Where the packages come from.
pub(super) enum Source {
    /// The answer is over.
    Nothing,
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
enum Piece {
    Records(Vec<Record>),
    /// The same, shared with others.
    Shared(Arc<FeedEvent>),
    Gap {
        partition: i32,
        next_offset: i64,
        lost: i64,
    },
    Nothing,
    /// Nothing follows, for this reason.
    Failed(String),
}

/// A bounded read that is over.
pub(super) struct Read {
    pub(super) body: Vec<u8>,
    pub(super) cursor: Cursor,
}

impl Tail {
    /// What is to be sent next of an answer that goes on, never empty; `None` at the end.
    pub(super) async fn next_bytes(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let beat = tokio::time::sleep(HEARTBEAT);
        tokio::pin!(beat);
        while out.is_empty() {
            if matches!(self.source, Source::Nothing) {
                return None;
            }
            let piece = tokio::select! {
                biased;
                why = &mut self.end => Some(Piece::Failed(why)),
                () = &mut beat => return Some(self.form.heartbeat(&self.lines.cursor)),
                piece = self.source.next(&self.topic) => piece,
            };
            let Some(piece) = piece else {
                self.source = Source::Nothing;
                out = self.form.end();
                continue;
            };
            _ = self.take(&piece, &mut out, |_| ControlFlow::Continue(()));
        }
        Some(out)
    }

    /// Reads until one of the bounds is reached, the end, or what cannot be passed.
    pub(super) async fn read(mut self, bounds: Bounds) -> Read {
        let (mut body, mut messages) = (Vec::new(), 0);
        let deadline = Instant::now() + bounds.wait;
        // Without a wait there is an end, and the answer is whole.
        let may_end = !bounds.wait.is_zero();
        while !matches!(self.source, Source::Nothing) {
            let piece = tokio::select! {
                biased;
                why = &mut self.end => Some(Piece::Failed(why)),
                piece = self.source.next(&self.topic) => piece,
                () = tokio::time::sleep_until(deadline), if may_end => None,
            };
            let Some(piece) = piece else { break };
            let taken = self.take(&piece, &mut body, |bytes| {
                messages += 1;
                let is_full = messages >= bounds.max || bytes >= MAX_BYTES;
                if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            // Records that nobody wants may come without end.
            if taken.is_break() || (may_end && Instant::now() >= deadline) {
                break;
            }
        }
        Read { body, cursor: self.lines.cursor }
    }

    /// Writes a piece behind `out`; `each` is told its length after each message.
    fn take(
        &mut self,
        piece: &Piece,
        out: &mut Vec<u8>,
        mut each: impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let form = self.form;
        let records = match piece {
            Piece::Records(records) => &records[..],
            Piece::Shared(event) => match &**event {
                FeedEvent::Batch(batch) => &batch.records[..],
                _ => &[],
            },
            Piece::Gap { partition, next_offset, lost } => {
                if let Some(lost) = self.lines.pass_gap(*partition, *next_offset, *lost) {
                    out.extend(form.gap(&self.lines.cursor, *partition, *next_offset, lost));
                }
                &[]
            }
            Piece::Nothing => &[],
            Piece::Failed(why) => {
                self.source = Source::Nothing;
                out.extend(form.error(why));
                &[]
            }
        };
        self.lines.hand_out(&self.topic, records, |cursor, json| {
            form.package(out, cursor, json);
            each(out.len())
        })
    }
}

impl Source {
    /// `None` at the end. Cancel safe.
    async fn next(&mut self, topic: &Topic) -> Option<Piece> {
        let cut_off = || Piece::Failed("The server stopped reading the topic.".to_owned());
        match self {
            Self::Nothing | Self::AtEnd => None,
            Self::Live(following) => Some(following.recv().await.map_or_else(cut_off, |event| told(event, topic))),
            Self::From(deliveries) => {
                Some(deliveries.next().await.map_or_else(cut_off, |delivery| delivered(delivery, topic)))
            }
            Self::Until { ends, .. } if ends.are_reached() => None,
            Self::Until { deliveries, ends } => {
                let delivery = deliveries.next().await.map(|delivery| ends.cut(delivery));
                Some(delivery.map_or_else(cut_off, |delivery| delivered(delivery, topic)))
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
        FeedEvent::TooSlow => Piece::Failed("The subscriber is too slow.".to_owned()),
    }
}

fn delivered(delivery: Delivery, topic: &Topic) -> Piece {
    match delivery {
        Delivery::Batch(batch) => Piece::Records(batch.records),
        Delivery::CaughtUp { .. } => Piece::Nothing,
        Delivery::Gap { partition, next_offset, lost } => Piece::Gap { partition, next_offset, lost },
        Delivery::Unreadable { .. } => Piece::Failed(topic.unreadable()),
        Delivery::TopicGone => Piece::Failed(gone(topic)),
    }
}

fn gone(topic: &Topic) -> String {
    format!("Topic '{}' is gone.", topic.name)
}

/// Between two signs that the answer goes on; proxies cut off what is silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Of a bounded answer, past which no message is added.
const MAX_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kafka_bridge::broker::{Broker, Start};
    use kafka_bridge::memory::MemoryBroker;
    use kafka_bridge::record::NewRecord;

    use super::*;

    /// Records that come all the time must not keep an answer from its end.
    #[tokio::test]
    async fn the_end_comes_before_what_is_there_to_read() {
        let broker = MemoryBroker::new();
        broker.create_topic("t", None).await.unwrap();
        broker.append("t", NewRecord { key: None, value: b"x", headers: &[] }).unwrap().await.unwrap();
        for _ in 0..64 {
            let mut probe = broker.read("t", Start::Earliest).await.unwrap();
            let deliveries = broker.read("t", Start::Earliest).await.unwrap();
            probe.next().await.unwrap();
            tokio::task::yield_now().await; // the other, begun at the same time, has its records too
            let topic = Arc::new(Topic { name: "t".into(), id: "ws-t".into() });
            let end = std::future::ready("why".to_owned()).boxed();
            let lines = PackageLines::new(Default::default(), Cursor::default(), Default::default());
            let mut tail = Tail { source: Source::From(deliveries), topic, lines, form: Form::Lines, end };
            assert_eq!(tail.next_bytes().await.unwrap(), Form::Lines.error("why"));
            assert!(tail.next_bytes().await.is_none());
        }
    }
}

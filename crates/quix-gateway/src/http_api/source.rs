//! `Source`: where the packages of a read come from, piece by piece.

use std::collections::VecDeque;
use std::sync::Arc;

use kafka_bridge::broker::{Deliveries, Delivery};
use kafka_bridge::feed::{FeedEvent, Following};
use kafka_bridge::record::Record;

use super::cursor::Cursor;
use super::ends::Ends;
use crate::replays::{Permit, Replayer};
use crate::topics::Topic;

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

impl Source {
    /// Waits for the next piece unless one is there. Cancel safe.
    pub(super) async fn fetch(&mut self, topic: &Topic, cursor: &Cursor, pieces: &mut VecDeque<Piece>) {
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

/// Some that came together.
pub(super) enum Records {
    Own(Vec<Record>),
    /// A batch of the feed's.
    Shared(Arc<FeedEvent>),
}

impl Records {
    pub(super) fn all(&self) -> &[Record] {
        match self {
            Self::Own(records) => records,
            Self::Shared(event) => match &**event {
                FeedEvent::Batch(batch) => &batch.records,
                _ => &[],
            },
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

/// The last word to whoever does not take what it asked for.
pub(super) const TOO_SLOW: &str = "The subscriber is too slow.";

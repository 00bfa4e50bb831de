//! `PackageLines`: records into the messages of one answer, each with the place behind it; and [`Form`], how they are written.

use std::ops::ControlFlow;
use std::sync::Arc;

use kafka_bridge::record::Record;
use serde::Serialize;
use serde_json::json;

use super::cursor::{Cursor, Place};
use crate::audience::{Callback, Delivery, Group, Intake, Takers, Wanted, Wishes};
use crate::read_rules::Rows;
use crate::subscription::Kind;
use crate::topics::Topic;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// NDJSON: a JSON text a line.
    Lines,
    /// Server-Sent Events, each package with the cursor behind it as its id.
    Events,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        }
    }

    pub(super) fn package(self, out: &mut Vec<u8>, cursor: &Cursor, json: &[u8]) {
        if self == Self::Events {
            out.extend(format!("id: {cursor}\ndata: ").into_bytes());
        }
        out.extend(json);
        out.extend(if self == Self::Events { &b"\n\n"[..] } else { b"\n" });
    }

    /// Reading goes on at `next_offset`; `lost` records before it are gone: they were deleted before they were read.
    pub(super) fn gap(self, cursor: &Cursor, partition: i32, next_offset: i64, lost: i64) -> Vec<u8> {
        let gap = json!({ "partition": partition, "nextOffset": next_offset, "lost": lost });
        match self {
            Self::Lines => format!("{}\n", json!({ "gap": gap })),
            Self::Events => format!("event: gap\nid: {cursor}\ndata: {gap}\n\n"),
        }
        .into_bytes()
    }

    /// The last of an answer that ends, and not by plan.
    pub(super) fn error(self, error: &str) -> Vec<u8> {
        let error = json!({ "error": error });
        match self {
            Self::Lines => format!("{error}\n"),
            // Not `error`: browsers call their own so.
            Self::Events => format!("event: problem\ndata: {error}\n\n"),
        }
        .into_bytes()
    }

    /// The last of an answer that has come to its end: a page's `EventSource` would ask again.
    pub(super) fn end(self) -> Vec<u8> {
        match self {
            Self::Lines => Vec::new(),
            Self::Events => b"event: end\ndata: {}\n\n".to_vec(),
        }
    }

    /// Nothing has come for a while; whoever was cut off need not look at again what nobody wanted.
    pub(super) fn heartbeat(self, cursor: &Cursor) -> Vec<u8> {
        match self {
            Self::Lines => b"\n".to_vec(),
            Self::Events => format!(":\nid: {cursor}\n\n").into_bytes(),
        }
    }
}

/// Records on their way to one answer, those that came in segments put together.
pub(super) struct PackageLines {
    wishes: Wishes,
    /// Behind what was handed out.
    pub(super) cursor: Cursor,
    intake: Intake,
}

/// What is odd is counted where topics are followed.
const UNCOUNTED: fn(&'static str) = |_| {};

impl PackageLines {
    /// From a cursor on: what comes of records before it was handed out already.
    pub(super) fn new(wishes: Wishes, cursor: Cursor, rows: Rows) -> Self {
        Self { wishes, cursor, intake: Intake::new(rows) }
    }

    /// Hands out what the wishes get of these records, a JSON text each, and stops when told to: [`cursor`](Self::cursor) is
    /// behind what was handed out last then.
    pub(super) fn hand_out(
        &mut self,
        topic: &Topic,
        records: &[Record],
        mut each: impl FnMut(&Cursor, &[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.intake.expire(UNCOUNTED);
        records.iter().try_for_each(|record| self.hand_out_one(topic, record, &mut each))
    }

    fn hand_out_one(
        &mut self,
        topic: &Topic,
        record: &Record,
        each: &mut impl FnMut(&Cursor, &[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (partition, offset) = (record.partition, record.offset);
        let place = self.cursor.place(partition);
        let from = self.intake.incomplete_from(partition);
        if offset < place.next {
            // It was handed out before; of a message that comes in segments it may be one.
            self.intake.take(record, UNCOUNTED, |_| {});
            return ControlFlow::Continue(());
        }
        let messages = self.messages(topic, record);
        let given = if offset == place.next { place.given } else { 0 };
        let next = offset + 1;
        let behind = Place { next, given: 0, from: self.intake.incomplete_from(partition).unwrap_or(next) };
        for (number, message) in messages.iter().enumerate().skip(given) {
            let is_last = number + 1 == messages.len();
            let within = Place { next: offset, given: number + 1, from: from.unwrap_or(offset) };
            self.cursor.set(partition, if is_last { behind } else { within });
            each(&self.cursor, message)?;
        }
        self.cursor.set(partition, behind);
        ControlFlow::Continue(())
    }

    /// What a record comes to.
    fn messages(&mut self, topic: &Topic, record: &Record) -> Vec<Vec<u8>> {
        let Self { intake, wishes, .. } = self;
        let mut messages = Vec::new();
        intake.take(record, UNCOUNTED, |package| {
            let takers = Reader { wishes, record, messages: &mut messages };
            Delivery { topic, package, timestamp_ms: record.timestamp_ms, takers, sampler: None }.make();
        });
        messages
    }

    /// Takes note that reading goes on at `next_offset`; how many records are missing by that, of which a part may have been
    /// handed out before. `None` if that is none.
    pub(super) fn pass_gap(&mut self, partition: i32, next_offset: i64, lost: i64) -> Option<i64> {
        let place = self.cursor.place(partition);
        let is_cut_back = lost == 0;
        if !is_cut_back && next_offset <= place.next {
            if next_offset <= place.from {
                return None;
            }
            // The first segments of a message that was not whole yet.
            self.cursor.set(partition, Place { from: next_offset, ..place });
            return Some(next_offset - place.from);
        }
        self.cursor.set(partition, Place::at(next_offset));
        Some(if is_cut_back { 0 } else { next_offset - place.next })
    }
}

/// The one who gets an answer.
struct Reader<'a> {
    wishes: &'a Wishes,
    record: &'a Record,
    messages: &'a mut Vec<Vec<u8>>,
}

/// The argument of a hub's callback with its place in the topic.
#[derive(Serialize)]
struct Message<'a, A> {
    /// None for packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    callback: Option<&'static str>,
    #[serde(flatten)]
    argument: &'a A,
    partition: i32,
    offset: i64,
}

impl Takers for Reader<'_> {
    fn groups(&mut self, kind: Kind, stream_id: &str) -> Arc<[Group]> {
        let wanted = Wanted::of(self.wishes, kind, Some(&stream_id.into()));
        wanted.into_iter().map(|wanted| Group { wanted, audiences: vec![0] }).collect()
    }

    fn give<A: Serialize>(&mut self, callback: &mut Callback<'_, A>, _: &Group) {
        let (partition, offset) = (self.record.partition, self.record.offset);
        let name = Some(callback.target()).filter(|name| *name != "PackageReceived");
        let message = Message { callback: name, argument: callback.argument(), partition, offset };
        self.messages.push(serde_json::to_vec(&message).expect("texts and numbers always serialise"));
    }
}

//! `PackageLines`: records into the messages of one answer, each with the place behind it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_bridge::record::Record;
use quix_model::{MergeLimits, Package};
use serde::Serialize;

use super::cursor::{Cursor, Incomplete, Place};
use super::held::Share;
use crate::audience::{Callback, Delivery, Group, Intake, Part, PutTogether, Takers, Wanted, Wishes};
use crate::read_rules::Rows;
use crate::subscription::Kind;
use crate::topics::Topic;

/// Records on their way to one answer, those that came in segments put together.
pub(super) struct PackageLines {
    wishes: Wishes,
    /// Behind what was handed out.
    pub(super) cursor: Cursor,
    intake: Intake,
    /// What came in segments and was not handed out whole yet.
    underway: Option<PutTogether>,
    /// What both cost.
    share: Share,
}

/// What is odd is counted where topics are followed.
const UNCOUNTED: fn(&'static str) = |_| {};

/// Far more than any message has that the server would write; every reader may hold so much.
const LIMITS: MergeLimits = MergeLimits {
    max_wait: Duration::from_secs(INCOMPLETE_SECONDS),
    max_offsets: 500,
    max_records: 32,
    max_bytes: 16 << 20,
};

/// Time for a message to become whole.
const INCOMPLETE_SECONDS: u64 = 60;

impl PackageLines {
    /// From a cursor on: what comes of records before it was handed out already.
    pub(super) fn new(wishes: Wishes, cursor: Cursor, rows: Rows, share: Share) -> Self {
        Self { wishes, cursor, intake: Intake::new(LIMITS, rows), underway: None, share }
    }

    /// Hands out what the wishes get of these records, a JSON text each, until told to stop: [`cursor`](Self::cursor) is behind
    /// what was handed out last then. Nothing is made of what follows. `now` is in seconds since 1970.
    ///
    /// How many of the records are done with; the next call goes on with the one behind them.
    pub(super) fn hand_out(
        &mut self,
        topic: &Topic,
        records: &[Record],
        now: u64,
        mut each: impl FnMut(&Cursor, &[u8]) -> ControlFlow<()>,
    ) -> usize {
        self.expire();
        for (number, record) in records.iter().enumerate() {
            let mut is_stopped = false;
            let is_done = self.hand_out_one(topic, record, now, |cursor, json| {
                let flow = each(cursor, json);
                is_stopped = flow.is_break();
                flow
            });
            if is_stopped {
                return number + usize::from(is_done);
            }
        }
        records.len()
    }

    /// Whether all of it is handed out.
    fn hand_out_one(
        &mut self,
        topic: &Topic,
        record: &Record,
        now: u64,
        each: impl FnMut(&Cursor, &[u8]) -> ControlFlow<()>,
    ) -> bool {
        let (partition, offset) = (record.partition, record.offset);
        let place = self.cursor.place(partition);
        if offset < place.next {
            // It was handed out before; of a message that comes in segments it may be one.
            self.intake.take(record, UNCOUNTED, |_| {});
            self.weigh(0);
            return true;
        }
        let within = match offset == place.next && place.given > 0 {
            true => place,
            false => self.place(partition, offset, now),
        };
        let part = self.underway.take().map(Part::Last);
        let part = part.unwrap_or_else(|| self.intake.part(record, UNCOUNTED));
        self.weigh(if let Part::Last(whole) = &part { whole.bytes() } else { 0 });
        if let Part::Segment = part {
            self.cursor.set(partition, Place::at(offset)); // what is incomplete was so until now
        }
        let behind = self.place(partition, offset + 1, now);
        let Self { wishes, cursor, intake, underway, .. } = self;
        let mut reader = Reader { wishes, record, cursor, within, seen: 0, last: None, is_stopped: false, each };
        match part {
            Part::Whole(package) => reader.take(topic, &intake.rows().of(package, record)),
            Part::Last(whole) => {
                whole.lend(UNCOUNTED, |package| reader.take(topic, &intake.rows().of(package, record)));
                *underway = reader.is_stopped.then_some(whole);
            }
            Part::Segment | Part::Nothing => {}
        }
        reader.end(behind)
    }

    /// Takes note of what is held beside so many bytes under way. If that is too much for all reads together, this one, which
    /// was the last to add something, gives up what is incomplete.
    fn weigh(&mut self, underway: usize) {
        if !self.share.set(self.intake.held_bytes() + underway) {
            self.intake = Intake::new(LIMITS, self.intake.rows().clone());
            self.share.set(underway);
        }
    }

    /// Before the record at `next`, with what is incomplete there: for as long as was known, or since now.
    fn place(&self, partition: i32, next: i64, now: u64) -> Place {
        let known = self.cursor.place(partition).incomplete;
        let incomplete = self.intake.incomplete_from(partition).filter(|from| *from < next).map(|from| {
            let known = known.filter(|known| known.from == from);
            known.unwrap_or(Incomplete { from, since: now })
        });
        Place { next, given: 0, incomplete }
    }

    /// Gives up messages of which the next piece has not come in time.
    pub(super) fn expire(&mut self) {
        if self.intake.next_expiry().is_none_or(|at| at > Instant::now()) {
            return;
        }
        let mut held = self.cursor.partitions();
        held.retain(|partition| self.intake.incomplete_from(*partition).is_some());
        self.intake.expire(UNCOUNTED);
        self.weigh(self.underway.as_ref().map_or(0, PutTogether::bytes));
        for partition in held {
            if let Place { next, given: 0, incomplete: Some(incomplete) } = self.cursor.place(partition) {
                self.cursor.set(partition, self.place(partition, next, incomplete.since));
            }
        }
    }

    /// The partition was read to its end, and no further: what has been incomplete for too long, maybe over many reads, does not
    /// become whole any more. `now` is in seconds since 1970.
    pub(super) fn end(&mut self, partition: i32, now: u64) {
        self.cursor.give_up(partition, now.saturating_sub(INCOMPLETE_SECONDS));
    }

    /// Takes note that reading goes on at `next_offset`; how many records are missing by that, of which a part may have been
    /// handed out before. `None` if that is none.
    pub(super) fn pass_gap(&mut self, partition: i32, next_offset: i64, lost: i64) -> Option<i64> {
        let place = self.cursor.place(partition);
        let is_cut_back = lost == 0;
        if !is_cut_back && next_offset <= place.next {
            // The first segments of a message that was not whole yet.
            let incomplete = place.incomplete.filter(|incomplete| incomplete.from < next_offset)?;
            let rest = Incomplete { from: next_offset, ..incomplete };
            self.cursor.set(partition, Place { incomplete: Some(rest).filter(|_| next_offset < place.next), ..place });
            return Some(next_offset - incomplete.from);
        }
        self.cursor.set(partition, Place::at(next_offset));
        Some(if is_cut_back { 0 } else { next_offset - place.next })
    }
}

/// The one who gets an answer: of a package the messages behind the place where it begins, until told to stop.
struct Reader<'a, F> {
    wishes: &'a Wishes,
    record: &'a Record,
    cursor: &'a mut Cursor,
    /// How much of the record was handed out before.
    within: Place,
    /// Messages of the record so far.
    seen: usize,
    /// Waits for another to follow it: behind the last one is behind the record.
    last: Option<Vec<u8>>,
    is_stopped: bool,
    each: F,
}

impl<F: FnMut(&Cursor, &[u8]) -> ControlFlow<()>> Reader<'_, F> {
    fn take(&mut self, topic: &Topic, package: &Package<'_>) {
        let timestamp_ms = self.record.timestamp_ms;
        Delivery { topic, package, timestamp_ms, takers: self, sampler: None }.make();
    }

    /// Hands out the last message, and moves the cursor behind the record unless it was told to stop before.
    fn end(mut self, behind: Place) -> bool {
        if self.is_stopped {
            return false;
        }
        self.cursor.set(self.record.partition, behind);
        if let Some(message) = self.last.take() {
            _ = (self.each)(self.cursor, &message);
        }
        true
    }
}

impl<F: FnMut(&Cursor, &[u8]) -> ControlFlow<()>> Takers for &mut Reader<'_, F> {
    fn groups(&mut self, kind: Kind, stream_id: &str) -> Arc<[Group]> {
        let wanted = Wanted::of(self.wishes, kind, Some(&stream_id.into()));
        wanted.into_iter().map(|wanted| Group { wanted, audiences: vec![0] }).collect()
    }

    fn give<A: Serialize>(&mut self, callback: &mut Callback<'_, A>, _: &Group) {
        if self.is_stopped {
            return;
        }
        let (partition, offset) = (self.record.partition, self.record.offset);
        if let Some(message) = self.last.take() {
            self.cursor.set(partition, Place { given: self.seen, ..self.within });
            self.is_stopped = (self.each)(self.cursor, &message).is_break();
            if self.is_stopped {
                return;
            }
        }
        self.seen += 1;
        if self.seen > self.within.given {
            let callback_name = Some(callback.target()).filter(|name| *name != "PackageReceived");
            let message = Message { callback: callback_name, argument: callback.argument(), partition, offset };
            self.last = Some(serde_json::to_vec(&message).expect("texts and numbers always serialise"));
        }
    }
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

#[cfg(test)]
mod tests {
    use kafka_bridge::record::Record;
    use quix_model::{Events, Outgoing, Splitting, WriteSettings};
    use serde_json::json;

    use super::*;
    use crate::http_api::Held;

    #[test]
    fn what_is_incomplete_is_bounded_for_all_reads_together() {
        let events = json!([{ "id": "large", "timestamp": 9, "value": "x".repeat(1_500_000) }]);
        let events: Events = serde_json::from_value(events).unwrap();
        let settings = WriteSettings { splitting: Splitting::Legacy, ..WriteSettings::default() };
        let pieces = settings.records(Outgoing::Events(&events), "s", 7).unwrap();
        let record = |offset: i64, value: &[u8]| Record {
            partition: 0,
            offset,
            timestamp_ms: None,
            key: Some("s".into()),
            headers: Vec::new(),
            value: Some(value.to_vec().into()),
        };
        let piece = record(0, &pieces[0].value);
        let topic = Topic { name: "t".into(), id: "ws-t".into() };
        let bytes = piece.value.as_ref().unwrap().len() + 1000;
        let held = Held::new(2 * bytes);
        let read = || {
            let mut lines = PackageLines::new(Wishes::default(), Cursor::default(), Rows::default(), held.share());
            lines.hand_out(&topic, &[piece.clone(), record(1, b"{}")], 7, |_, _| ControlFlow::Continue(()));
            lines
        };
        let (first, second, third) = (read(), read(), read());
        let cursors = [&first, &second, &third].map(|lines| lines.cursor.to_string());
        assert_eq!(cursors, ["0:2~0@7", "0:2~0@7", "0:2"], "the last has given it up");
        drop(first);
        assert_eq!(read().cursor.to_string(), "0:2~0@7", "what has ended holds nothing");
    }
}

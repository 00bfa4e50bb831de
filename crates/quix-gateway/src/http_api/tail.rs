//! `Tail`: one read of a topic under way, for an answer that goes on or for one that is bounded.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use futures::future::BoxFuture;
use kafka_bridge::broker::NextOffset;
use tokio::time::Instant;

use super::ask::Bounds;
use super::cursor::Cursor;
use super::form::{Form, Text};
use super::lines::PackageLines;
use super::source::{Piece, Records, Source};
use crate::replays::Permit;
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

/// Why nothing follows.
enum Over {
    Planned,
    Failed(String),
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Between two signs that the answer goes on; proxies cut off what is silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Of an answer that goes on, written at a time: what a record comes to is written in as many rounds as it takes.
const ROUND_BYTES: usize = 1 << 20;

/// Of a bounded answer, past which no message is added.
const MAX_BYTES: usize = 2 << 20;

#[cfg(test)]
mod tests;

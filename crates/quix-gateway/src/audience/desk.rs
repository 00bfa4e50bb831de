//! `Desk`: all of a topic's audiences but their sockets. Records go in, frames and who gets them come out.

use std::sync::Arc;

use kafka_bridge::record::Record;
use quix_model::MergeLimits;

use super::audiences::{Audiences, Member};
use super::book::Book;
use super::callbacks::{Delivery, Gathering};
use super::frames::{Chunk, Frames};
use super::groups::Slot;
use super::intake::Intake;
use super::sampler::Sampler;
use crate::metrics::{AudienceMetrics, Metrics};
use crate::read_rules::Rows;
use crate::topics::Topic;

/// Call [`settle`](Self::settle) when the book has changed, and before the first record of a turn; then
/// [`gather`](Self::gather) records and [`take`](Self::take) what they come to, when it [is full](Self::is_full) and at the
/// end.
#[derive(Debug)]
pub(crate) struct Desk<M> {
    topic: Arc<Topic>,
    /// Who has asked for what.
    pub(crate) book: Book<M>,
    audiences: Audiences<M>,
    /// What is incomplete.
    pub(crate) intake: Intake,
    frames: Frames,
    sampler: Option<Sampler>,
    metrics: Metrics,
    pub(crate) counts: AudienceMetrics,
}

/// How a topic is read for its subscribers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) rows: Rows,
    /// The most that those who follow all packages get, if that is set.
    pub(crate) packages_per_second: Option<u32>,
}

impl<M: Member> Desk<M> {
    pub(crate) fn new(topic: Arc<Topic>, reading: Reading, metrics: &Metrics) -> Self {
        Self {
            counts: metrics.audience(&topic.name),
            topic,
            book: Book::default(),
            audiences: Audiences::default(),
            intake: Intake::new(MergeLimits::default(), reading.rows),
            frames: Frames::default(),
            sampler: reading.packages_per_second.map(Sampler::of),
            metrics: metrics.clone(),
        }
    }

    /// Puts connections whose subscriptions have changed where they belong. Nothing may be gathered then.
    pub(crate) fn settle(&mut self) {
        let Self { book, audiences, .. } = self;
        book.settle(|id, entry| match entry {
            Some(entry) => entry.wishes = audiences.put(&entry.member, &entry.wishes).clone(),
            None => audiences.remove(id),
        });
    }

    /// Gathers the callbacks of a record for those who want them. What would be too much to hold is handed over meanwhile.
    pub(crate) fn gather(&mut self, record: &Record, mut hand_over: impl FnMut(&Audiences<M>, Chunk)) {
        let Self { topic, audiences, intake, frames, sampler, metrics, counts, .. } = self;
        counts.packages.inc();
        let odd = |reason| metrics.odd_record(reason);
        intake.take(record, odd, |package| {
            let takers = Gathering { audiences, frames, hand_over: &mut hand_over };
            let (timestamp_ms, sampler) = (record.timestamp_ms, sampler.as_mut());
            let found = Delivery { topic, package, timestamp_ms, takers, sampler }.make();
            counts.parses.inc_by(found.parses);
            if found.is_left_out {
                metrics.limit_hit("packages_per_second");
            }
            if let Some(problem) = found.problem.map(|problem| problem.label()) {
                metrics.odd_record(problem);
                let (partition, offset) = (record.partition, record.offset);
                tracing::debug!(topic = topic.name, partition, offset, problem, "a record with a fault");
            }
        });
    }

    /// Whether it is time to [`take`](Self::take) what is gathered.
    pub(crate) fn is_full(&self) -> bool {
        self.frames.is_full()
    }

    /// What is gathered; `None` if that is nothing.
    pub(crate) fn take(&mut self) -> Option<Chunk> {
        self.counts.encodings.inc_by(self.frames.take_encoded());
        self.frames.take(|slot| self.audiences.encoding(slot))
    }

    /// Gives up what has been incomplete for too long.
    pub(crate) fn expire(&mut self) {
        self.intake.expire(|reason| self.metrics.odd_record(reason));
    }

    pub(crate) fn members(&self, audience: Slot) -> &[M] {
        self.audiences.members(audience)
    }
}

#[cfg(test)]
mod tests;

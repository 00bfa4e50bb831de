//! `Intake`: records into messages, those that came in segments put together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_bridge::record::{Header, Record};
use prometheus_client::metrics::counter::Counter;
use quix_model::{Dropped, MergeLimits, Merger, Package, ReadLimits, Reading};

use super::filter::{Filter, TopicNames};
use super::job::Job;
use super::progress::Progress;

/// Reads one topic for one destination.
#[derive(Debug)]
pub(super) struct Intake {
    filter: Filter,
    topic: TopicNames,
    merger: Merger<First>,
    /// Counts what is given up.
    skipped: Counter,
    /// Time that stands still while nothing is read: what is not read is not late.
    clock: Instant,
    looked: Instant,
}

/// What a merged record has of its first segment, which is not done with before it.
#[derive(Debug)]
struct First {
    partition: i32,
    offset: i64,
    key: Option<Vec<u8>>,
    headers: Vec<Header>,
}

impl Intake {
    pub(super) fn new(filter: Filter, topic: TopicNames, skipped: Counter, now: Instant) -> Self {
        let merger = Merger::new(MergeLimits { max_wait: MAX_WAIT, ..MergeLimits::default() });
        Self { filter, topic, merger, skipped, clock: now, looked: now }
    }

    /// The messages that a record is, or completes, in order; `progress` knows of them.
    pub(super) fn take(&mut self, record: &Record, progress: &mut Progress) -> Vec<Job> {
        let (partition, offset, key) = (record.partition, record.offset, record.key.as_deref());
        progress.read(partition, offset);
        let reading = Package::read(key, headers(&record.headers), record.value.as_deref());
        if !matches!(reading, Reading::Segment(_)) {
            let dropped = self.merger.pass(partition, offset);
            self.given_up(&dropped, progress);
        }
        match reading {
            Reading::Skip(_) => Vec::new(),
            Reading::Package(package) => self.jobs(&package, record, (partition, offset), progress),
            Reading::Segment(segment) => {
                let first = || {
                    progress.open(partition, offset, 1);
                    First { partition, offset, key: key.map(<[u8]>::to_vec), headers: record.headers.clone() }
                };
                let added = self.merger.add(partition, offset, key, segment, first, self.clock);
                self.given_up(&added.dropped, progress);
                let Some(merged) = added.merged else { return Vec::new() };
                let First { partition, offset, key, headers: own } = &merged.first;
                let place = (*partition, *offset);
                let whole =
                    Package::read_whole(ReadLimits::default(), key.as_deref(), headers(own), Some(&merged.value));
                let jobs = whole.map(|package| self.jobs(&package, record, place, progress)).unwrap_or_default();
                progress.done(*partition, *offset);
                jobs
            }
        }
    }

    /// When [`expire`](Self::expire) has something to do, if reading goes on from `now`, when it was last called.
    pub(super) fn next_expiry(&self, now: Instant) -> Option<Instant> {
        self.merger.next_expiry().map(|at| now + at.saturating_duration_since(self.clock))
    }

    /// Gives up segments whose record has not come together in time. `was_read`: whether records were, since the last call.
    pub(super) fn expire(&mut self, progress: &mut Progress, now: Instant, was_read: bool) {
        if was_read {
            self.clock += now.saturating_duration_since(self.looked);
        }
        self.looked = now;
        let dropped = self.merger.expire(self.clock);
        self.given_up(&dropped, progress);
    }

    fn jobs(
        &self,
        package: &Package<'_>,
        record: &Record,
        (partition, offset): (i32, i64),
        progress: &mut Progress,
    ) -> Vec<Job> {
        let messages = self.filter.messages(&self.topic, package, record.timestamp_ms);
        progress.open(partition, offset, messages.len());
        let stream_id: Arc<str> = package.stream_id().into();
        let job = |(number, message): (usize, String)| {
            Job::new(stream_id.clone(), (partition, offset, number), message.into(), record.timestamp_ms)
        };
        messages.into_iter().enumerate().map(job).collect()
    }

    fn given_up(&self, dropped: &[Dropped<First>], progress: &mut Progress) {
        for Dropped { first, reason } in dropped {
            tracing::warn!(
                partition = first.partition,
                offset = first.offset,
                reason = reason.label(),
                "segments given up"
            );
            self.skipped.inc();
            progress.done(first.partition, first.offset);
        }
    }
}

/// Of reading, until the next segment comes: longer than a broker is away for a restart.
const MAX_WAIT: Duration = Duration::from_secs(10 * 60);

fn headers(headers: &[Header]) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    headers.iter().map(|header| (&*header.name, header.value.as_deref()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_bridge::broker::NextOffset;
    use quix_model::{EventData, NewRecord, Outgoing, Splitting, WriteSettings};

    use super::*;

    const WRITTEN_MS: i64 = 1_234;

    fn intake(now: Instant) -> Intake {
        let topic = TopicNames { id: "ws-t".to_owned(), name: "t".to_owned() };
        Intake::new(Filter::default(), topic, Counter::default(), now)
    }

    /// One event in several segments, from offset 10 on.
    fn segments() -> Vec<Record> {
        let settings =
            WriteSettings { splitting: Splitting::Legacy, max_value_bytes: 1000, ..WriteSettings::default() };
        let value = "x".repeat(1500);
        let event: EventData =
            serde_json::from_value(serde_json::json!({ "timestamp": 1, "id": "e", "value": value })).unwrap();
        let segments = settings.records(Outgoing::Events(&[event]), "s", 7).unwrap();
        assert!(segments.len() > 1);
        let record = |(segment, offset): (NewRecord, i64)| {
            let (key, value) = (Some(Bytes::from_static(b"s")), Some(segment.value.into()));
            Record { partition: 0, offset, timestamp_ms: Some(WRITTEN_MS), key, value, headers: Vec::new() }
        };
        segments.into_iter().zip(10..).map(record).collect()
    }

    #[test]
    fn a_record_in_segments_is_done_with_from_its_first_on() {
        let (mut intake, mut progress, mut jobs) = (intake(Instant::now()), Progress::default(), Vec::new());
        for record in segments() {
            assert!(jobs.is_empty());
            jobs = intake.take(&record, &mut progress);
            assert_eq!(progress.to_commit(), [NextOffset { partition: 0, offset: 10 }]);
        }
        assert_eq!(jobs.len(), 1);
        assert_eq!((jobs[0].id("t"), jobs[0].written_ms), ("t-0-10".to_owned(), Some(WRITTEN_MS)));
        progress.done(0, 10);
        assert!(progress.to_commit()[0].offset > 11, "all segments");
    }

    #[test]
    fn segments_that_others_have_long_passed_hold_up_nothing() {
        let (mut intake, mut progress) = (intake(Instant::now()), Progress::default());
        let first = segments().swap_remove(0);
        intake.take(&first, &mut progress);
        let (value, far) = (Some(Bytes::from_static(b"of somebody else")), first.offset + 501);
        let other = Record { offset: far, value, ..first };
        intake.take(&other, &mut progress);
        assert_eq!(intake.skipped.get(), 1);
        assert!(progress.to_commit()[0].offset >= far, "{:?}", progress.to_commit());
    }

    #[test]
    fn segments_are_late_only_while_records_are_read() {
        let now = Instant::now();
        let (mut intake, mut progress, records) = (intake(now), Progress::default(), segments());
        intake.take(&records[0], &mut progress);
        assert_eq!(intake.next_expiry(now), Some(now + MAX_WAIT));
        let later = now + 7 * MAX_WAIT;
        intake.expire(&mut progress, later, false);
        assert_eq!(intake.skipped.get(), 0);
        assert_eq!(progress.to_commit(), [NextOffset { partition: 0, offset: 10 }]);
        assert_eq!(intake.next_expiry(later), Some(later + MAX_WAIT));
        intake.expire(&mut progress, later + MAX_WAIT, true);
        assert_eq!(intake.skipped.get(), 1);
        assert_eq!(progress.to_commit(), [NextOffset { partition: 0, offset: 11 }]);
    }
}

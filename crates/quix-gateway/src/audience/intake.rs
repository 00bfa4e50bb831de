//! `Intake`: records into packages, those that came in segments put together.

use std::time::Instant;

use bytes::Bytes;
use kafka_bridge::record::{Header, Record};
use quix_model::{Dropped, MergeLimits, Merged, Merger, Package, ReadLimits, Reading};

use crate::read_rules::Rows;

/// Holds the segments of a topic that are incomplete; no other record waits for them.
#[derive(Debug)]
pub(crate) struct Intake {
    merger: Merger<First>,
    rows: Rows,
}

/// What a record is.
pub(crate) enum Part<'r> {
    Whole(Package<'r>),
    /// The last segment that a package lacked.
    Last(PutTogether),
    /// A segment of what is incomplete.
    Segment,
    /// Nobody's.
    Nothing,
}

/// What came in segments, in one piece.
#[derive(Debug)]
pub(crate) struct PutTogether(Merged<First>);

/// What a merged record has of its first segment.
#[derive(Debug)]
struct First {
    key: Option<Vec<u8>>,
    headers: Vec<Header>,
}

impl First {
    /// Copies, for the record may be a small part of what was fetched.
    fn of(record: &Record) -> Self {
        let own = |header: &Header| {
            let value = header.value.as_deref().map(Bytes::copy_from_slice);
            Header { name: header.name.clone(), value }
        };
        Self { key: record.key.as_deref().map(<[u8]>::to_vec), headers: record.headers.iter().map(own).collect() }
    }
}

impl Intake {
    /// Of a topic whose records are read so.
    pub(crate) fn new(limits: MergeLimits, rows: Rows) -> Self {
        Self { merger: Merger::new(limits), rows }
    }

    /// Lends the package that a record is, or completes, to `with`, and tells `odd` why something is nobody's.
    pub(crate) fn take(&mut self, record: &Record, odd: impl Fn(&'static str), with: impl FnOnce(&Package<'_>)) {
        match self.part(record, &odd) {
            Part::Whole(package) => with(&self.rows.of(package, record)),
            Part::Last(whole) => whole.lend(odd, |package| with(&self.rows.of(package, record))),
            Part::Segment | Part::Nothing => {}
        }
    }

    /// Takes a record; `odd` is told why it is nobody's, and why a package that it had a part in is not.
    pub(crate) fn part<'r>(&mut self, record: &'r Record, odd: impl Fn(&'static str)) -> Part<'r> {
        let (partition, offset, key) = (record.partition, record.offset, record.key.as_deref());
        let (dropped, part) = match Package::read(key, headers(&record.headers), record.value.as_deref()) {
            Reading::Segment(segment) => {
                let added = self.merger.add(partition, offset, key, segment, || First::of(record), Instant::now());
                let part = added.merged.map_or(Part::Segment, |merged| Part::Last(PutTogether(merged)));
                (added.dropped, part)
            }
            Reading::Package(package) => (self.merger.pass(partition, offset), Part::Whole(package)),
            Reading::Skip(reason) => {
                odd(reason.label());
                (self.merger.pass(partition, offset), Part::Nothing)
            }
        };
        tell(&dropped, &odd);
        part
    }

    /// What a package that [`part`](Self::part) gave may be besides.
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Offset of the first piece of what is incomplete in a partition.
    pub(crate) fn incomplete_from(&self, partition: i32) -> Option<i64> {
        self.merger.incomplete_from(partition)
    }

    /// Bytes of all that is incomplete.
    pub(crate) fn held_bytes(&self) -> usize {
        self.merger.held_bytes()
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.merger.next_expiry()
    }

    /// Gives up segments whose record has not come together in time.
    pub(crate) fn expire(&mut self, odd: impl Fn(&'static str)) {
        tell(&self.merger.expire(Instant::now()), &odd);
    }
}

impl PutTogether {
    pub(crate) fn bytes(&self) -> usize {
        self.0.value.len()
    }

    /// Lends the package to `with`, or tells `odd` why it is nobody's.
    pub(crate) fn lend<'s>(&'s self, odd: impl Fn(&'static str), with: impl FnOnce(Package<'s>)) {
        let First { key, headers: own } = &self.0.first;
        match Package::read_whole(ReadLimits::default(), key.as_deref(), headers(own), Some(&self.0.value)) {
            Ok(package) => with(package),
            Err(reason) => odd(reason.label()),
        }
    }
}

fn headers(headers: &[Header]) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    headers.iter().map(|header| (&*header.name, header.value.as_deref()))
}

fn tell(dropped: &[Dropped<First>], odd: &impl Fn(&'static str)) {
    dropped.iter().for_each(|dropped| odd(dropped.reason.label()));
}

//! `Intake`: records into packages, those that came in segments put together.

use std::time::Instant;

use bytes::Bytes;
use kafka_bridge::record::{Header, Record};
use quix_model::{Dropped, MergeLimits, Merger, Package, ReadLimits, Reading};

use crate::read_rules::Rows;

/// Holds the segments of a topic that are incomplete; no other record waits for them.
#[derive(Debug)]
pub(crate) struct Intake {
    merger: Merger<First>,
    rows: Rows,
}

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
    pub(crate) fn new(rows: Rows) -> Self {
        Self { merger: Merger::new(MergeLimits::default()), rows }
    }

    /// Lends the package that a record is, or completes, to `with`, and tells `odd` why something is nobody's.
    pub(crate) fn take(&mut self, record: &Record, odd: impl Fn(&'static str), with: impl FnOnce(&Package<'_>)) {
        let key = record.key.as_deref();
        match Package::read(key, headers(&record.headers), record.value.as_deref()) {
            Reading::Package(package) => with(&self.rows.of(package, record)),
            Reading::Skip(reason) => odd(reason.label()),
            Reading::Segment(segment) => {
                let (partition, offset, now) = (record.partition, record.offset, Instant::now());
                let added = self.merger.add(partition, offset, key, segment, || First::of(record), now);
                tell(&added.dropped, &odd);
                let Some(merged) = added.merged else { return };
                let First { key, headers: own } = &merged.first;
                let (key, own) = (key.as_deref(), headers(own));
                match Package::read_whole(ReadLimits::default(), key, own, Some(&merged.value)) {
                    Ok(package) => with(&self.rows.of(package, record)),
                    Err(reason) => odd(reason.label()),
                }
            }
        }
    }

    /// Offset of the first piece of what is incomplete in a partition.
    pub(crate) fn incomplete_from(&self, partition: i32) -> Option<i64> {
        self.merger.incomplete_from(partition)
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

fn headers(headers: &[Header]) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    headers.iter().map(|header| (&*header.name, header.value.as_deref()))
}

fn tell(dropped: &[Dropped<First>], odd: &impl Fn(&'static str)) {
    dropped.iter().for_each(|dropped| odd(dropped.reason.label()));
}

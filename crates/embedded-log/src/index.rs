//! `Index`: where the batches of one partition stand, and the files that spare a start the reading of sealed segments.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::{partition::Range, segment::Name};

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: Name,
    pub(crate) position: u32,
    pub(crate) length: u32,
    pub(crate) base_offset: i64,
}

/// All batches of a partition that are durable and kept, in order.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Offset of the next record.
    end: i64,
    segments: VecDeque<(Name, Batches)>,
}

/// Batches of one partition in one segment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batches {
    /// Base offset of the first.
    base: i64,
    /// One past the last offset of the last.
    end: i64,
    /// Latest timestamp of a record in them, ms.
    max_timestamp: i64,
    entries: Vec<IndexEntry>,
}

/// 12 bytes per batch, for a store may hold millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct IndexEntry {
    /// Base offset, from the first batch's.
    delta: u32,
    position: u32,
    length: u32,
}

impl Index {
    pub(crate) fn range(&self) -> Range {
        Range { start: self.segments.front().map_or(self.end, |(_, batches)| batches.base), end: self.end }
    }

    /// Takes the next batch in.
    pub(crate) fn push(&mut self, place: Place, next_offset: i64, max_timestamp: i64) {
        if self.segments.back().is_none_or(|(name, _)| *name != place.segment) {
            self.segments.push_back((place.segment, Batches::default()));
        }
        if let Some((_, batches)) = self.segments.back_mut() {
            batches.push(place, next_offset, max_timestamp);
        }
        self.end = next_offset;
    }

    /// Takes a whole sealed segment in.
    pub(crate) fn push_segment(&mut self, name: Name, batches: Batches) {
        self.end = batches.end;
        self.segments.push_back((name, batches));
    }

    /// Sets the next offset, where the records before it are gone.
    pub(crate) fn end_at(&mut self, end: i64) {
        self.end = end;
    }

    /// Forgets what stands before segment `first`; gives the number of offsets that went.
    pub(crate) fn drop_before(&mut self, first: Name) -> i64 {
        let before = self.range().start;
        while self.segments.front().is_some_and(|(name, _)| *name < first) {
            self.segments.pop_front();
        }
        self.range().start - before
    }

    pub(crate) fn locate(&self, offset: i64, max_bytes: usize) -> Vec<Place> {
        let first = self.segments.partition_point(|(_, batches)| batches.end <= offset);
        let (mut places, mut bytes) = (Vec::new(), 0_usize);
        for (name, batches) in self.segments.range(first..) {
            for entry in batches.entries_from(offset) {
                bytes += entry.length as usize;
                if bytes > max_bytes && !places.is_empty() {
                    return places;
                }
                places.push(batches.place(*name, entry));
            }
        }
        places
    }

    /// Where the first batch begins that begins later than at `offset`.
    pub(crate) fn first_base_after(&self, offset: i64) -> Option<i64> {
        let first = self.segments.partition_point(|(_, batches)| batches.end <= offset);
        let mut bases = self
            .segments
            .range(first..)
            .flat_map(|(_, batches)| batches.entries_from(offset).map(|entry| batches.base + i64::from(entry.delta)));
        bases.find(|base| *base > offset)
    }

    /// Where batches that may hold a record of that time or later begin.
    pub(crate) fn offset_near_time(&self, timestamp_ms: i64) -> Option<i64> {
        self.segments
            .iter()
            .map(|(_, batches)| batches)
            .find(|batches| batches.max_timestamp >= timestamp_ms)
            .map(|b| b.base)
    }

    /// The batches in one segment, for its index file.
    pub(crate) fn batches_in(&self, segment: Name) -> Option<&Batches> {
        self.segments.iter().find(|(name, _)| *name == segment).map(|(_, batches)| batches)
    }
}

impl Batches {
    pub(crate) fn push(&mut self, place: Place, next_offset: i64, max_timestamp: i64) {
        if self.entries.is_empty() {
            self.base = place.base_offset;
            self.max_timestamp = max_timestamp;
        }
        self.end = next_offset;
        self.max_timestamp = self.max_timestamp.max(max_timestamp);
        let delta = (place.base_offset - self.base) as u32; // a segment holds far fewer records
        self.entries.push(IndexEntry { delta, position: place.position, length: place.length });
    }

    pub(crate) fn base(&self) -> i64 {
        self.base
    }

    /// Whether they stand one behind the other, in a segment that long.
    fn fit(&self, length: u64) -> bool {
        let end = |entry: &IndexEntry| u64::from(entry.position) + u64::from(entry.length);
        let follow =
            |pair: &[IndexEntry]| pair[0].delta < pair[1].delta && end(&pair[0]) <= u64::from(pair[1].position);
        let (Some(first), Some(last)) = (self.entries.first(), self.entries.last()) else { return false };
        let begins = first.delta == 0 && self.base >= 0;
        let ends = self.base.checked_add(i64::from(last.delta)).is_some_and(|offset| offset < self.end);
        begins && ends && end(last) <= length && self.entries.windows(2).all(follow)
    }

    fn entries_from(&self, offset: i64) -> impl Iterator<Item = &IndexEntry> {
        let behind = self.entries.partition_point(|entry| self.base + i64::from(entry.delta) <= offset);
        self.entries.iter().skip(behind.saturating_sub(1))
    }

    fn place(&self, segment: Name, entry: &IndexEntry) -> Place {
        let base_offset = self.base + i64::from(entry.delta);
        Place { segment, position: entry.position, length: entry.length, base_offset }
    }
}

/// What a sealed segment holds, as its index file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedIndex {
    /// Sequence number of the last commit group.
    pub(crate) last_sequence: u64,
    /// Where the last group ends.
    pub(crate) end: u64,
    /// When it was written last, ms since 1970.
    pub(crate) written_ms: i64,
    /// By topic and partition.
    pub(crate) partitions: BTreeMap<(u32, u32), Batches>,
}

impl SealedIndex {
    /// As a file: CRC-32C of the rest, then postcard.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // Fails only when a sink does, and a Vec does not.
        let mut bytes = postcard::to_extend(self, vec![0; 4]).unwrap_or_default();
        let crc = crc32c::crc32c(bytes.get(4..).unwrap_or_default());
        if let Some(place) = bytes.get_mut(..4) {
            place.copy_from_slice(&crc.to_le_bytes());
        }
        bytes
    }

    /// `None` if these are not the bytes of an index: then it is made anew.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (crc, content) = bytes.split_at_checked(4)?;
        let index: Self =
            (crc == crc32c::crc32c(content).to_le_bytes()).then(|| postcard::from_bytes(content).ok())??;
        index.partitions.values().all(|batches| batches.fit(index.end)).then_some(index)
    }
}

//! `Merger`: pieces into records again. It holds what is incomplete and nothing else, so no other record waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::segment::{Segment, SegmentId};

/// Pieces of the incomplete records of one topic, oldest first.
///
/// Call [`add`](Self::add) with each segment as it is read; a complete record comes out with the `C` of its first piece,
/// which holds what the caller wants to know of it: headers, offset. Pieces may come in any order, twice, and mixed with
/// others. Call [`pass`](Self::pass) with the place of every record that is no segment, and [`expire`](Self::expire) at
/// [`next_expiry`](Self::next_expiry), or now and then.
///
/// Reading that starts in the middle of a record leaves it incomplete, and it is dropped like one whose piece was lost.
#[derive(Debug)]
pub struct Merger<C> {
    limits: MergeLimits,
    /// By the time of the latest piece.
    unfinished: VecDeque<Unfinished<C>>,
    held_bytes: usize,
}

/// Bounds on what incomplete records may cost. Past any of them the oldest is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeLimits {
    /// Time for the next piece to come. Default 60 s. Source: Quix Streams' buffer.
    pub max_wait: Duration,
    /// Offsets of its partition that may pass until the next piece. Default 500. Source: Quix Streams' buffer.
    pub max_offsets: i64,
    /// Incomplete records at a time. Default 256.
    pub max_records: usize,
    /// Bytes of all pieces, each counted with its key and 64 bytes more. Default 64 MiB.
    pub max_bytes: usize,
}

impl Default for MergeLimits {
    fn default() -> Self {
        Self { max_wait: Duration::from_secs(60), max_offsets: 500, max_records: 256, max_bytes: 64 * 1024 * 1024 }
    }
}

/// What a segment led to.
#[derive(Debug, PartialEq, Eq)]
pub struct Added<C> {
    /// The record, if this was the last piece that it lacked. Its time is that of this last piece.
    pub merged: Option<Merged<C>>,
    /// Incomplete records that were given up.
    pub dropped: Vec<Dropped<C>>,
}

/// A record in one piece.
#[derive(Debug, PartialEq, Eq)]
pub struct Merged<C> {
    /// Given with its first piece.
    pub first: C,
    /// To be read by [`Package::read_whole`](crate::Package::read_whole).
    pub value: Vec<u8>,
}

/// An incomplete record that was given up.
#[derive(Debug, PartialEq, Eq)]
pub struct Dropped<C> {
    /// Given with its first piece.
    pub first: C,
    /// To be counted.
    pub reason: DropReason,
}

/// Why an incomplete record was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// [`MergeLimits::max_wait`] or [`MergeLimits::max_offsets`] passed without a piece.
    Expired,
    /// It was the oldest when [`MergeLimits::max_records`] or [`MergeLimits::max_bytes`] were reached.
    CrowdedOut,
    /// Another record came under the same id, from a writer that was started anew.
    Replaced,
}

impl DropReason {
    /// All of them, to declare metrics.
    pub const ALL: [Self; 3] = [Self::Expired, Self::CrowdedOut, Self::Replaced];

    /// Value of a metric's label: stable, snake case.
    pub fn label(self) -> &'static str {
        match self {
            Self::Expired => "split_expired",
            Self::CrowdedOut => "split_crowded_out",
            Self::Replaced => "split_replaced",
        }
    }
}

#[derive(Debug)]
struct Unfinished<C> {
    partition: i32,
    key: Option<Vec<u8>>,
    id: SegmentId,
    count: u32,
    pieces: BTreeMap<u32, Vec<u8>>,
    bytes: usize,
    first_offset: i64,
    last_offset: i64,
    last_time: Instant,
    first: C,
}

impl<C> Merger<C> {
    /// Without any record.
    pub fn new(limits: MergeLimits) -> Self {
        Self { limits, unfinished: VecDeque::new(), held_bytes: 0 }
    }

    /// Takes a segment read at `now` from its place; `first` is called if it is the first of its record.
    pub fn add(
        &mut self,
        partition: i32,
        offset: i64,
        key: Option<&[u8]>,
        segment: Segment<'_>,
        first: impl FnOnce() -> C,
        now: Instant,
    ) -> Added<C> {
        let mut dropped = self.expire(now);
        self.give_up_passed(partition, offset, &mut dropped);
        let place = self.place(partition, key, &segment);
        if place.is_some_and(|place| self.unfinished[place].has(&segment)) {
            return Added { merged: None, dropped };
        }
        let mut record = match place.and_then(|place| self.remove(place)) {
            // Another piece under its number: the id was given anew, and what is held belongs to the past.
            Some(past) if past.pieces.contains_key(&segment.index) => {
                dropped.push(past.dropped(DropReason::Replaced));
                Unfinished::begin(partition, key, &segment, first(), now)
            }
            Some(record) => record,
            None => Unfinished::begin(partition, key, &segment, first(), now),
        };
        record.insert(&segment, offset, now);
        let merged = if record.pieces.len() == segment.count as usize {
            Some(Merged { value: record.pieces.into_values().collect::<Vec<_>>().concat(), first: record.first })
        } else {
            self.hold(record, &mut dropped);
            None
        };
        Added { merged, dropped }
    }

    /// Takes note that its partition was read to this offset, and gives up what it has left behind.
    pub fn pass(&mut self, partition: i32, offset: i64) -> Vec<Dropped<C>> {
        let mut dropped = Vec::new();
        self.give_up_passed(partition, offset, &mut dropped);
        dropped
    }

    /// Gives up what has waited too long for its next piece.
    pub fn expire(&mut self, now: Instant) -> Vec<Dropped<C>> {
        let mut dropped = Vec::new();
        while let Some(oldest) = self.unfinished.front()
            && now.saturating_duration_since(oldest.last_time) >= self.limits.max_wait
        {
            self.drop_oldest(DropReason::Expired, &mut dropped);
        }
        dropped
    }

    /// When [`expire`](Self::expire) has something to do; `None` while nothing is held.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.unfinished.front().and_then(|oldest| oldest.last_time.checked_add(self.limits.max_wait))
    }

    /// Offset of the first piece that is held of a partition.
    pub fn incomplete_from(&self, partition: i32) -> Option<i64> {
        let held = self.unfinished.iter().filter(|record| record.partition == partition);
        held.map(|record| record.first_offset).min()
    }

    /// Incomplete records now.
    pub fn held_records(&self) -> usize {
        self.unfinished.len()
    }

    /// Bytes of them, counted as in [`MergeLimits::max_bytes`].
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Gives up what its partition has left behind.
    fn give_up_passed(&mut self, partition: i32, offset: i64, dropped: &mut Vec<Dropped<C>>) {
        let max_offsets = self.limits.max_offsets;
        let passed = |record: &Unfinished<C>| {
            record.partition == partition && offset.saturating_sub(record.last_offset) > max_offsets
        };
        while let Some(place) = self.unfinished.iter().position(passed) {
            dropped.extend(self.remove(place).map(|record| record.dropped(DropReason::Expired)));
        }
    }

    /// Where the record is to which the segment belongs.
    fn place(&self, partition: i32, key: Option<&[u8]>, segment: &Segment<'_>) -> Option<usize> {
        self.unfinished.iter().position(|record| {
            (record.partition, record.id, record.count) == (partition, segment.id, segment.count)
                && record.key.as_deref() == key
        })
    }

    /// Keeps a record until its next piece, as far as there is room.
    fn hold(&mut self, record: Unfinished<C>, dropped: &mut Vec<Dropped<C>>) {
        if record.bytes > self.limits.max_bytes || self.limits.max_records == 0 {
            dropped.push(record.dropped(DropReason::CrowdedOut));
            return;
        }
        self.held_bytes += record.bytes;
        self.unfinished.push_back(record);
        while self.unfinished.len() > self.limits.max_records || self.held_bytes > self.limits.max_bytes {
            self.drop_oldest(DropReason::CrowdedOut, dropped);
        }
    }

    fn drop_oldest(&mut self, reason: DropReason, dropped: &mut Vec<Dropped<C>>) {
        dropped.extend(self.remove(0).map(|record| record.dropped(reason)));
    }

    fn remove(&mut self, place: usize) -> Option<Unfinished<C>> {
        let record = self.unfinished.remove(place)?;
        self.held_bytes -= record.bytes;
        Some(record)
    }
}

impl<C> Unfinished<C> {
    /// Without a piece yet.
    fn begin(partition: i32, key: Option<&[u8]>, segment: &Segment<'_>, first: C, now: Instant) -> Self {
        Self {
            partition,
            key: key.map(<[u8]>::to_vec),
            id: segment.id,
            count: segment.count,
            pieces: BTreeMap::new(),
            bytes: 0,
            first_offset: i64::MAX,
            last_offset: i64::MIN,
            last_time: now,
            first,
        }
    }

    /// Whether it has this very piece.
    fn has(&self, segment: &Segment<'_>) -> bool {
        self.pieces.get(&segment.index).is_some_and(|piece| piece == segment.piece)
    }

    fn insert(&mut self, segment: &Segment<'_>, offset: i64, now: Instant) {
        self.bytes += segment.piece.len() + self.key.as_ref().map_or(0, Vec::len) + PIECE_BYTES;
        self.pieces.insert(segment.index, segment.piece.to_vec());
        self.first_offset = self.first_offset.min(offset);
        self.last_offset = self.last_offset.max(offset);
        self.last_time = now;
    }

    fn dropped(self, reason: DropReason) -> Dropped<C> {
        Dropped { first: self.first, reason }
    }
}

/// What a piece costs beside its bytes.
const PIECE_BYTES: usize = 64;

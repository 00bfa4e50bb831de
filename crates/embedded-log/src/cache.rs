//! `Cache`: the newest commit groups as they were written, for readers near the end.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{index::Place, segment::Name};

/// Groups in the order written, bounded in bytes.
#[derive(Debug)]
pub(crate) struct Cache {
    groups: VecDeque<Cached>,
    bytes: usize,
    most_bytes: usize,
}

#[derive(Debug)]
struct Cached {
    segment: Name,
    position: u64,
    bytes: Bytes,
}

impl Cache {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { groups: VecDeque::new(), bytes: 0, most_bytes }
    }

    pub(crate) fn push(&mut self, segment: Name, position: u64, bytes: Bytes) {
        self.bytes += bytes.len() + OVERHEAD;
        self.groups.push_back(Cached { segment, position, bytes });
        while self.bytes > self.most_bytes {
            match self.groups.pop_front() {
                Some(oldest) => self.bytes -= oldest.bytes.len() + OVERHEAD,
                None => return,
            }
        }
    }

    /// The bytes of a batch.
    pub(crate) fn get(&self, place: Place) -> Option<Bytes> {
        let position = u64::from(place.position);
        let behind = self.groups.partition_point(|group| (group.segment, group.position) <= (place.segment, position));
        let group = self.groups.get(behind.checked_sub(1)?)?;
        if group.segment != place.segment {
            return None;
        }
        let start = usize::try_from(position - group.position).ok()?;
        let end = start + place.length as usize;
        (end <= group.bytes.len()).then(|| group.bytes.slice(start..end))
    }
}

/// Of a group's place here and its buffer.
const OVERHEAD: usize = 96;

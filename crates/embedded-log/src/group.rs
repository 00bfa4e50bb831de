//! Commit groups: what one write and one sync make durable, as bytes.
//!
//! ```text
//! mark 8 | sequence 8 | length of body 4 | CRC-32C 4 over sequence, length and body | body
//! body:   kind 1 | length 4 | content      … again
//! ```
//! Numbers are little-endian. Kind 1 holds `topic 4 | partition 4 | record batch`, kind 2 a [`Change`] in postcard.

use crate::catalog::Change;

/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 24;

/// Bytes of a batch's entry before the batch.
pub(crate) const BATCH_PREFIX_BYTES: usize = 13;

/// A group being built: one buffer, written as it is.
#[derive(Debug)]
pub(crate) struct GroupBuilder {
    bytes: Vec<u8>,
}

impl GroupBuilder {
    pub(crate) fn new(mark: [u8; 8], sequence: u64, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + capacity);
        bytes.extend_from_slice(&mark);
        bytes.extend_from_slice(&sequence.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes }
    }

    /// Adds a batch that `write` appends to the buffer; gives where in the group it stands, and its length.
    pub(crate) fn batch(&mut self, topic: u32, partition: u32, write: impl FnOnce(&mut Vec<u8>)) -> (u32, u32) {
        let entry = self.begin_entry(KIND_BATCH);
        self.bytes.extend_from_slice(&topic.to_le_bytes());
        self.bytes.extend_from_slice(&partition.to_le_bytes());
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.end_entry(entry);
        (start as u32, (self.bytes.len() - start) as u32)
    }

    pub(crate) fn change(&mut self, change: &Change) {
        let entry = self.begin_entry(KIND_CHANGE);
        // Fails only when a sink does, and a Vec does not.
        if let Ok(bytes) = postcard::to_extend(change, std::mem::take(&mut self.bytes)) {
            self.bytes = bytes;
        }
        self.end_entry(entry);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER_BYTES
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        let body = (self.bytes.len() - HEADER_BYTES) as u32;
        self.bytes[16..20].copy_from_slice(&body.to_le_bytes());
        let crc = checksum(&self.bytes);
        self.bytes[20..24].copy_from_slice(&crc.to_le_bytes());
        self.bytes
    }

    fn begin_entry(&mut self, kind: u8) -> usize {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.len()
    }

    fn end_entry(&mut self, content: usize) {
        let length = (self.bytes.len() - content) as u32;
        self.bytes[content - 4..content].copy_from_slice(&length.to_le_bytes());
    }
}

/// A whole group whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group<'a> {
    pub(crate) sequence: u64,
    bytes: &'a [u8],
}

/// Why there is no group at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoGroup {
    #[error("the mark of a commit group is missing")]
    NoMark,
    #[error("the commit group is cut short")]
    Short,
    #[error("the checksum of the commit group is wrong")]
    Checksum,
    #[error("the commit group has another sequence number than must come here")]
    Sequence,
}

impl<'a> Group<'a> {
    /// The group that `bytes` begin with.
    pub(crate) fn first_of(bytes: &'a [u8], mark: [u8; 8]) -> Result<Self, NoGroup> {
        let header = bytes.get(..HEADER_BYTES).ok_or(NoGroup::Short)?;
        if header[..8] != mark {
            return Err(NoGroup::NoMark);
        }
        let sequence = u64::from_le_bytes(array(&header[8..16]));
        let body = u32::from_le_bytes(array(&header[16..20])) as usize;
        let bytes = bytes.get(..HEADER_BYTES + body).ok_or(NoGroup::Short)?;
        if checksum(bytes) != u32::from_le_bytes(array(&header[20..24])) {
            return Err(NoGroup::Checksum);
        }
        Ok(Self { sequence, bytes })
    }

    /// Length in the file.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What is in it, in order. `Err` with the place in the group where an entry cannot be read.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<Entry<'a>, usize>> + use<'a> {
        let (bytes, mut at) = (self.bytes, HEADER_BYTES);
        std::iter::from_fn(move || {
            if at >= bytes.len() {
                return None;
            }
            let entry = Entry::read(bytes, at);
            at = match &entry {
                Some((_, next)) => *next,
                None => return Some(Err(std::mem::replace(&mut at, bytes.len()))),
            };
            entry.map(|(entry, _)| Ok(entry))
        })
    }
}

/// One thing in a group.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    Batch {
        topic: u32,
        partition: u32,
        /// Where the batch begins, from the start of the group.
        start: usize,
        batch: &'a [u8],
    },
    Change(Box<Change>),
}

impl<'a> Entry<'a> {
    fn read(group: &'a [u8], at: usize) -> Option<(Self, usize)> {
        let kind = *group.get(at)?;
        let length = u32::from_le_bytes(array(group.get(at + 1..at + 5)?)) as usize;
        let start = at + 5;
        let content = group.get(start..start.checked_add(length)?)?;
        let entry = match kind {
            KIND_BATCH => Self::Batch {
                topic: u32::from_le_bytes(array(content.get(..4)?)),
                partition: u32::from_le_bytes(array(content.get(4..8)?)),
                start: start + 8,
                batch: &content[8..],
            },
            KIND_CHANGE => Self::Change(Box::new(postcard::from_bytes(content).ok()?)),
            _ => return None,
        };
        Some((entry, start + length))
    }
}

fn checksum(group: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&group[8..20]);
    crc32c::crc32c_append(crc, &group[HEADER_BYTES..])
}

/// The callers slice exactly as many bytes as the array has.
pub(crate) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

const KIND_BATCH: u8 = 1;
const KIND_CHANGE: u8 = 2;

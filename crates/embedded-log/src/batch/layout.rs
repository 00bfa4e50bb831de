//! Where the fields of a batch's header are, and the few of them that are looked at or filled in without the rest.
//!
//! ```text
//!  0 base offset  i64 ┐ filled in by the broker,      27 first timestamp   i64     57 record count  i32
//!  8 length       i32 │ not covered by the CRC        35 max timestamp     i64     61 records, compressed together
//! 12 leader epoch i32 ┘                               43 producer id       i64
//! 16 magic        i8                                  51 producer epoch    i16
//! 17 CRC-32C      u32 of all that follows             53 base sequence     i32     length: of all behind it
//! 21 attributes   i16 0–2 codec, 3 append time, 4 transactional, 5 control, 6 delete horizon      (big endian)
//! 23 last delta   i32 last offset − base offset
//! ```

use super::{Batch, BatchError};

/// Fills in, in place, what a broker does and the CRC does not cover. Slices shorter than these fields stay as they are.
pub fn set_base_offset(batch: &mut [u8], base_offset: i64, leader_epoch: i32) {
    if let Some(head) = batch.first_chunk_mut::<{ LEADER_EPOCH + 4 }>() {
        head[..LENGTH].copy_from_slice(&base_offset.to_be_bytes());
        head[LEADER_EPOCH..].copy_from_slice(&leader_epoch.to_be_bytes());
    }
}

/// Base offset and whole length of the batch that begins with `prefix`, nothing checked. `None`: fewer than 12 bytes, or a length
/// that no batch has.
pub fn peek(prefix: &[u8]) -> Option<(i64, usize)> {
    let head = prefix.first_chunk::<LENGTH_END>()?;
    let whole = usize::try_from(i32::from_be_bytes(field(head, LENGTH))).ok()? + LENGTH_END;
    (whole >= Batch::HEADER_BYTES).then(|| (i64::from_be_bytes(field(head, BASE_OFFSET)), whole))
}

/// Length of the batch that `bytes` begin with, all of it there and of our magic.
pub(super) fn whole_length(bytes: &[u8]) -> Result<usize, BatchError> {
    // First, as old formats are shorter and have the magic at the same place.
    match bytes.get(MAGIC) {
        Some(&magic) if magic != 2 => return Err(BatchError::WrongMagic(magic as i8)),
        _ => {}
    }
    if bytes.len() < LENGTH_END {
        return Err(BatchError::TooShort { needed: Batch::HEADER_BYTES, have: bytes.len() });
    }
    let Some((_, whole)) = peek(bytes) else {
        let claimed = i32::from_be_bytes(field(bytes, LENGTH));
        return Err(BatchError::BadLength { claimed, have: bytes.len() - LENGTH_END });
    };
    if bytes.len() < whole { Err(BatchError::TooShort { needed: whole, have: bytes.len() }) } else { Ok(whole) }
}

/// The bytes of a field; callers have seen to it that `bytes` have a whole header.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

pub(super) const BASE_OFFSET: usize = 0;
pub(super) const LENGTH: usize = 8;
pub(super) const LENGTH_END: usize = 12;
pub(super) const LEADER_EPOCH: usize = 12;
pub(super) const MAGIC: usize = 16;
pub(super) const CRC: usize = 17;
/// From here on the CRC covers.
pub(super) const CRC_END: usize = 21;
pub(super) const ATTRIBUTES: usize = 21;
pub(super) const LAST_OFFSET_DELTA: usize = 23;
pub(super) const FIRST_TIMESTAMP: usize = 27;
pub(super) const MAX_TIMESTAMP: usize = 35;
pub(super) const PRODUCER_ID: usize = 43;
pub(super) const PRODUCER_EPOCH: usize = 51;
pub(super) const BASE_SEQUENCE: usize = 53;
pub(super) const RECORD_COUNT: usize = 57;

pub(super) const APPEND_TIME: i16 = 1 << 3;
pub(super) const TRANSACTIONAL: i16 = 1 << 4;
pub(super) const CONTROL: i16 = 1 << 5;

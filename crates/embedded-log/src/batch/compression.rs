//! A batch's records out of their compressed form: codecs by their libraries, memory by the caller's limit.
//!
//! No claim of the bytes is believed: output grows only as it is decoded and ends at the limit. Memory is at most about twice the
//! limit, besides the bytes there and constants (LZ4's buffers, 12 MB of address space at most, touched as far as they are used).

use std::fmt;
use std::io::Read;

use bytes::Bytes;
use zstd::zstd_safe::{self, zstd_sys::ZSTD_ErrorCode};

use super::BatchError;

/// How a batch's records are compressed, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not.
    None,
    /// Gzip; several members are one.
    Gzip,
    /// Snappy, as one raw block or in the framing of xerial's Java library.
    Snappy,
    /// One LZ4 frame.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

impl Compression {
    /// The codec of the lowest three bits of a batch's attributes.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::None,
            1 => Self::Gzip,
            2 => Self::Snappy,
            3 => Self::Lz4,
            4 => Self::Zstd,
            _ => return None,
        })
    }

    /// What `compressed` is, decompressed: at most `limit` bytes. `None`'s are the same bytes, not measured.
    pub(super) fn decompress(self, compressed: Bytes, limit: usize) -> Result<Bytes, BatchError> {
        let decompressed = match self {
            Self::None => return Ok(compressed),
            Self::Gzip => gunzip(&compressed, limit),
            Self::Snappy => unsnap(&compressed, limit),
            Self::Lz4 => unlz4(&compressed, limit),
            Self::Zstd => unzstd(&compressed, limit),
        };
        decompressed.map(Bytes::from).map_err(|fault| match fault {
            Fault::Beyond => BatchError::ExpandsBeyond { limit },
            Fault::Corrupt => BatchError::BadCompression { compression: self },
        })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

enum Fault {
    Beyond,
    Corrupt,
}

fn gunzip(compressed: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    read_bounded(flate2::bufread::MultiGzDecoder::new(compressed), compressed.len(), limit)
}

fn unlz4(compressed: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    if !compressed.starts_with(LZ4_MAGIC) {
        return Err(Fault::Corrupt);
    }
    // The decoder takes an end of bytes between blocks for the frame's end. Behind its real end it does not touch this one.
    let mut input = compressed.chain(LZ4_END_MARK);
    let records = read_bounded(lz4_flex::frame::FrameDecoder::new(&mut input), compressed.len(), limit)?;
    let whole = matches!(input.get_ref(), ([], end) if end.len() == LZ4_END_MARK.len());
    if whole { Ok(records) } else { Err(Fault::Corrupt) }
}

fn read_bounded(decoder: impl Read, compressed_bytes: usize, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut records = Vec::with_capacity(compressed_bytes.saturating_mul(USUAL_RATIO).min(limit));
    decoder.take((limit as u64).saturating_add(1)).read_to_end(&mut records).map_err(|_| Fault::Corrupt)?;
    if records.len() > limit { Err(Fault::Beyond) } else { Ok(records) }
}

fn unsnap(mut compressed: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let mut records = Vec::new();
    if !compressed.starts_with(XERIAL_MAGIC) {
        unsnap_block(compressed, limit, &mut records)?;
        return Ok(records);
    }
    while !compressed.is_empty() {
        // A writer may begin anew behind any block.
        if compressed.starts_with(XERIAL_MAGIC) {
            compressed = compressed.get(XERIAL_HEADER_BYTES..).ok_or(Fault::Corrupt)?;
            continue;
        }
        let (len, rest) = compressed.split_first_chunk().ok_or(Fault::Corrupt)?;
        let len = u32::from_be_bytes(*len) as usize;
        let (block, rest) = rest.split_at_checked(len).ok_or(Fault::Corrupt)?;
        unsnap_block(block, limit, &mut records)?;
        compressed = rest;
    }
    Ok(records)
}

/// Appends one raw block, which says at its start how long it becomes.
fn unsnap_block(block: &[u8], limit: usize, records: &mut Vec<u8>) -> Result<(), Fault> {
    let claimed = snap::raw::decompress_len(block).map_err(|_| Fault::Corrupt)?;
    if claimed > block.len().saturating_mul(SNAPPY_MOST_RATIO) {
        return Err(Fault::Corrupt);
    }
    if claimed > limit - records.len() {
        return Err(Fault::Beyond);
    }
    let start = records.len();
    records.resize(start + claimed, 0);
    snap::raw::Decoder::new().decompress(block, &mut records[start..]).map_err(|_| Fault::Corrupt)?;
    Ok(())
}

/// In one go into a buffer that grows while it is too small: the streaming decoder would take a window of up to 128 MB on the
/// frame's word. Starting over costs less than once more what the last try does.
fn unzstd(compressed: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let guess = compressed.len().saturating_mul(USUAL_RATIO).max(ZSTD_LEAST_GUESS);
    let mut capacity = match zstd_safe::get_frame_content_size(compressed) {
        Ok(Some(claimed)) if claimed > limit as u64 => return Err(Fault::Beyond),
        Ok(Some(claimed)) => guess.min(claimed as usize),
        Ok(None) => guess,
        Err(_) => return Err(Fault::Corrupt),
    };
    let mut context = zstd_safe::DCtx::try_create().ok_or(Fault::Corrupt)?;
    loop {
        capacity = capacity.min(limit);
        let mut records = Vec::with_capacity(capacity);
        match context.decompress(&mut records, compressed) {
            Ok(_) => return Ok(records),
            Err(code) if !is_too_small(code) => return Err(Fault::Corrupt),
            Err(_) if capacity >= limit => return Err(Fault::Beyond),
            Err(_) => capacity = capacity.saturating_mul(4).max(ZSTD_LEAST_GUESS),
        }
    }
}

fn is_too_small(code: usize) -> bool {
    // An error code is the negative of its number.
    code.wrapping_neg() == ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall as usize
}

/// What text shrinks by, more or less: first capacity of a decompressed batch, as a multiple of what is there.
const USUAL_RATIO: usize = 4;
const ZSTD_LEAST_GUESS: usize = 16 * 1024;
const LZ4_MAGIC: &[u8] = &[0x04, 0x22, 0x4d, 0x18];
const LZ4_END_MARK: &[u8] = &[0; 4];
/// Three bytes of Snappy are at most a copy of 64.
const SNAPPY_MOST_RATIO: usize = 22;
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
/// The magic, and two versions which no reader looks at.
const XERIAL_HEADER_BYTES: usize = 16;

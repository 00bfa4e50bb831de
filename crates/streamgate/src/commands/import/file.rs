//! `Contents`: a file's bytes, unpacked if it is gzip, read ahead on a thread, a piece at a time.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::trouble;
use crate::commands::CommandError;

/// The beginning of a file.
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

/// Enough for the first 1,000 rows of most files.
pub(super) fn sample(path: &Path) -> Result<Sample, CommandError> {
    let mut bytes = Vec::new();
    let mut reader = unpacked(path, Arc::default()).map_err(|error| trouble(path, &error))?;
    reader.by_ref().take(SAMPLE_BYTES).read_to_end(&mut bytes).map_err(|error| trouble(path, &error))?;
    let is_whole = (bytes.len() as u64) < SAMPLE_BYTES;
    Ok(Sample { bytes, is_whole })
}

/// By which a file is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    bytes: u64,
    /// Of its first and last 64 KiB (FNV-1a).
    hash: String,
}

impl Identity {
    pub(super) fn of(path: &Path) -> Result<Self, CommandError> {
        let read = || {
            let mut file = File::open(path)?;
            let bytes = file.metadata()?.len();
            let mut ends = Vec::new();
            file.by_ref().take(IDENTITY_BYTES).read_to_end(&mut ends)?;
            file.seek(SeekFrom::Start(bytes.saturating_sub(IDENTITY_BYTES)))?;
            file.take(IDENTITY_BYTES).read_to_end(&mut ends)?;
            let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            let hash = ends.iter().fold(0xcbf2_9ce4_8422_2325, mix);
            Ok(Self { bytes, hash: format!("{hash:016x}") })
        };
        read().map_err(|error| trouble(path, &error))
    }
}

/// The bytes from an offset on, counted after unpacking.
pub(super) struct Contents {
    path: PathBuf,
    blocks: mpsc::Receiver<io::Result<Vec<u8>>>,
    held: Vec<u8>,
    is_end: bool,
    /// Size of the file.
    pub(super) bytes: u64,
    read: Arc<AtomicU64>,
}

impl Contents {
    pub(super) fn open(path: &Path, offset: u64) -> Result<Self, CommandError> {
        let bytes = std::fs::metadata(path).map_err(|error| trouble(path, &error))?.len();
        let read = Arc::<AtomicU64>::default();
        let mut reader = unpacked(path, read.clone()).map_err(|error| trouble(path, &error))?;
        let (sender, blocks) = mpsc::channel(BLOCKS_AHEAD);
        std::thread::spawn(move || {
            let mut skipped = io::copy(&mut reader.by_ref().take(offset), &mut io::sink()).map(|_| ());
            loop {
                let mut block = Vec::with_capacity(BLOCK_BYTES as usize);
                let read = std::mem::replace(&mut skipped, Ok(()))
                    .and_then(|()| reader.by_ref().take(BLOCK_BYTES).read_to_end(&mut block));
                let is_end = !matches!(read, Ok(1..));
                // A closed channel means that nobody wants the rest.
                if sender.blocking_send(read.map(|_| block)).is_err() || is_end {
                    return;
                }
            }
        });
        Ok(Self { path: path.to_owned(), blocks, held: Vec::new(), is_end: false, bytes, read })
    }

    /// Reads on until a piece is held, or the rest of the file. Whether it is the rest. Cancel safe.
    pub(super) async fn fill(&mut self) -> Result<bool, CommandError> {
        while !self.is_end && self.held.len() < PIECE_BYTES {
            match self.blocks.recv().await {
                Some(Ok(block)) if !block.is_empty() => self.held.extend_from_slice(&block),
                Some(Err(error)) => return Err(trouble(&self.path, &error)),
                Some(Ok(_)) | None => self.is_end = true,
            }
        }
        Ok(self.is_end)
    }

    pub(super) fn held(&self) -> &[u8] {
        &self.held
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.held.drain(..bytes);
    }

    /// How much of the file was read, packed as it is, less what is held.
    pub(super) fn position(&self) -> u64 {
        let ahead = if self.is_end { 0 } else { self.held.len() as u64 };
        self.read.load(Ordering::Relaxed).saturating_sub(ahead)
    }
}

/// Gzip is told by its first bytes.
fn unpacked(path: &Path, read: Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = [0; 2];
    let mut file = File::open(path)?;
    let is_gzip = file.read(&mut magic)? == 2 && magic == [0x1f, 0x8b];
    file.seek(SeekFrom::Start(0))?;
    let counted = BufReader::with_capacity(256 << 10, Counted { file, read });
    Ok(if is_gzip { Box::new(MultiGzDecoder::new(counted)) } else { Box::new(counted) })
}

struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// Of one request: less than servers take by default, and more than four of the longest rows.
const PIECE_BYTES: usize = 1 << 20;

const BLOCK_BYTES: u64 = 256 << 10;
const BLOCKS_AHEAD: usize = 8;
const SAMPLE_BYTES: u64 = 4 << 20;
const IDENTITY_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn plain_and_packed_files_are_read_from_any_offset_on() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number * 7 % 251) as u8).collect();
        let (plain, packed) = (folder.path().join("a.csv"), folder.path().join("a.csv.gz"));
        std::fs::write(&plain, &bytes).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(File::create(&packed).unwrap(), flate2::Compression::fast());
        encoder.write_all(&bytes[..1_000_000]).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(encoder.finish().unwrap(), flate2::Compression::fast());
        encoder.write_all(&bytes[1_000_000..]).unwrap();
        encoder.finish().unwrap();
        for path in [plain, packed] {
            for offset in [0, 1, 1_500_000, 3_000_000] {
                let mut contents = Contents::open(&path, offset as u64).unwrap();
                let mut read = Vec::new();
                loop {
                    let is_end = contents.fill().await.unwrap();
                    let taken = contents.held().len().min(700_000);
                    read.extend_from_slice(&contents.held()[..taken]);
                    contents.consume(taken);
                    if is_end && contents.held().is_empty() {
                        break;
                    }
                }
                assert!(read == bytes[offset..], "{} from {offset}", path.display());
                assert_eq!(contents.position(), contents.bytes);
            }
        }
    }
}

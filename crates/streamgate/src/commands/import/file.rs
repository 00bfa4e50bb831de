//! `Source`: the file, and what it is known by; `Contents`: its bytes, unpacked if it is gzip, read ahead on a thread, a piece at a time.

use std::fs::{File, TryLockError};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::trouble;
use crate::commands::CommandError;

/// A file to be imported, opened once: a file that takes its name meanwhile is another one.
pub(super) struct Source {
    path: PathBuf,
    file: Arc<File>,
}

/// The beginning of a file.
pub(super) struct Sample {
    pub(super) bytes: Vec<u8>,
    /// Whether that is all of it.
    pub(super) is_whole: bool,
}

/// By which a file is known again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    bytes: u64,
    /// When it was written last, in nanoseconds since 1970.
    modified: i64,
    /// Of its first and last 64 KiB (FNV-1a).
    hash: String,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, CommandError> {
        let file = File::open(path).map_err(|error| trouble(path, &error))?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file) })
    }

    /// For as long as this lives. Two imports of one file at a time would take it from each other.
    pub(super) fn lock(&self) -> Result<(), CommandError> {
        match self.file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                Err(CommandError::Import(format!("another import of {} is running", self.path.display())))
            }
            Err(TryLockError::Error(error)) => Err(trouble(&self.path, &error)),
        }
    }

    /// Enough for the first 1,000 rows of most files.
    pub(super) fn sample(&self) -> Result<Sample, CommandError> {
        let mut bytes = Vec::new();
        let mut read = || self.unpacked(Arc::default())?.take(SAMPLE_BYTES).read_to_end(&mut bytes);
        read().map_err(|error| trouble(&self.path, &error))?;
        let is_whole = (bytes.len() as u64) < SAMPLE_BYTES;
        Ok(Sample { bytes, is_whole })
    }

    pub(super) fn identity(&self) -> Result<Identity, CommandError> {
        let read = || {
            let metadata = self.file.metadata()?;
            let bytes = metadata.len();
            let mut ends = Vec::new();
            for at in [0, bytes.saturating_sub(IDENTITY_BYTES)] {
                self.reader(at, Arc::default()).take(IDENTITY_BYTES).read_to_end(&mut ends)?;
            }
            let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            let hash = ends.iter().fold(0xcbf2_9ce4_8422_2325, mix);
            let modified = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
            Ok(Identity { bytes, modified, hash: format!("{hash:016x}") })
        };
        read().map_err(|error| trouble(&self.path, &error))
    }

    /// Gzip is told by its first bytes.
    fn unpacked(&self, read: Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
        let mut magic = Vec::new();
        self.reader(0, Arc::default()).take(2).read_to_end(&mut magic)?;
        let counted = BufReader::with_capacity(256 << 10, self.reader(0, read));
        Ok(if magic == [0x1f, 0x8b] { Box::new(MultiGzDecoder::new(counted)) } else { Box::new(counted) })
    }

    fn reader(&self, at: u64, read: Arc<AtomicU64>) -> Counted {
        Counted { file: self.file.clone(), at, read }
    }
}

/// A thread that reads ahead may keep the file open for a moment more.
impl Drop for Source {
    fn drop(&mut self) {
        _ = self.file.unlock();
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
    pub(super) fn of(source: &Source, offset: u64) -> Result<Self, CommandError> {
        let read = Arc::<AtomicU64>::default();
        let open = || Ok((source.file.metadata()?.len(), source.unpacked(read.clone())?));
        let (bytes, mut reader) = open().map_err(|error| trouble(&source.path, &error))?;
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
        Ok(Self { path: source.path.clone(), blocks, held: Vec::new(), is_end: false, bytes, read })
    }

    /// Reads on until a piece is held, or the rest of the file. Whether it is the rest. Cancel safe.
    pub(super) async fn fill(&mut self) -> Result<bool, CommandError> {
        while !self.is_end && self.held.len() < PIECE_BYTES {
            match self.blocks.recv().await {
                Some(Ok(block)) if !block.is_empty() => self.held.extend_from_slice(&block),
                Some(Err(error)) => return Err(trouble(&self.path, &error)),
                Some(Ok(_)) => self.is_end = true,
                None => return Err(trouble(&self.path, &io::Error::other("its reading broke off"))),
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

struct Counted {
    file: Arc<File>,
    at: u64,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read_at(buffer, self.at)?;
        self.at += bytes as u64;
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
                let mut contents = Contents::of(&Source::open(&path).unwrap(), offset as u64).unwrap();
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

    #[test]
    fn a_file_that_was_written_since_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        // A change in its middle is told by its time alone.
        std::fs::write(&path, vec![b'x'; 300_000]).unwrap();
        let source = Source::open(&path).unwrap();
        let before = source.identity().unwrap();
        assert_eq!(source.identity().unwrap(), before);
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(b"y", 150_000).unwrap();
        file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_nanos(1_000_001)).unwrap();
        assert_ne!(source.identity().unwrap(), before);
        std::fs::rename(&path, folder.path().join("b.csv")).unwrap();
        std::fs::write(&path, b"another").unwrap();
        assert_eq!(source.sample().unwrap().bytes.len(), 300_000);
    }

    #[tokio::test]
    async fn a_reader_that_dies_is_no_end_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, b"a,b\n").unwrap();
        let mut contents = Contents::of(&Source::open(&path).unwrap(), 0).unwrap();
        contents.blocks = mpsc::channel(1).1;
        assert!(contents.fill().await.unwrap_err().to_string().contains("its reading broke off"));
    }

    #[test]
    fn a_file_is_locked_until_its_source_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, b"a,b\n").unwrap();
        let (first, second) = (Source::open(&path).unwrap(), Source::open(&path).unwrap());
        let kept = first.file.clone();
        first.lock().unwrap();
        assert!(second.lock().unwrap_err().to_string().contains("another import"));
        drop(first);
        second.lock().unwrap();
        drop(kept);
    }
}

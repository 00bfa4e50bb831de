//! `Storage`: the folder a log lives in, as a trait, so that tests can lose what was not synced.

mod disk;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;

use std::{fmt, io, path::PathBuf, sync::Arc};

pub use self::disk::DiskStorage;

/// A folder of flat files. All calls may block.
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// For people: where it is.
    fn path(&self) -> PathBuf;

    /// Makes the folder if it is missing and keeps every other process out of it until this value is dropped.
    fn lock(&self) -> Result<(), LockError>;

    /// Names of the files in it, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// A new file, for reading and writing; an error if it exists.
    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// A file that exists, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Gives a file another name, replacing what has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Deletes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes all creations, renames and removals so far durable.
    fn sync_folder(&self) -> io::Result<()>;

    /// How much room its file system has.
    fn room(&self) -> io::Result<Room>;
}

/// One file. Reads and writes may be short; positions are bytes from its start.
pub trait StorageFile: fmt::Debug + Send + Sync + 'static {
    /// Reads some bytes; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes some bytes.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize>;

    /// Makes all writes so far, and the length, durable.
    fn sync(&self) -> io::Result<()>;

    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Cuts or extends with zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Takes room for `[length(), to)` from the file system now and extends with zeros; `Unsupported` where it cannot.
    fn allocate(&self, to: u64) -> io::Result<()>;
}

/// Room of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// In all.
    pub total: u64,
    /// That we may still take.
    pub free: u64,
}

/// Why a folder could not be locked.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it: ` (pid N)` or nothing.
    Held(String),
    /// The system said no.
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads `buffer.len()` bytes, or fewer only at the end of the file; gives how many.
pub(crate) fn read_full(file: &dyn StorageFile, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], position + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The whole of a file.
pub(crate) fn read_whole(file: &dyn StorageFile) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.length()?).map_err(io::Error::other)?];
    let read = read_full(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Writes all bytes, however short the writes are.
pub(crate) fn write_all(file: &dyn StorageFile, mut bytes: &[u8], mut position: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, position) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                bytes = &bytes[count..];
                position += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes a file as a whole: under another name first, synced, then renamed.
pub(crate) fn write_file(storage: &dyn Storage, name: &str, bytes: &[u8]) -> io::Result<()> {
    let temporary = format!("{name}{TEMPORARY}");
    match storage.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = storage.create(&temporary)?;
    write_all(&*file, bytes, 0)?;
    file.sync()?;
    storage.rename(&temporary, name)?;
    storage.sync_folder()
}

/// Whether the error means that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Ending of files that are being written.
pub(crate) const TEMPORARY: &str = ".new";

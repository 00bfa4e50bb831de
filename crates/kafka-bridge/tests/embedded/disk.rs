//! `Disk`: a folder of the disk that can be told to hang, to fail, to be full and to lie.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use embedded_log::storage::{DiskStorage, LockError, Room, Storage, StorageFile};

#[derive(Debug)]
pub(crate) struct Disk {
    folder: DiskStorage,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    faults: Mutex<Faults>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, Default)]
struct Faults {
    hangs: bool,
    /// A sync has met that.
    waited_for: bool,
    fails: bool,
    full: bool,
    spoils: bool,
}

impl Disk {
    pub(crate) fn new(folder: &Path) -> Arc<Self> {
        Arc::new(Self { folder: DiskStorage::new(folder), state: Arc::default() })
    }

    /// Syncs do not return until the guard is dropped.
    pub(crate) fn hang(&self) -> Hanging {
        self.state.faults().hangs = true;
        Hanging(self.state.clone())
    }

    /// Whether a sync waits for the guard of [`Disk::hang`].
    pub(crate) fn is_waited_for(&self) -> bool {
        self.state.faults().waited_for
    }

    /// Syncs fail while this is on.
    pub(crate) fn fail(&self, on: bool) {
        self.state.faults().fails = on;
    }

    /// Reads bring a wrong bit while this is on.
    pub(crate) fn spoil(&self, on: bool) {
        self.state.faults().spoils = on;
    }

    /// There is no room while this is on.
    pub(crate) fn fill(&self, on: bool) {
        self.state.faults().full = on;
    }

    fn wrap(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(DiskFile { file, state: self.state.clone() })
    }
}

impl State {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A disk that hangs. A log that is closed waits for its disk, so this must go first, also in a test that fails.
pub(crate) struct Hanging(Arc<State>);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.faults().hangs = false;
        self.0.changed.notify_all();
    }
}

impl Storage for Disk {
    fn path(&self) -> PathBuf {
        self.folder.path()
    }

    fn lock(&self) -> Result<(), LockError> {
        self.folder.lock()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.folder.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.wrap(self.folder.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.wrap(self.folder.open(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.folder.sync_folder()
    }

    fn room(&self) -> io::Result<Room> {
        let room = self.folder.room()?;
        Ok(Room { free: if self.state.faults().full { 0 } else { room.free }, ..room })
    }
}

#[derive(Debug)]
struct DiskFile {
    file: Arc<dyn StorageFile>,
    state: Arc<State>,
}

impl StorageFile for DiskFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let read = self.file.read_at(buffer, position)?;
        if self.state.faults().spoils && read > 0 {
            buffer[read - 1] ^= 1;
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.file.write_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        let mut faults = self.state.faults();
        faults.waited_for = faults.hangs;
        let faults =
            self.state.changed.wait_while(faults, |faults| faults.hangs).unwrap_or_else(PoisonError::into_inner);
        if faults.fails {
            return Err(io::Error::other("the disk is broken"));
        }
        drop(faults);
        self.file.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }

    fn allocate(&self, to: u64) -> io::Result<()> {
        if self.state.faults().full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.allocate(to)
    }
}

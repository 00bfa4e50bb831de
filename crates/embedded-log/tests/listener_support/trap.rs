//! `Trap`: a disk on which a read panics when told, the one way from outside to a panic in the task of a connection.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use embedded_log::storage::{LockError, Room, Storage, StorageFile, faulty::FaultyStorage};

#[derive(Debug, Default)]
pub(crate) struct Trap {
    disk: FaultyStorage,
    set: Arc<AtomicBool>,
}

impl Trap {
    /// The next read panics.
    pub(crate) fn set(&self) {
        self.set.store(true, Relaxed);
    }

    fn wrap(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(TrapFile { file, set: self.set.clone() })
    }
}

impl Storage for Trap {
    fn path(&self) -> PathBuf {
        self.disk.path()
    }

    fn lock(&self) -> Result<(), LockError> {
        self.disk.lock()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.disk.create(name).map(|file| self.wrap(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.disk.open(name).map(|file| self.wrap(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.disk.sync_folder()
    }

    fn room(&self) -> io::Result<Room> {
        self.disk.room()
    }
}

#[derive(Debug)]
struct TrapFile {
    file: Arc<dyn StorageFile>,
    set: Arc<AtomicBool>,
}

impl StorageFile for TrapFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        assert!(!self.set.swap(false, Relaxed), "the trap");
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.file.write_at(bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }

    fn allocate(&self, to: u64) -> io::Result<()> {
        self.file.allocate(to)
    }
}

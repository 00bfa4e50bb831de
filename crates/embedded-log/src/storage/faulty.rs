//! `FaultyStorage`: a folder in memory that fails as told, and loses what was not synced.

mod dice;
mod disk;
mod faults;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::disk::Disk;
pub use self::{
    dice::Dice,
    faults::{Call, Failure, Fault},
};
use super::{LockError, Room, Storage, StorageFile};

/// A handle to a disk in memory; what stands on it is in one of three states: durable, in the cache, gone.
///
/// A process that ends is [`FaultyStorage::restart`], a loss of power [`FaultyStorage::crash`]. Handles and files from before fail.
#[derive(Debug)]
pub struct FaultyStorage {
    disk: Arc<Mutex<Disk>>,
    life: u64,
}

#[derive(Debug)]
struct FaultyFile {
    disk: Arc<Mutex<Disk>>,
    life: u64,
    number: usize,
}

impl Default for FaultyStorage {
    fn default() -> Self {
        Self::on(Disk::new())
    }
}

impl Drop for FaultyStorage {
    fn drop(&mut self) {
        let mut disk = lock(&self.disk);
        if disk.life == self.life {
            disk.locked = false;
        }
    }
}

impl FaultyStorage {
    /// An empty folder.
    pub fn new() -> Self {
        Self::default()
    }

    fn on(disk: Disk) -> Self {
        Self { disk: Arc::new(Mutex::new(disk)), life: 0 }
    }

    /// The process has ended, or closed the folder, and a new one comes; the system, and its cache, went on. No fault is planned.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut disk = lock(&self.disk);
        disk.faults.clear();
        disk.life += 1;
        disk.locked = false;
        Self { disk: self.disk.clone(), life: disk.life }
    }

    /// The power has gone: of what was not synced any part is left, in any order, torn. This disk stays as it is.
    #[must_use]
    pub fn crash(&self, dice: &mut Dice) -> Self {
        Self::on(lock(&self.disk).crash(dice))
    }

    /// Another disk with the same files, all durable.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self::on(lock(&self.disk).copy())
    }

    /// Plans a fault, beside those planned.
    pub fn plan(&self, fault: Fault) {
        lock(&self.disk).faults.plan(fault);
    }

    /// Plans none.
    pub fn heal(&self) {
        lock(&self.disk).faults.clear();
    }

    /// Calls made so far, those that failed too.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.disk).faults.made.clone()
    }

    /// Whether [`Failure::End`] was met.
    pub fn has_ended(&self) -> bool {
        lock(&self.disk).faults.ended
    }

    /// Bytes that all files may take together: beyond them is `ENOSPC`.
    pub fn set_capacity(&self, bytes: u64) {
        lock(&self.disk).capacity = bytes;
    }

    /// Bytes that all files take.
    pub fn used(&self) -> u64 {
        lock(&self.disk).used()
    }

    /// Names of the files, in order.
    pub fn files(&self) -> Vec<String> {
        lock(&self.disk).names.keys().cloned().collect()
    }

    /// What programs see in a file.
    pub fn bytes_of(&self, name: &str) -> Option<Vec<u8>> {
        let disk = lock(&self.disk);
        disk.names.get(name).map(|file| disk.files[*file].content.clone())
    }

    /// Puts a file there, durable, as somebody else would.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        lock(&self.disk).put(name, bytes);
    }

    /// Takes a file away, as somebody else would.
    pub fn take(&self, name: &str) {
        let mut disk = lock(&self.disk);
        disk.remove(name);
        disk.sync_names();
    }

    fn begin(&self, call: Call) -> io::Result<(MutexGuard<'_, Disk>, Option<Failure>)> {
        begin(&self.disk, self.life, call)
    }

    fn file(&self, number: usize) -> Arc<dyn StorageFile> {
        Arc::new(FaultyFile { disk: self.disk.clone(), life: self.life, number })
    }
}

impl Storage for FaultyStorage {
    fn path(&self) -> PathBuf {
        PathBuf::from("/faulty")
    }

    fn lock(&self) -> Result<(), LockError> {
        let (mut disk, failure) = self.begin(Call::Lock)?;
        fails(failure)?;
        if std::mem::replace(&mut disk.locked, true) { Err(LockError::Held(String::new())) } else { Ok(()) }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let (disk, failure) = self.begin(Call::List)?;
        fails(failure)?;
        Ok(disk.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let (mut disk, failure) = self.begin(Call::Create)?;
        happens_then_fails(failure, || {
            if disk.names.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(self.file(disk.create(name)))
        })
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let (disk, failure) = self.begin(Call::Open)?;
        fails(failure)?;
        let number = *disk.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(self.file(number))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (mut disk, failure) = self.begin(Call::Rename)?;
        happens_then_fails(failure, || {
            let number = *disk.names.get(from).ok_or(io::ErrorKind::NotFound)?;
            disk.rename(from, to, number);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let (mut disk, failure) = self.begin(Call::Remove)?;
        happens_then_fails(failure, || {
            if !disk.names.contains_key(name) {
                return Err(io::ErrorKind::NotFound.into());
            }
            disk.remove(name);
            Ok(())
        })
    }

    fn sync_folder(&self) -> io::Result<()> {
        let (mut disk, failure) = self.begin(Call::SyncFolder)?;
        fails(failure)?;
        disk.sync_names();
        Ok(())
    }

    fn room(&self) -> io::Result<Room> {
        let (disk, failure) = self.begin(Call::Room)?;
        fails(failure)?;
        Ok(Room { total: disk.capacity, free: disk.capacity.saturating_sub(disk.used()) })
    }
}

impl FaultyFile {
    fn begin(&self, call: Call) -> io::Result<(MutexGuard<'_, Disk>, Option<Failure>)> {
        begin(&self.disk, self.life, call)
    }
}

impl StorageFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let (disk, failure) = self.begin(Call::Read)?;
        fails(failure)?;
        let content = &disk.files[self.number].content;
        let rest = content.get(place(position)..).unwrap_or_default();
        let count = rest.len().min(buffer.len()).min(most(failure));
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        let (mut disk, failure) = self.begin(Call::Write)?;
        let position = place(position);
        let free = disk.capacity.saturating_sub(disk.used());
        let file = &mut disk.files[self.number];
        let within = file.content.len().saturating_sub(position) + place(free);
        let count = bytes.len().min(most(failure)).min(within);
        match failure {
            Some(Failure::Interrupted) => return Err(io::ErrorKind::Interrupted.into()),
            Some(Failure::Io | Failure::Full) => file.write(position, &bytes[..count / 2]),
            _ if count == 0 && !bytes.is_empty() => return Err(io::ErrorKind::StorageFull.into()),
            _ => file.write(position, &bytes[..count]),
        }
        fails(failure)?;
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let (mut disk, failure) = self.begin(Call::Sync)?;
        let file = &mut disk.files[self.number];
        match fails(failure) {
            Ok(()) => file.sync(),
            Err(_) if failure == Some(Failure::End) => {} // not done, so nothing is forgotten
            Err(_) => file.fail_sync(),
        }
        fails(failure)
    }

    fn length(&self) -> io::Result<u64> {
        let (disk, failure) = self.begin(Call::Length)?;
        fails(failure)?;
        Ok(disk.files[self.number].content.len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let (mut disk, failure) = self.begin(Call::SetLength)?;
        happens_then_fails(failure, || {
            disk.files[self.number].set_length(place(length));
            Ok(())
        })
    }

    fn allocate(&self, to: u64) -> io::Result<()> {
        let (mut disk, failure) = self.begin(Call::Allocate)?;
        let free = disk.capacity.saturating_sub(disk.used());
        let file = &mut disk.files[self.number];
        happens_then_fails(failure, || {
            if to.saturating_sub(file.content.len() as u64) > free {
                return Err(io::ErrorKind::StorageFull.into());
            }
            file.set_length(place(to).max(file.content.len()));
            Ok(())
        })
    }
}

fn begin(disk: &Mutex<Disk>, life: u64, call: Call) -> io::Result<(MutexGuard<'_, Disk>, Option<Failure>)> {
    let mut disk = lock(disk);
    if disk.life != life {
        return Err(io::Error::other("a handle of a process that has ended"));
    }
    let failure = disk.faults.meet(call)?;
    Ok((disk, failure))
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fails(failure: Option<Failure>) -> io::Result<()> {
    match failure {
        None | Some(Failure::Short(_)) => Ok(()),
        Some(failure) => Err(failure.error()),
    }
}

/// What fails was not done; what the process ended in was.
fn happens_then_fails<T>(failure: Option<Failure>, happens: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match failure {
        Some(Failure::End) => happens().and_then(|_| Err(Failure::End.error())),
        failure => fails(failure).and_then(|()| happens()),
    }
}

fn most(failure: Option<Failure>) -> usize {
    match failure {
        Some(Failure::Short(count)) => count.max(1), // no progress at all would be another fault
        _ => usize::MAX,
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

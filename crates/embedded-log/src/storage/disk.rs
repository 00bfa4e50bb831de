//! `DiskStorage`: a real folder.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::{
    fs::{FallocateFlags, fallocate, fstatvfs},
    io::retry_on_intr,
};

use super::{LockError, Room, Storage, StorageFile};

/// A folder of this machine.
#[derive(Debug)]
pub struct DiskStorage {
    folder: PathBuf,
    /// Held open for its lock.
    lock: Mutex<Option<File>>,
}

impl DiskStorage {
    /// The folder at `path`, which need not exist yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { folder: path.as_ref().to_owned(), lock: Mutex::default() }
    }

    /// Who has locked it, as [`lock`](Storage::lock) would say; changes nothing.
    pub(crate) fn holder(&self) -> io::Result<Option<String>> {
        let mut file = match File::open(self.folder.join(LOCK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(holder(&mut file))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Storage for DiskStorage {
    fn path(&self) -> PathBuf {
        self.folder.clone()
    }

    fn lock(&self) -> Result<(), LockError> {
        make_durable_folder(&self.folder)?;
        let path = self.folder.join(LOCK);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held(holder(&mut file)));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        writeln!(file, "{}", process::id())?;
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.filter(|name| !matches!(name, Ok(name) if name == LOCK)).collect()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.folder.join(name))?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.folder.join(name))?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn room(&self) -> io::Result<Room> {
        let about = fstatvfs(File::open(&self.folder)?)?;
        let block = about.f_frsize;
        Ok(Room { total: about.f_blocks.saturating_mul(block), free: about.f_bavail.saturating_mul(block) })
    }
}

/// The process that a lock file names, if it does.
fn holder(lock: &mut File) -> String {
    let mut holder = String::new();
    let known = lock.read_to_string(&mut holder).is_ok_and(|_| holder.trim().parse::<u32>().is_ok());
    if known { format!(" (pid {})", holder.trim()) } else { String::new() }
}

#[derive(Debug)]
struct DiskFile(File);

impl StorageFile for DiskFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        FileExt::write_at(&self.0, bytes, position)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data() // which syncs a changed length too
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn allocate(&self, to: u64) -> io::Result<()> {
        let from = self.length()?;
        let length = to.saturating_sub(from);
        if length == 0 {
            return Ok(());
        }
        match retry_on_intr(|| fallocate(&self.0, FallocateFlags::empty(), from, length)) {
            Ok(()) => Ok(()),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
            Err(error) => Err(error.into()),
        }
    }
}

/// With those above it that are missing, each known to the one it is in.
fn make_durable_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> =
        folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    fs::create_dir_all(folder)?;
    for parent in missing.into_iter().filter_map(Path::parent) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// Name of the file whose lock keeps other processes out; holds the pid of who has it.
const LOCK: &str = "lock";

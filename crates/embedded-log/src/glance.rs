//! `glance` and `log_id`: what a folder is, told without a change to it and without a look at its records.

use std::{fs, io, path::Path};

use crate::{
    error::OpenError,
    format::{self, Format},
    recovery::{Found, default_reserve},
    storage::{DiskStorage, Storage},
};

/// What opening a folder would begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glance {
    /// It would make a log there.
    Fresh,
    /// There is a log, and nobody has it.
    Log {
        /// Bytes that its file system still has for us; `None` if it does not tell.
        free: Option<u64>,
        /// Bytes that are left free: with less than that records are refused.
        reserve: u64,
    },
}

/// Writes nothing, makes nothing, and keeps nobody out for longer than it takes to see whether somebody is in. Damage shows
/// only in the `format` file: see [`check`](crate::check::check) for all of it.
///
/// # Errors
/// Those of [`Log::open`](crate::Log::open) that can be told so.
pub fn glance(folder: &Path) -> Result<Glance, OpenError> {
    let failed = |path: &Path, error| OpenError::Io { path: path.to_owned(), error };
    let storage = DiskStorage::new(folder);
    let names = match storage.list() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Glance::Fresh),
        names => names.map_err(|error| failed(folder, error))?,
    };
    if let Some(holder) = storage.holder().map_err(|error| failed(folder, error))? {
        return Err(OpenError::Locked { folder: folder.to_owned(), holder });
    }
    let found = Found::of(names);
    let refusal = |problem| OpenError::NotALog { folder: folder.to_owned(), problem };
    if !found.has_format {
        return found.in_the_way().map_or(Ok(Glance::Fresh), |problem| Err(refusal(problem)));
    }
    let path = folder.join(format::FILE);
    Format::parse(&fs::read(&path).map_err(|error| failed(&path, error))?, folder)?;
    if found.segments.is_empty() {
        return Err(refusal("all its segments are missing".to_owned()));
    }
    Ok(Glance::Log { free: storage.room().ok().map(|room| room.free), reserve: default_reserve(&storage) })
}

/// The id of the log there, as [`Log::id`](crate::Log::id) tells it, whoever has it; `None` if there is none that can be read.
pub fn log_id(folder: &Path) -> Option<String> {
    let format = fs::read(folder.join(format::FILE)).ok()?;
    Format::parse(&format, folder).ok().map(Format::id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Log, Options};

    #[test]
    fn a_folder_is_fresh_or_a_log_or_somebodys_or_in_the_way_and_stays_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("topics");
        assert_eq!(glance(&folder).unwrap(), Glance::Fresh);
        assert!(!folder.exists());
        fs::create_dir_all(folder.join("lost+found")).unwrap();
        fs::write(folder.join("lock"), "7").unwrap();
        assert_eq!(glance(&folder).unwrap(), Glance::Fresh);
        assert_eq!(fs::read(folder.join("lock")).unwrap(), b"7");

        assert_eq!(log_id(&folder), None);

        let log = Log::open(&folder, Options::default()).unwrap();
        assert_eq!(log_id(&folder).as_deref(), Some(log.id()));
        let held = glance(&folder).unwrap_err();
        assert!(matches!(&held, OpenError::Locked { holder, .. } if holder.contains(&std::process::id().to_string())));
        drop(log);
        let segment = folder.join("00000000000000000000.log");
        while matches!(glance(&folder), Err(OpenError::Locked { .. })) {
            std::thread::yield_now(); // its writer ends by itself
        }
        fs::write(&segment, [fs::read(&segment).unwrap(), b"torn".to_vec()].concat()).unwrap();
        let before = fs::read(&segment).unwrap();
        assert!(
            matches!(glance(&folder).unwrap(), Glance::Log { free: Some(free), reserve } if free > 0 && reserve > 0)
        );
        assert_eq!(fs::read(&segment).unwrap(), before);

        fs::remove_file(&segment).unwrap();
        assert!(glance(&folder).unwrap_err().to_string().contains("all its segments are missing"));
        fs::write(folder.join("format"), "embedded-log 9\n").unwrap();
        assert!(matches!(glance(&folder), Err(OpenError::Version { .. })));
        fs::remove_file(folder.join("format")).unwrap();
        fs::write(folder.join("photo.jpg"), "").unwrap();
        assert!(glance(&folder).unwrap_err().to_string().contains("'photo.jpg'; use an empty folder"));
    }
}

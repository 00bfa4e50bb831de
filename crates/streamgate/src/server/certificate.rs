//! `Certificate`: what the public listener proves itself with; its files are read again when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use signalr_server::tls::Tls;
use tokio::signal::unix::Signal;
use tokio::sync::watch;

use crate::config::{ConfigError, Loaded, Placed};

/// Certificate and key as they were last read without an error.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    tls: watch::Sender<Tls>,
    /// When the files had been changed that were read last, with or without an error.
    changed: Mutex<Changed>,
}

#[derive(Debug)]
struct Files {
    certificate: (Placed, PathBuf),
    key: (Placed, PathBuf),
}

type Changed = [Option<SystemTime>; 2];

impl Certificate {
    /// Reads the files that the settings name; `None` if they name none.
    ///
    /// # Errors
    /// A file that cannot be read or is none of its kind, or two that do not belong together.
    pub fn load(loaded: &Loaded) -> Result<Option<Arc<Self>>, ConfigError> {
        let named = |key: &str, path: &Option<PathBuf>| {
            path.clone().map(|path| (Placed { key: key.to_owned(), origin: loaded.origin(key) }, path))
        };
        let tls = &loaded.config.tls;
        let files = named("tls.certificate", &tls.certificate).zip(named("tls.key", &tls.key));
        let Some((certificate, key)) = files else { return Ok(None) };
        let files = Files { certificate, key };
        let changed = Mutex::new(files.changed());
        let tls = watch::Sender::new(files.read()?);
        Ok(Some(Arc::new(Self { files, tls, changed })))
    }

    /// Reads the files again on SIGHUP, and within a minute after they have changed. Never ends.
    pub async fn follow(self: Arc<Self>, mut hangup: Signal) {
        loop {
            let is_told = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK_AGAIN) => false,
            };
            let certificate = self.clone();
            let read = move || if is_told { certificate.reload() } else { certificate.reload_if_changed() };
            // A panic has been logged as such.
            let _ = tokio::task::spawn_blocking(read).await;
        }
    }

    /// What new connections are to be met with.
    pub(super) fn tls(&self) -> Tls {
        self.tls.borrow().clone()
    }

    /// If there is something wrong with the files, that is logged, and what was there before stays.
    fn reload(&self) {
        *self.changed.lock().unwrap_or_else(PoisonError::into_inner) = self.files.changed();
        match self.files.read() {
            Ok(tls) => {
                self.tls.send_replace(tls);
                tracing::info!("new connections get the certificate of {}", self.files.certificate.1.display());
            }
            Err(error) => tracing::error!("the certificate in use stays: {error}"),
        }
    }

    fn reload_if_changed(&self) {
        let seen = *self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        if seen != self.files.changed() {
            self.reload();
        }
    }
}

impl Files {
    fn read(&self) -> Result<Tls, ConfigError> {
        let pem = |(setting, path): &(Placed, PathBuf)| {
            let unreadable = |error: io::Error| ConfigError::Invalid {
                setting: setting.clone(),
                problem: format!("is {}, which cannot be read: {error}", path.display()),
            };
            fs::read(path).map_err(unreadable)
        };
        Tls::from_pem(&pem(&self.certificate)?, &pem(&self.key)?).map_err(|error| {
            let problem = format!("are {} and {}: {error}", self.certificate.1.display(), self.key.1.display());
            let settings = [self.certificate.0.clone(), self.key.0.clone()];
            ConfigError::Conflict { settings: Box::new(settings), problem }
        })
    }

    fn changed(&self) -> Changed {
        let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        [changed(&self.certificate.1), changed(&self.key.1)]
    }
}

/// How often is looked whether the files have changed.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::config::{self, FileChoice, Origin, Setting, Sources};

    #[test]
    fn files_are_read_again_once_when_they_have_changed_and_wrong_ones_change_nothing() {
        let files = [("tls.certificate", "certificate.pem"), ("tls.key", "key.pem")];
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), 1);
        let setting = |(key, name): (&str, &str)| Setting {
            key: key.to_owned(),
            value: folder.path().join(name).to_str().unwrap().into(),
            origin: Origin::Default,
        };
        let sources = Sources { flags: files.map(setting).into(), environment: Vec::new(), file: FileChoice::None };
        let certificate = Certificate::load(&config::load(sources).unwrap()).unwrap().unwrap();
        let mut shown = certificate.tls.subscribe();
        let mut is_new = || {
            certificate.reload_if_changed();
            let is_new = shown.has_changed().unwrap();
            shown.mark_unchanged();
            is_new
        };
        assert!(!is_new(), "nothing has changed");
        let key = fs::read(folder.path().join("key.pem")).unwrap();
        write(folder.path().join("key.pem"), b"half a key", 2);
        assert!(!is_new(), "it cannot be used");
        write(folder.path().join("key.pem"), &key, 3);
        assert_eq!([is_new(), is_new()], [true, false]);
        make(folder.path(), 4);
        assert_eq!([is_new(), is_new()], [true, false]);
        fs::remove_file(folder.path().join("certificate.pem")).unwrap();
        assert!(!is_new(), "it is gone");
    }

    /// A certificate and its key, written so many minutes after an epoch.
    fn make(folder: &Path, minute: u64) {
        let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
            -keyout key.pem -out certificate.pem";
        let made = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        for name in ["certificate.pem", "key.pem"] {
            let path = folder.join(name);
            write(path.clone(), &fs::read(path).unwrap(), minute);
        }
    }

    fn write(path: PathBuf, bytes: &[u8], minute: u64) {
        fs::write(&path, bytes).unwrap();
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(60 * minute);
        fs::File::options().write(true).open(path).unwrap().set_modified(changed).unwrap();
    }
}

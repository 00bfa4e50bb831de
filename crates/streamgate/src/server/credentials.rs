//! `Credentials`: keys, tokens and revocations as the configuration names them, read again when they change.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use std::{env, fs, io};

use access::{Access, Algorithm, Key, OpaqueTokens, Revocations, Revoked, Scopes, keys_of_set};
use quix_gateway::Guard;
use reqwest::Url;
use reqwest::header::HeaderMap;
use tokio::signal::unix::Signal;
use ways::fetch::{Fetcher, Permits};

use crate::config::{AuthConfig, ConfigError, KeyConfig, KeyMaterial, Loaded, Placed};

/// What the server judges tokens by.
#[derive(Debug)]
pub struct Credentials {
    auth: AuthConfig,
    guard: Arc<Guard>,
    tokens: Option<File>,
    revocations: Option<File>,
    /// The configured keys; those of the key set come behind them.
    keys: Vec<Key>,
    key_set: Option<KeySet>,
}

/// A file that a setting names.
#[derive(Debug)]
struct File {
    setting: Placed,
    path: PathBuf,
    /// When it had been changed that was read last, with or without an error, and how long it was.
    changed: Mutex<Changed>,
}

type Changed = Option<(SystemTime, u64)>;

#[derive(Debug)]
struct KeySet {
    url: Url,
    fetcher: Fetcher,
    is_there: Mutex<bool>,
}

impl Credentials {
    /// Reads what the settings name; `None` if they ask for no authentication.
    ///
    /// # Errors
    /// A key that is none or too weak, a file that cannot be read.
    pub fn load(loaded: &Loaded) -> Result<Option<Arc<Self>>, ConfigError> {
        let auth = loaded.config.auth.clone();
        if !auth.is_on() {
            return Ok(None);
        }
        let file = |key: &str, path: &Option<PathBuf>| {
            let (setting, changed) = (placed(loaded, key), Mutex::default());
            path.clone().map(|path| File { setting, path, changed })
        };
        let tokens = file("auth.tokens_file", &auth.tokens_file);
        let revocations = file("auth.revocations_file", &auth.revocations_file);
        let (keys, key_set) = (configured_keys(loaded)?, key_set(loaded)?);
        let access = Access {
            keys: keys.clone(),
            opaque: tokens.as_ref().map(File::read).transpose()?.unwrap_or_default(),
            revocations: revocations.as_ref().map(File::read_if_there).transpose()?.unwrap_or_default(),
            awaits_keys: key_set.is_some(),
            default_scopes: Scopes::parse(&auth.default_scope),
        };
        let guard = Guard::new(access, auth.close_on_expiry);
        Ok(Some(Arc::new(Self { auth, guard, tokens, revocations, keys, key_set })))
    }

    /// Who judges by them.
    pub fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// Whether there is all that was configured: a key set comes later.
    pub fn are_complete(&self) -> bool {
        self.key_set.as_ref().is_none_or(|set| *lock(&set.is_there))
    }

    /// Reads the files again on SIGHUP, and within seconds after they have changed. Never ends.
    pub async fn follow_files(self: Arc<Self>, mut hangup: Signal) {
        loop {
            let is_told = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK_AGAIN) => false,
            };
            let credentials = self.clone();
            // A panic has been logged as such.
            let _ = tokio::task::spawn_blocking(move || credentials.reload(is_told)).await;
        }
    }

    /// Fetches the key set now and again. Ends only if there is none.
    pub async fn follow_key_set(self: Arc<Self>) {
        let Some(set) = &self.key_set else { return };
        if self.auth.jwks_audience.is_none() {
            tracing::warn!(
                "auth.jwks_audience is not set: tokens that {} issues for any other service are taken here too",
                set.url
            );
        }
        let mut pause = FIRST_RETRY;
        loop {
            match self.fetch(set).await {
                Ok(count) => {
                    tracing::debug!(count, "keys of {}", set.url);
                    *lock(&set.is_there) = true;
                    pause = FIRST_RETRY;
                    tokio::time::sleep(self.auth.jwks_refresh).await;
                }
                Err(error) => {
                    tracing::warn!("the keys of auth.jwks_url cannot be had, those in use stay: {error}");
                    tokio::time::sleep(pause.min(self.auth.jwks_refresh)).await;
                    pause = (2 * pause).min(LAST_RETRY);
                }
            }
        }
    }

    /// Takes something back, at once, and for good if there is a file for it: whether there is.
    ///
    /// # Errors
    /// If that file cannot be written; then nothing is revoked.
    pub fn revoke(&self, revoked: Revoked) -> io::Result<bool> {
        if let Some(file) = &self.revocations {
            file.append(&revoked.to_string())?;
        }
        self.guard.change(|access| access.revocations.add(revoked));
        Ok(self.revocations.is_some())
    }

    async fn fetch(&self, set: &KeySet) -> Result<usize, String> {
        let permits = Permits { http: self.auth.jwks_allow_private, private: self.auth.jwks_allow_private };
        let answer = set.fetcher.get(&set.url, &HeaderMap::new(), permits).await.map_err(|error| error.to_string())?;
        if !answer.status.is_success() {
            return Err(format!("it answers with HTTP status {}", answer.status.as_u16()));
        }
        let document = String::from_utf8(answer.body).map_err(|_| "it is not text".to_owned())?;
        let mut fetched = keys_of_set(&document).map_err(|error| error.to_string())?;
        for key in &mut fetched {
            key.issuer.clone_from(&self.auth.jwks_issuer);
            key.audience.clone_from(&self.auth.jwks_audience);
        }
        let count = fetched.len();
        self.guard.change(|access| {
            access.keys = [self.keys.clone(), fetched].concat();
            access.awaits_keys = false;
        });
        Ok(count)
    }

    /// If there is something wrong with a file, that is logged, and what was there before stays.
    fn reload(&self, is_told: bool) {
        let reads = |file: &&File| is_told || file.has_changed();
        if let Some(file) = self.tokens.as_ref().filter(reads) {
            file.take(|opaque: OpaqueTokens| self.guard.change(|access| access.opaque = opaque));
        }
        if let Some(file) = self.revocations.as_ref().filter(reads) {
            file.take(|revocations: Revocations| self.guard.change(|access| access.revocations = revocations));
        }
    }
}

impl File {
    fn read<T: std::str::FromStr<Err: std::fmt::Display>>(&self) -> Result<T, ConfigError> {
        *lock(&self.changed) = self.changed_at();
        let text = fs::read_to_string(&self.path).map_err(|error| self.wrong(&error))?;
        text.parse().map_err(|error| self.wrong(&error))
    }

    /// A list that nobody has written to yet is empty. One that cannot be read is not.
    fn read_if_there(&self) -> Result<Revocations, ConfigError> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::info!("{} is not there yet: nothing is revoked", self.path.display());
                Ok(Revocations::default())
            }
            _ => self.read(),
        }
    }

    fn take<T: std::str::FromStr<Err: std::fmt::Display>>(&self, take: impl FnOnce(T)) {
        match self.read() {
            Ok(list) => {
                take(list);
                tracing::info!("{} is read again", self.path.display());
            }
            Err(error) => tracing::error!("the list in use stays: {error}"),
        }
    }

    fn append(&self, line: &str) -> io::Result<()> {
        append_line(&self.path, line)
    }

    fn has_changed(&self) -> bool {
        *lock(&self.changed) != self.changed_at()
    }

    fn changed_at(&self) -> Changed {
        let metadata = fs::metadata(&self.path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> ConfigError {
        let problem = format!("is {}, which cannot be used: {why}", self.path.display());
        ConfigError::Invalid { setting: self.setting.clone(), problem }
    }
}

/// Adds a line to a file, which is made if it is not there, and on the disk when this is done.
pub(crate) fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let needs_end = fs::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
    let mut file = fs::File::options().append(true).create(true).open(path)?;
    file.write_all(format!("{}{line}\n", if needs_end { "\n" } else { "" }).as_bytes())?;
    file.sync_data()
}

/// The configured keys, each fit to be one.
fn configured_keys(loaded: &Loaded) -> Result<Vec<Key>, ConfigError> {
    let (mut keys, mut listed) = (Vec::new(), 0);
    for (setting, config) in loaded.config.auth.all_keys() {
        listed += usize::from(setting == "auth.keys");
        let which = if setting == "auth.keys" { format!(" as number {listed}") } else { String::new() };
        let wrong = |problem: String| invalid(loaded, setting, &format!("has{which} {problem}"));
        let material = material(&config).map_err(wrong)?;
        let mut key = Key::new(config.algorithm, &material).map_err(|error| {
            let remedy = if config.algorithm == Algorithm::Hs256 { MAKE_SECRET } else { "name the public key in PEM" };
            wrong(format!("a key that cannot be used: {error}; {remedy}"))
        })?;
        (key.id, key.issuer, key.audience) = (config.id, config.issuer, config.audience);
        keys.push(key);
    }
    Ok(keys)
}

/// What a key is made of, wherever it is; without the line's end that editors put behind a secret.
pub(crate) fn material(key: &KeyConfig) -> Result<Vec<u8>, String> {
    let mut material = match &key.material {
        KeyMaterial::File(path) => {
            fs::read(path).map_err(|error| format!("the file {}, which cannot be read: {error}", path.display()))?
        }
        KeyMaterial::Environment(name) => env::var(name)
            .map(String::into_bytes)
            .map_err(|_| format!("the environment variable {name}, which is not set"))?,
        KeyMaterial::Secret(secret) => secret.reveal().as_bytes().to_vec(),
    };
    if key.algorithm == Algorithm::Hs256 {
        material.truncate(material.trim_ascii_end().len());
    }
    Ok(material)
}

fn key_set(loaded: &Loaded) -> Result<Option<KeySet>, ConfigError> {
    let auth = &loaded.config.auth;
    let Some(url) = &auth.jwks_url else { return Ok(None) };
    let wrong = |error: &dyn std::fmt::Display| invalid(loaded, "auth.jwks_url", &format!("cannot be used: {error}"));
    let url = url.parse::<Url>().map_err(|error| wrong(&error))?;
    let fetcher = Fetcher::new().map_err(|error| wrong(&error))?;
    Ok(Some(KeySet { url, fetcher, is_there: Mutex::new(false) }))
}

fn invalid(loaded: &Loaded, key: &str, problem: &str) -> ConfigError {
    ConfigError::Invalid { setting: placed(loaded, key), problem: problem.to_owned() }
}

fn placed(loaded: &Loaded, key: &str) -> Placed {
    Placed { key: key.to_owned(), origin: loaded.origin(key) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const MAKE_SECRET: &str = "`openssl rand -base64 32` makes one";

/// How often is looked whether the files have changed: revocations are to be in force within 5 s.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Pauses after a fetch that failed; they double.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

//! Where settings come from, and the merge: flags win over the environment, that over the file, that over the defaults.

use std::{collections::BTreeMap, ffi::OsString, fmt, net::SocketAddr, path::PathBuf};

use toml::Value;

use super::{Config, ConfigError, KeyMaterial, Placed, check, environment, file, schema::Schema};

/// Read from the working directory, if it is there and no other file was named.
pub const DEFAULT_FILE: &str = "streamgate.toml";

/// What [`load`] reads; the edge fills it, so that tests need no process of their own.
#[derive(Default)]
pub struct Sources {
    /// Values given on the command line.
    pub flags: Vec<Setting>,
    /// All environment variables; of those without the prefix `STREAMGATE_` only systemd's `STATE_DIRECTORY` is looked at.
    pub environment: Vec<(OsString, OsString)>,
    /// The settings file.
    pub file: FileChoice,
}

/// Which settings file to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FileChoice {
    /// None.
    #[default]
    None,
    /// This one; it must exist.
    Named(PathBuf),
    /// This one if it exists.
    IfPresent(PathBuf),
}

/// One value from one place. Its `Debug` does not show the value, which may be a secret.
#[derive(Clone, PartialEq)]
pub struct Setting {
    /// Dotted name: `limits.message_size`.
    pub key: String,
    /// As it stands there; texts are read according to the setting's type.
    pub value: Value,
    /// Where.
    pub origin: Origin,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.key, self.origin)
    }
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// In the settings file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// In systemd's `STATE_DIRECTORY`.
    StateDirectory,
    /// In this environment variable.
    Environment(String),
    /// On the command line, by this flag.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::StateDirectory => f.write_str("environment STATE_DIRECTORY"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// The configuration in force, and where each value came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The settings file that was read, if one was.
    pub file: Option<PathBuf>,
    /// Sentences for the log: nothing that stops the start.
    pub warnings: Vec<String>,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Where the value of a setting (`limits.message_size`) came from.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// Whether somebody asked for this value, even if it equals the default. systemd does not count: it offers its folder
    /// whether or not it is wanted.
    pub fn is_set(&self, key: &str) -> bool {
        !matches!(self.origin(key), Origin::Default | Origin::StateDirectory)
    }

    /// Where a server of this configuration serves Kafka clients, if anywhere: beside authentication, which they pass by, only
    /// where it was asked for.
    pub fn kafka_listener(&self) -> Option<SocketAddr> {
        self.config.kafka_listener().filter(|_| !self.config.auth.is_on() || self.is_set("kafka_listen"))
    }
}

/// Reads, merges and checks. Every value is checked, also one that a stronger source overrides.
pub fn load(sources: Sources) -> Result<Loaded, ConfigError> {
    let file = file::read(&sources.file)?;
    merge(file, sources.environment, sources.flags)
}

/// The same for a file that was read already.
pub(super) fn merge(
    file: Option<(PathBuf, String)>,
    environment: Vec<(OsString, OsString)>,
    flags: Vec<Setting>,
) -> Result<Loaded, ConfigError> {
    let schema = Schema::new();
    let mut settings: Vec<_> = environment::state_directory(&environment).into_iter().collect();
    if let Some((path, text)) = &file {
        settings.extend(file::parse(path, text, &schema)?);
    }
    settings.extend(environment::settings(environment, &schema)?);
    settings.extend(flags);

    // Weakest first: `overlaid` and the map of origins keep what comes last.
    let settings = settings.into_iter().map(|setting| schema.checked(setting)).collect::<Result<Vec<_>, _>>()?;
    let config = schema.overlaid(&settings).map_err(|error| ConfigError::Invalid {
        setting: Placed { key: "configuration".to_owned(), origin: Origin::Default },
        problem: error.message().to_owned(),
    })?;
    let path = file.map(|(path, _)| path);
    let secrets = path.as_deref().and_then(|path| file::readable_secrets(path, &settings));
    let key = config.tls.key.as_deref().and_then(|path| file::readable_key("tls.key", path));
    let webhooks = path.as_deref().and_then(|path| file::readable_ways(path, &config));
    let warnings = secrets.into_iter().chain(key).chain(readable_secrets(&config)).chain(webhooks);
    let warnings = warnings.chain(open_webhooks(&config)).collect();
    let origins = settings.into_iter().map(|setting| (setting.key, setting.origin)).collect();
    let loaded = Loaded { config, file: path, warnings, origins };
    check::check(&loaded)?;
    Ok(loaded)
}

/// Warnings of webhooks that take anybody's deliveries, which must be written out and is all the same seldom meant.
fn open_webhooks(config: &Config) -> impl Iterator<Item = String> {
    config.webhooks.iter().filter(|webhook| webhook.is_open()).map(|webhook| {
        let (path, topic) = (&webhook.path, &webhook.topic);
        format!("the webhook {path} has preset = \"none\": whoever reaches it can write to the topic {topic}")
    })
}

/// Warnings of files of secrets that others on this machine may read; public keys are for everybody.
fn readable_secrets(config: &Config) -> impl Iterator<Item = String> {
    config
        .auth
        .all_keys()
        .into_iter()
        .filter_map(|(setting, key)| match &key.material {
            KeyMaterial::File(path) if key.algorithm == access::Algorithm::Hs256 => file::readable_key(setting, path),
            _ => None,
        })
        .chain(config.portal.password_files().filter_map(|(setting, path)| file::readable_key(setting, path)))
}

//! Why a configuration is refused: always one sentence that names the setting and where it stands.

use std::{fmt, io, path::PathBuf};

use super::sources::Origin;

/// What is wrong with the configuration. The start ends with it (reliability S8).
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The settings file cannot be read.
    #[error("the settings file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The settings file is not TOML.
    #[error("{}:{line}: this is not TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The parser's text.
        message: String,
    },
    /// No such setting.
    #[error("unknown setting {setting}{}", did_you_mean(suggestion.as_deref()))]
    Unknown {
        /// The name given.
        setting: Placed,
        /// The nearest known name, spelt as in the place where the unknown one stands.
        suggestion: Option<String>,
    },
    /// A value that the setting cannot have.
    #[error("{setting} {problem}")]
    Invalid {
        /// The setting.
        setting: Placed,
        /// Reads on from the name: `must be …`.
        problem: String,
    },
    /// Two settings that exclude each other.
    #[error("{} and {} {problem}", settings[0], settings[1])]
    Conflict {
        /// Both.
        settings: Box<[Placed; 2]>,
        /// Reads on from both names: `exclude each other: …`.
        problem: String,
    },
    /// A name or value in the environment that is not text.
    #[error("the environment variable {0} is not valid UTF-8")]
    NotText(String),
}

/// A setting and where it stands: `` `listen` (flag --listen) ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its name.
    pub key: String,
    /// Where its value stands.
    pub origin: Origin,
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.key, self.origin)
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

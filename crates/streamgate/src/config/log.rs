//! `[log]`: how the data folder is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{units, values};

/// How topics are kept in the data folder. Without one (`memory`, `kafka.brokers`) nothing here has an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Bytes of the whole folder, all topics together. Default 1 GiB, at least two segments. Past it: the oldest segments
    /// are deleted; readers still in them are told of the gap.
    #[serde(with = "units::size")]
    pub retention_bytes: usize,
    /// Age of a segment's newest record. Default 7 days. Past it: as `retention_bytes`.
    #[serde(with = "units::duration")]
    pub retention_age: Duration,
    /// Bytes of one segment file, the unit that retention deletes. Default 64 MiB, 1 MiB to 1 GiB. Past it: a new one is begun.
    #[serde(with = "units::size")]
    pub segment_size: usize,
    /// Free bytes of the file system below which writes are refused, so that the rest of the machine keeps breathing; 0 asks
    /// for none. `None`, written `"auto"`, is the default: 256 MiB or 5 % of the file system, the smaller.
    #[serde(with = "values::auto_size")]
    pub reserve: Option<usize>,
    /// Bytes of recent records kept in memory for readers near the end. Default 32 MiB. Past it: they read the files.
    #[serde(with = "units::size")]
    pub recent_bytes: usize,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            retention_bytes: 1 << 30,
            retention_age: Duration::from_secs(7 * 24 * 3600),
            segment_size: 64 << 20,
            reserve: None,
            recent_bytes: 32 << 20,
        }
    }
}

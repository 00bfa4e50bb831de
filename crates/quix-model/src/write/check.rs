//! `WriteError`, and the checks that keep what breaks readers off a topic.

use super::record::Outgoing;
use super::settings::WriteSettings;
use crate::model::{Definition, DefinitionsError, Located, Timeseries, tree_of_list};

/// Why a call makes no record. Texts are meant to be shown to the caller, who has to send something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Answer with status 413. Nothing of the call is written.
    #[error("the record of {size} bytes exceeds the topic's limit of {limit}")]
    TooLarge {
        /// What it would have been, keys and headers not counted.
        size: usize,
        /// [`WriteSettings::max_value_bytes`].
        limit: usize,
    },
    /// See [`WriteSettings::allow_reserved_parameters`].
    #[error("the parameter id `{0}` is reserved: readers of this topic have their own column of that name")]
    ReservedParameter(&'static str),
    /// No 64-bit integer holds the sum.
    #[error("`epoch` {epoch} and timestamp {timestamp} add up to more than a 64-bit integer")]
    EpochOverflow {
        /// As sent.
        epoch: i64,
        /// As sent.
        timestamp: i64,
    },
    /// A column is not as long as the timestamps.
    #[error("`{id}` has {length} values for {rows} timestamps: they must be as many")]
    Length {
        /// Of the parameter or tag.
        id: String,
        /// Of its column.
        length: usize,
        /// Timestamps.
        rows: usize,
    },
    /// See [`WriteSettings::refuse_slashes`].
    #[error("the id `{0}` has a slash or backslash, which this topic is set to refuse")]
    Slash(String),
    /// The definitions cannot be told apart or found.
    #[error(transparent)]
    Definitions(#[from] DefinitionsError),
}

impl WriteSettings {
    /// Whether a stream of this id may be written. `Ok(true)`: it may, but is to be warned of, since old .NET readers will
    /// show it under another id.
    pub fn check_stream_id(&self, stream_id: &str) -> Result<bool, WriteError> {
        self.check_slashes(stream_id)?;
        Ok(has_slash(stream_id))
    }

    pub(super) fn check(&self, outgoing: &Outgoing<'_>) -> Result<(), WriteError> {
        match outgoing {
            Outgoing::ParameterData(timeseries) => self.check_timeseries(timeseries),
            Outgoing::ParameterDefinitions(list) => self.check_definitions(list),
            Outgoing::EventDefinitions(list) => self.check_definitions(list),
            Outgoing::Events(_) | Outgoing::StreamProperties(_) | Outgoing::StreamEnd(_) | Outgoing::Json(_) => Ok(()),
        }
    }

    fn check_timeseries(&self, timeseries: &Timeseries<'_>) -> Result<(), WriteError> {
        if !self.allow_reserved_parameters {
            for reserved in ["Timestamp", "Tags"] {
                if timeseries.parameter_ids().any(|id| id == reserved) {
                    return Err(WriteError::ReservedParameter(reserved));
                }
            }
        }
        let (epoch, rows) = (timeseries.epoch, timeseries.rows());
        if let Some(&timestamp) = timeseries.timestamps.iter().find(|time| epoch.checked_add(**time).is_none()) {
            return Err(WriteError::EpochOverflow { epoch, timestamp });
        }
        match timeseries.column_lengths().find(|(_, length)| *length != rows) {
            Some((id, length)) => Err(WriteError::Length { id: id.to_owned(), length, rows }),
            None => Ok(()),
        }
    }

    fn check_definitions<D: Definition>(&self, list: &[Located<D>]) -> Result<(), WriteError> {
        tree_of_list(list)?;
        let ids = list.iter().filter_map(|located| located.definition.id());
        ids.into_iter().try_for_each(|id| self.check_slashes(id))
    }

    fn check_slashes(&self, id: &str) -> Result<(), WriteError> {
        if self.refuse_slashes && has_slash(id) { Err(WriteError::Slash(id.to_owned())) } else { Ok(()) }
    }
}

fn has_slash(id: &str) -> bool {
    id.contains(['/', '\\'])
}

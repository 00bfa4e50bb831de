//! `Flaw`: what is wrong with a model, in words for the caller who sent it or as a problem of a record.

use crate::json::Broken;
use crate::model::DefinitionsError;
use crate::problem::ReadProblem;

/// Texts name the member at fault and are meant to be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("the JSON of the argument is broken")]
    Syntax,
    #[error("{what} must be {expected}, not {given}")]
    Kind { what: String, expected: &'static str, given: String },
    #[error("{what} must be a 64-bit integer, not {given}")]
    Integer { what: &'static str, given: String },
    #[error("the parameter data has no `timestamps`")]
    NoTimestamps,
    #[error("`{array}` has {length} values for {rows} timestamps: they must be as many")]
    Length { array: String, length: usize, rows: usize },
    #[error(transparent)]
    Definitions(#[from] DefinitionsError),
    /// Cannot come from a caller: nothing there stands for more than it is.
    #[error("the argument stands for too much")]
    TooLarge,
}

impl Flaw {
    pub(crate) fn kind(what: impl Into<String>, expected: &'static str, given: impl Into<String>) -> Self {
        Self::Kind { what: what.into(), expected, given: shortened(given.into()) }
    }

    /// As which a record with it is counted.
    pub(crate) fn problem(&self) -> ReadProblem {
        match self {
            Self::Syntax | Self::Kind { .. } | Self::Definitions(_) => ReadProblem::BadModel,
            Self::Integer { .. } => ReadProblem::BadTimestamp,
            Self::NoTimestamps => ReadProblem::NoTimestamps,
            Self::Length { .. } => ReadProblem::ColumnLength,
            Self::TooLarge => ReadProblem::InflatedTooLarge,
        }
    }
}

impl From<Broken> for Flaw {
    fn from(_: Broken) -> Self {
        Self::Syntax
    }
}

/// Errors quote no more of a value than shows what it is.
pub(crate) fn shortened(text: String) -> String {
    const SHOWN_CHARACTERS: usize = 40;
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

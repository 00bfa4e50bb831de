//! The one step in which records are made: a JSON value and a [`Rule`] → stream id and record. Pure.

mod make;
mod parameters;
mod rule;
mod time;

use quix_model::{EventData, Outgoing, Pointer, Timeseries};

use crate::json::Kind;

pub use quix_model::{Time, Unit};
pub use rule::{EventId, Form, Rule};

/// What a rule does not say.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Stream of values of which the rule names none.
    pub stream_id: &'a str,
    /// Id of events of which the rule names none.
    pub event: Option<&'a str>,
    /// Time of values of which the rule names none, in nanoseconds since 1970 UTC: when they were received.
    pub received: i64,
    /// How long a name may become that is made of names within each other, in bytes (`limits.name_size`).
    pub max_name_bytes: usize,
}

/// A record and its stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Id of the stream, and key of the record. Never empty.
    pub stream_id: String,
    /// What is to be written.
    pub record: Record,
}

/// What is to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// The value itself, in no form of Quix's.
    Json(String),
    /// An event that carries the value as text.
    Event(EventData),
    /// One row of parameter data.
    Parameters(Timeseries<'static>),
}

impl Record {
    /// For [`Append`](crate::Append).
    pub fn outgoing(&self) -> Outgoing<'_> {
        match self {
            Self::Json(text) => Outgoing::Json(text),
            Self::Event(event) => Outgoing::Events(std::slice::from_ref(event)),
            Self::Parameters(timeseries) => Outgoing::ParameterData(timeseries),
        }
    }
}

/// Why no record can be made of a value. Texts read on from what is meant: `The body: …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Nothing, or null, is where a setting points.
    #[error("there is nothing at {pointer}, where the setting `{setting}` points")]
    Missing {
        /// `key`, `timestamp` or `event`.
        setting: &'static str,
        /// Where it points.
        pointer: Pointer,
    },
    /// Something else than it takes is where a setting points.
    #[error("at {pointer}, where the setting `{setting}` points, is {found} instead of {expected}")]
    Type {
        /// `key`, `timestamp` or `event`.
        setting: &'static str,
        /// Where it points.
        pointer: Pointer,
        /// What is there.
        found: Kind,
        /// What would do.
        expected: &'static str,
    },
    /// What is there is no time in the years 1677 to 2262.
    #[error("at {pointer} is {found}, which is no {expected} of a year from 1678 to 2261")]
    Time {
        /// Where `timestamp` points.
        pointer: Pointer,
        /// The beginning of what is there, as JSON.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// The id of the stream would be empty.
    #[error("the text at {0} is empty, and a stream needs an id")]
    EmptyKey(Pointer),
    /// Parameter data are made of objects only.
    #[error("it is {0}, and parameters are made of the members of an object")]
    NotAnObject(Kind),
    /// A flattened name is longer than any reader takes.
    #[error("the names of objects within objects come to more than {limit} bytes")]
    NameTooLong {
        /// In bytes.
        limit: usize,
    },
    /// Larger than any double.
    #[error("the number {name} is larger than a parameter can be")]
    TooLarge {
        /// Flattened.
        name: String,
    },
}

//! Models as JSON in PascalCase, in the two spellings of Quix Streams: on Kafka, and in a package's value.

mod definitions;
mod events;
mod object;
mod stream;
mod timeseries;

pub(crate) use definitions::{Spelt, append_definitions};
pub(crate) use events::{EventJson, append_events};
pub(crate) use stream::{append_end, append_properties};
pub(crate) use timeseries::{append_timeseries, append_timeseries_folded, append_timeseries_with_epoch};

/// What is done with nulls and enums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Nulls are left out, enums are names.
    Kafka,
    /// Nulls are written, enums are numbers.
    Package,
}

//! Writing: from models to the records that carry them, in the form that a topic is set to.

mod check;
mod envelope;
mod events;
mod record;
mod settings;

pub use check::WriteError;
pub use events::{write_events, write_events_into};
pub use record::{NewRecord, Outgoing, RecordBuffer};
pub use settings::{Splitting, WriteForm, WriteSettings};

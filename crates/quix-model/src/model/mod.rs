//! The models of Quix Streams: what they hold, whoever encodes them.

mod blob;
mod definition;
mod definitions;
mod event;
mod event_data;
mod kind;
mod parameter_data;
mod properties;
mod repeated;
mod tags;
mod time;
mod timeseries;

pub use blob::Blob;
pub use definition::{EventDefinition, EventLevel, ParameterDefinition};
pub use definitions::{Definitions, DefinitionsError, Group, Located, LocatedDefinitions};
pub use event::{Event, EventTags};
pub use event_data::{EventData, Events};
pub use kind::Model;
pub use parameter_data::ParameterData;
pub use properties::{StreamEnd, StreamProperties};
pub use tags::Tags;
pub use timeseries::{Column, Timeseries};

pub(crate) use blob::is_base64;
pub(crate) use definition::Definition;
pub(crate) use definitions::{tree_of_list, tree_of_record};
pub(crate) use event_data::Member as EventMember;
pub(crate) use repeated::keep_last;

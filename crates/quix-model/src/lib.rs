//! Quix data types and their bytes on Kafka: key, headers and value of a record ⇄ models and packages.
//!
//! Pure: no IO, no clock, no randomness. Two directions:
//!
//! - **Writing**: [`Events`], [`ParameterData`], [`StreamProperties`] and [`LocatedDefinitions`] come from a client's
//!   argument; [`WriteSettings::records`] makes the records of one call of them, in the form that the topic is set to.
//! - **Reading**: [`Package::read`] makes a [`Package`] of any record, whoever wrote it, or a [`Segment`] for a [`Merger`].
//!   The body is decoded when somebody asks: as JSON by [`Package::content`], as a model by [`Package::data`].
//!   What plain JSON means to those of parameters a [`RowRule`] says: [`Package::with_rows`].
//!   [`PackageReceived`], [`ParameterDataReceived`], [`EventDataReceived`] and [`DefinitionsUpdated`] are what subscribers
//!   get.
//!
//! ```
//! use quix_model::{Outgoing, Package, PackageReceived, ParameterData, Reading, WriteSettings};
//!
//! // A client's argument of `SendParameterData`, members in any case …
//! let data: ParameterData = serde_json::from_str(r#"{"timestamps":[1697025689418406001],"numericValues":{"speed":[7]}}"#)?;
//! // … becomes a record; its key is the stream id.
//! let records = WriteSettings::default().records(Outgoing::ParameterData(&data), "stream-1", 0)?;
//!
//! // Any record becomes a package, but for segments, keep-alives and tombstones.
//! let Reading::Package(package) = Package::read(Some(b"stream-1"), [], Some(&records[0].value)) else { panic!() };
//! let content = package.content();
//! assert_eq!(content.type_name, "QuixStreams.Telemetry.Models.TimeseriesDataRaw");
//! assert_eq!(content.problem, None);
//!
//! let argument = serde_json::to_string(&PackageReceived {
//!     topic_id: "ws-f1-data",
//!     topic_name: "f1-data",
//!     stream_id: package.stream_id(),
//!     type_name: &content.type_name,
//!     value: &content.value,
//!     date_time: "2023-10-11T10:32:54Z",
//! })?;
//! assert!(argument.contains(r#""value":"{\"Epoch\":0,\"Timestamps\":[1697025689418406001],\"NumericValues\":{\"speed\":[7.0]}"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod codec;
mod data;
mod envelope;
mod headers;
mod hub;
mod json;
mod model;
mod package;
mod plain;
mod problem;
mod rows;
mod spell;
mod split;
mod write;

pub use codec::Codec;
pub use data::{Data, Decoded};
pub use hub::{DefinitionsUpdated, EventDataReceived, PackageReceived, ParameterDataReceived};
pub use model::{
    Blob, Column, Definitions, DefinitionsError, Event, EventData, EventDefinition, EventLevel, EventTags, Events,
    Group, Located, LocatedDefinitions, Model, ParameterData, ParameterDefinition, StreamEnd, StreamProperties, Tags,
    Timeseries,
};
pub use package::{Content, Package, ReadLimits, Reading, Skip};
pub use problem::ReadProblem;
pub use rows::{NotAPointer, Pointer, RowRule, Time, Unit};
pub use split::{Added, DropReason, Dropped, MergeLimits, Merged, Merger, Segment};
pub use write::{
    NewRecord, Outgoing, RecordBuffer, Splitting, WriteError, WriteForm, WriteSettings, write_events, write_events_into,
};

//! Quix data types and their bytes on Kafka: key, headers and value of a record ⇄ events and packages.
//!
//! Pure: no IO, no clock, no randomness. Two directions:
//!
//! - **Writing**: [`Events`] come from a client's JSON, [`write_events`] makes the value of one Kafka record of them.
//! - **Reading**: [`Package::read`] makes a [`Package`] of any record, whoever wrote it; [`PackageReceived`] is the form
//!   in which subscribers get it.
//!
//! ```
//! use quix_model::{Events, Package, PackageReceived, Reading, write_events};
//!
//! // A client's argument of `SendEventData`, one event or many, members in any case …
//! let events: Events = serde_json::from_str(r#"[{"timestamp":1697025689418406001,"id":"EventA","value":"val-a"}]"#)?;
//! // … becomes the value of one record; its key is the stream id.
//! let value = write_events(&events);
//!
//! // Any record becomes a package, but for keep-alives and tombstones.
//! let Reading::Package(package) = Package::read(Some(b"stream-1"), [], Some(&value)) else { panic!() };
//! assert_eq!(package.type_name, "QuixStreams.Telemetry.Models.EventDataRaw[]");
//! assert_eq!(package.value, r#"[{"Timestamp":1697025689418406001,"Tags":{},"Id":"EventA","Value":"val-a"}]"#);
//! assert_eq!(package.problem, None);
//!
//! let argument = serde_json::to_string(&PackageReceived {
//!     topic_id: "ws-f1-data",
//!     topic_name: "f1-data",
//!     stream_id: &package.stream_id,
//!     type_name: &package.type_name,
//!     value: &package.value,
//!     date_time: "2023-10-11T10:32:54Z",
//! })?;
//! assert!(argument.starts_with(r#"{"topicId":"ws-f1-data","topicName":"f1-data","streamId":"stream-1","type":"#));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod codec;
mod envelope;
mod event_data;
mod integer;
mod json;
mod model;
mod package;
mod package_received;
mod plain;
mod problem;
mod tags;
mod text;
mod write;

pub use event_data::{EventData, Events};
pub use package::{Package, ReadLimits, Reading, Skip};
pub use package_received::PackageReceived;
pub use problem::ReadProblem;
pub use tags::Tags;
pub use write::{write_events, write_events_into};

//! The Quix Streaming Writer and Reader APIs: SignalR hub methods and plain HTTP in front, a broker behind.
//!
//! Two paths and nothing else. Up: one call becomes one record, and is answered when the broker has acknowledged it
//! (`writer_hub.rs`, `http_api/streams.rs`; both end in `writes.rs`). Down: one record is read once, each callback is encoded
//! once, and the same frame goes to every subscriber who gets the same (`audience.rs`).

mod active_streams;
mod audience;
mod by_topic;
mod errors;
mod fan_out;
mod gateway;
mod guard;
mod http_api;
pub mod metrics;
mod names;
pub mod portal;
mod read_rules;
mod reader_hub;
mod replays;
mod subscription;
mod subscriptions;
#[cfg(feature = "testing")]
pub mod testing;
mod timestamp;
#[cfg(test)]
mod tools_for_tests;
mod topic_metrics;
mod topics;
mod visitor;
mod write_rules;
mod writer_hub;
mod writes;

pub use active_streams::StreamSettings;
pub use errors::{Failure, Problem, WriteFailure};
pub use gateway::{Gateway, Settings};
pub use guard::{Guard, Lapsed, NotAdmitted};
pub use http_api::{Body, WritingProblems, read_body, router, router_with};
pub use quix_model::{RowRule, Splitting, WriteForm, WriteSettings};
pub use read_rules::ReadRules;
pub use topics::{Topic, behind_workspace};
pub use visitor::{Visitor, workspace_of_host};
pub use write_rules::WriteRules;

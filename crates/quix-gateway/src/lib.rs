//! The Quix Streaming Writer and Reader APIs: SignalR hub methods and plain HTTP in front, a broker behind.
//!
//! Two paths and nothing else. Up: one call becomes one record, and is answered when the broker has acknowledged it
//! (`writer_hub.rs`, `http_api/streams.rs`; both end in `writes.rs`). Down: one record is read once, encoded once per
//! audience, and the same frame goes to every subscriber (`audience.rs`).

mod audience;
mod errors;
mod gateway;
mod http_api;
pub mod metrics;
mod names;
mod reader_hub;
mod subscriptions;
mod timestamp;
mod topics;
mod write_rules;
mod writer_hub;
mod writes;

pub use errors::Problem;
pub use gateway::{Gateway, Settings};
pub use http_api::router;
pub use quix_model::{Splitting, WriteForm, WriteSettings};
pub use topics::Topic;
pub use write_rules::WriteRules;

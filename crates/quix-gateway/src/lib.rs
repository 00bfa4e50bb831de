//! The Quix Streaming Writer and Reader APIs: SignalR hub methods and plain HTTP in front, a broker behind.
//!
//! Two paths and nothing else. Up: one call becomes one record, and is answered when the broker has acknowledged it
//! (`writer_hub.rs`). Down: one record is read once, encoded once per audience, and the same frame goes to every
//! subscriber (`audience.rs`).

mod active_streams;
mod audience;
mod errors;
mod gateway;
mod http_api;
pub mod metrics;
mod reader_hub;
mod subscriptions;
mod timestamp;
mod topic_metrics;
mod topics;
mod writer_hub;

pub use active_streams::StreamSettings;
pub use errors::Problem;
pub use gateway::{Gateway, Settings};
pub use http_api::router;
pub use topics::Topic;

//! The Quix Streaming Writer and Reader APIs: SignalR hub methods and plain HTTP in front, a broker behind.
//!
//! Two paths and nothing else. Up: one call becomes one record, and is answered when the broker has acknowledged it
//! (`writer_hub.rs`). Down: one record is read once, encoded once per audience, and the same frame goes to every
//! subscriber (`audience.rs`).

mod audience;
mod errors;
mod gateway;
mod guard;
mod http_api;
pub mod metrics;
mod reader_hub;
mod subscriptions;
mod timestamp;
mod topics;
mod visitor;
mod writer_hub;

pub use errors::Problem;
pub use gateway::{Gateway, Settings};
pub use guard::{Guard, Lapsed, NotAdmitted};
pub use http_api::router;
pub use topics::Topic;
pub use visitor::{Visitor, workspace_of_host};

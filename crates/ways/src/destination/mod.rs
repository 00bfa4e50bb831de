//! Outgoing webhooks: what is sent elsewhere for records of a topic.
//!
//! [`run`] reads a topic from where the destination's consumer group stands, makes messages of what its [`Filter`] takes,
//! and sends them: those of one stream one after the other, of several streams at once. What is delivered is committed; so
//! each message is delivered at least once, whatever is killed.

mod circuit;
mod commits;
mod config;
mod filter;
mod intake;
mod job;
mod judge;
mod lanes;
mod metrics;
mod pace;
mod preset;
mod progress;
mod receiver;
mod run;
mod sender;
mod sign;
mod template;
mod work;

pub use config::{DestinationConfig, Preset, Sign};
pub use filter::Filter;
pub use metrics::DestinationMetrics;
pub use run::{Surroundings, run};
pub use sender::{Sender, SenderError};

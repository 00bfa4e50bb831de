//! Outgoing webhooks: what is sent elsewhere for records of a topic.

mod config;

pub use config::DestinationConfig;

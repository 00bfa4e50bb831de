//! Polling sources: what is fetched from elsewhere at intervals.

mod config;

pub use config::PollConfig;

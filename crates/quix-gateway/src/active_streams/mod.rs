//! Active streams: which streams live in a topic, and how much comes through it. One task per topic that anybody
//! subscribes to reads it, from some way back.
//!
//! ```text
//!  hub method ──► ActiveStreams (map) ──► task.rs: Reading ──► Signs ──► Tracker ──► Subscribers, one frame per encoding
//!                                                        └──► Meter ──┘
//! ```

mod directory;
mod form;
mod known;
mod reading;
mod settings;
mod shares;
mod sign;
mod stream;
mod subscribers;
mod task;
mod tracker;
#[cfg(test)]
mod tracker_tests;

pub(crate) use directory::ActiveStreams;
pub use settings::StreamSettings;
pub(crate) use task::Subject;

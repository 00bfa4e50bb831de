//! Active streams: which streams live in a topic, and how much comes through it. One task per topic that anybody
//! subscribes to reads it, from some way back.
//!
//! ```text
//!  hub method ──► ActiveStreams (map) ──► task.rs: Reading ──► Signs ──► Tracker ──► Subscribers, one frame per encoding
//!        └── `*` ──► Follower ─┘                              └──► Meter ──┘
//! ```

mod calls;
mod clock;
mod directory;
mod follower;
mod form;
mod known;
mod reading;
mod settings;
mod shares;
mod sign;
mod state;
mod stream;
mod subscribers;
mod task;
mod tracker;
#[cfg(test)]
mod tracker_tests;

pub(crate) use directory::ActiveStreams;
pub(crate) use form::StreamList;
pub use settings::StreamSettings;
pub(crate) use state::State;
pub(crate) use task::{Gate, Subject};

//! Destinations against a receiver of this machine.
#![allow(clippy::unwrap_used)]

#[path = "../local/mod.rs"]
mod local;

mod commits;
mod meanwhile;
mod refusals;
mod requests;
mod restarts;
mod running;

//! The parts of the `streamgate` program: its command line, its configuration, the server, and the commands beside it.

pub mod args;
mod banner;
pub mod commands;
pub mod config;
mod descriptors;
pub mod logging;
pub mod quix_environment;
pub mod recipes;
pub mod samples;
pub mod serve;
pub mod server;
pub mod suggest;

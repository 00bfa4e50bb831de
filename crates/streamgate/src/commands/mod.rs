//! The commands beside `serve`: clients of a server's HTTP API, and those about data folders and the program itself.

mod client;
pub mod config;
mod content;
pub mod doctor;
mod error;
mod event;
pub(crate) mod folder;
mod hub;
pub mod import;
mod input;
pub mod log;
mod package;
pub mod poll;
pub mod produce;
mod progress;
pub mod recipes;
pub mod sample;
pub mod streams;
pub mod tail;
mod target;
mod text;
pub mod token;
pub mod topic;
pub mod version;
pub mod webhook;

use std::io;

pub use self::error::CommandError;

/// Whoever read our output has closed it (`… | head`): that is an end, not a failure.
fn quiet_on_closed_pipe(result: Result<(), CommandError>) -> Result<(), CommandError> {
    match result {
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Waits for Ctrl-C. If it cannot be caught, it ends the process by itself, and this waits for ever.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

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

use tokio::signal::unix::{SignalKind, signal};

pub use self::error::CommandError;

/// Whoever read our output has closed it (`… | head`): that is an end, not a failure.
fn quiet_on_closed_pipe(result: Result<(), CommandError>) -> Result<(), CommandError> {
    match result {
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Ctrl-C, caught from this call on and not only once it is waited for. If it cannot be caught, it ends the process by itself,
/// and this waits for ever.
fn interrupted() -> impl Future<Output = ()> {
    let interrupts = signal(SignalKind::interrupt());
    async {
        match interrupts {
            Ok(mut interrupts) => _ = interrupts.recv().await,
            Err(_) => std::future::pending().await,
        }
    }
}

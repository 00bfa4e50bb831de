//! A load tester for SignalR servers, and the asynchronous client it shares with whole-server tests.
//!
//! - [`client`]: one connection as a handle with `invoke`, for tests and small tools.
//! - [`load`]: thousands of connections in one thread, and what is measured on them.
//! - [`process`]: CPU and memory of the server by its process id.
//! - [`report`]: medians, units, tables.

pub mod client;
pub mod load;
pub mod process;
pub mod progress;
pub mod report;

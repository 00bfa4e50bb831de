//! Logs, on standard error: for people on a terminal, as JSON elsewhere.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// Begins logging. `RUST_LOG` says how much, such as `debug` or `signalr_server=trace`; default `info`.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if stderr().is_terminal() { logs.init() } else { logs.json().init() }
}

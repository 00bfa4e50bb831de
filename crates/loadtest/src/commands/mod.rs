//! The single scenarios as commands, and the arguments they share.

pub(crate) mod churn;
pub(crate) mod fanout;
pub(crate) mod idle;
pub(crate) mod output;

use clap::Args;
use loadtest::client::ConnectError;
use loadtest::load::target::{Dialect, Target};

use output::JsonTarget;

/// Where the load goes, and where the results.
#[derive(Args)]
pub(crate) struct Common {
    /// Hub, as http://host:port/path
    #[arg(long)]
    url: String,
    /// Topic to subscribe to and to write to
    #[arg(long, default_value = "load")]
    topic: String,
    /// Bearer token
    #[arg(long, env = "LOADTEST_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The server is a bare floor, not a hub
    #[arg(long)]
    bare: bool,
    /// Process id of the server, on this machine: measures its CPU and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Write the results as JSON to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<JsonTarget>,
}

impl Common {
    pub(crate) fn target(&self) -> Result<Target, ConnectError> {
        let dialect = match self.bare {
            true => Dialect::Bare,
            false => Dialect::SignalR,
        };
        Target::new(&self.url, dialect, &self.topic, self.token.as_deref())
    }
}

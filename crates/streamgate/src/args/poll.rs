//! `streamgate poll`.

use super::ConfigFlags;

/// `streamgate poll`.
#[derive(Debug, clap::Args)]
pub struct PollArgs {
    /// Name of the source, as in [[sources.poll]]
    pub name: String,
    /// Poll once, now; a server polls by itself
    #[arg(long, required = true)]
    pub once: bool,
    /// Print the records instead of writing them
    #[arg(long)]
    pub dry_run: bool,
    /// Where the settings are, and the topics.
    #[command(flatten)]
    pub flags: ConfigFlags,
}

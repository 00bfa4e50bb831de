//! `streamgate doctor`.

use clap::Subcommand;

use super::ConfigFlags;

/// `streamgate doctor`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DoctorArgs {
    /// Instead of looking at everything.
    #[command(subcommand)]
    pub command: Option<DoctorCommand>,
    /// What the server would be told.
    #[command(flatten)]
    pub flags: ConfigFlags,
    /// Print a JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// What else it prints.
#[derive(Debug, Subcommand)]
pub enum DoctorCommand {
    /// Print what to paste into the environment of a Quix Streams program
    Quix {
        /// What the server is told.
        #[command(flatten)]
        flags: Box<ConfigFlags>,
    },
}

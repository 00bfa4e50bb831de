//! `streamgate log`.

use std::path::PathBuf;

use clap::Subcommand;

use super::ConfigFlags;
use crate::config::ConfigError;

/// `streamgate log`.
#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// What to do with the data folder.
    #[command(subcommand)]
    pub command: LogCommand,
}

/// The commands about a data folder.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Read all of a data folder and say what is damaged; changes nothing
    #[command(after_help = CHECK_EXITS)]
    Check {
        /// Which.
        #[command(flatten)]
        folder: FolderArgs,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Move what is damaged aside, and say which records are gone
    #[command(after_help = REPAIR_ASKS)]
    Repair {
        /// Which.
        #[command(flatten)]
        folder: FolderArgs,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// A data folder.
#[derive(Debug, clap::Args)]
pub struct FolderArgs {
    /// The folder [default: the one `serve` would use]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Settings file [default: ./streamgate.toml if it exists]
    #[arg(long, value_name = "FILE", env = "STREAMGATE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

impl FolderArgs {
    /// The folder: the flag's, else that of the configuration.
    pub fn folder(&self) -> Result<PathBuf, ConfigError> {
        match &self.data {
            Some(folder) => Ok(folder.clone()),
            None => ConfigFlags { config: self.config.clone(), ..ConfigFlags::default() }
                .load()
                .map(|loaded| loaded.config.data),
        }
    }
}

const CHECK_EXITS: &str = "Exit code 0: nothing is damaged. 1: something is, or the folder cannot be read. A server that uses \
the folder must be stopped first.";

const REPAIR_ASKS: &str = "Asks first, on a terminal; elsewhere it needs --yes. Damaged files are kept in the folder under \
another name. Exit code 0: the folder can be used. 1: nothing was changed.";

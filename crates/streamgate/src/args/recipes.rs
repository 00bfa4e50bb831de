//! `streamgate recipes`.

use clap::Subcommand;
use clap::builder::PossibleValuesParser;

use crate::recipes::{is_address, names};

/// `streamgate recipes`.
#[derive(Debug, clap::Args)]
pub struct RecipesArgs {
    /// What to do; without it they are listed.
    #[command(subcommand)]
    pub command: Option<RecipesCommand>,
}

/// The commands about recipes.
#[derive(Debug, Subcommand)]
pub enum RecipesCommand {
    /// Print a recipe's settings with the broker's address filled in
    Show(RecipesShowArgs),
}

/// `streamgate recipes show`.
#[derive(Debug, clap::Args)]
pub struct RecipesShowArgs {
    /// Name of the recipe
    #[arg(value_parser = PossibleValuesParser::new(names()))]
    pub name: String,
    /// Another of its files, such as README.md or .env.example
    #[arg(long, value_name = "FILE")]
    pub file: Option<String>,
    /// The broker as the recipe's engine reaches it; the default is Streamgate's own listener for Kafka clients
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_address, default_value = "127.0.0.1:9092")]
    pub kafka: String,
}

fn parse_address(text: &str) -> Result<String, String> {
    if is_address(text) { Ok(text.to_owned()) } else { Err("write it like 127.0.0.1:9092".to_owned()) }
}

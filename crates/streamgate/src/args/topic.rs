//! `streamgate topic`.

use clap::Subcommand;

use super::{ServerArgs, parse_topic};

/// `streamgate topic`.
#[derive(Debug, clap::Args)]
pub struct TopicArgs {
    /// What to do with topics.
    #[command(subcommand)]
    pub command: TopicCommand,
}

/// The commands about topics.
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// Create a topic; one that is there already is left as it is
    Create {
        /// Name of the topic
        #[arg(value_parser = parse_topic)]
        name: String,
        /// Number of partitions [default: the broker's]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,
        /// Where.
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List all topics
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
        /// Where.
        #[command(flatten)]
        server: ServerArgs,
    },
}

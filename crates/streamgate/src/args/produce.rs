//! `streamgate produce`.

use super::{ServerArgs, parse_topic};

/// `streamgate produce`.
#[derive(Debug, clap::Args)]
#[command(after_help = EVENT_LINES)]
pub struct ProduceArgs {
    /// Name or id of the topic
    #[arg(value_parser = parse_topic)]
    pub topic: String,
    /// Stream of lines that name none
    #[arg(long, value_name = "ID", default_value = "cli")]
    pub stream: String,
    /// Event id of lines that name none
    #[arg(long, value_name = "ID", default_value = "line")]
    pub id: String,
    /// Where.
    #[command(flatten)]
    pub server: ServerArgs,
}

const EVENT_LINES: &str = "A line that is a JSON object with \"value\" and \"id\" or \"timestamp\" (ns) is an event as it \
stands, and gets what it lacks of \"streamId\", \"id\" and \"timestamp\"; any other line becomes the value of one.";

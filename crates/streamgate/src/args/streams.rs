//! `streamgate streams`.

use super::{ServerArgs, parse_topic};

/// `streamgate streams`.
#[derive(Debug, clap::Args)]
#[command(after_help = STREAM_LINES)]
pub struct StreamsArgs {
    /// Name or id of the topic
    #[arg(value_parser = parse_topic)]
    pub topic: String,
    /// Go on with each change of the list
    #[arg(long)]
    pub follow: bool,
    /// Print one JSON object per line: the stream, with --follow {"action","stream"}
    #[arg(long)]
    pub json: bool,
    /// Where.
    #[command(flatten)]
    pub server: ServerArgs,
}

const STREAM_LINES: &str = "A stream is active from its first package until it is closed or silent for 5 minutes; Receiving \
while data came within 10 s. Of the past the last 10 minutes of the topic are looked at. With --follow a + marks a stream that \
is new or has changed, a - one that has left.";

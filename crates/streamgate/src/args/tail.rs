//! `streamgate tail`, and where it begins.

use std::str::FromStr;

use super::{ServerArgs, parse_topic};

/// `streamgate tail`.
#[derive(Debug, clap::Args)]
pub struct TailArgs {
    /// Name or id of the topic
    #[arg(value_parser = parse_topic)]
    pub topic: String,
    /// Where to begin: earliest, end, an offset in every partition, a time (RFC 3339), or how long ago, such as -10m
    /// [default: end, with --until-end earliest]
    #[arg(long, value_name = "earliest|end|OFFSET|TIME|-10m", allow_hyphen_values = true)]
    pub from: Option<From>,
    /// Stop at what was the end when the command started
    #[arg(long)]
    pub until_end: bool,
    /// Print one JSON object per line: the package with its partition and offset
    #[arg(long)]
    pub json: bool,
    /// Where.
    #[command(flatten)]
    pub server: ServerArgs,
}

impl TailArgs {
    /// Where to begin. From the end to the end there is nothing, so `--until-end` begins with the earliest.
    pub fn start(&self) -> &str {
        let default = if self.until_end { "earliest" } else { "end" };
        self.from.as_ref().map_or(default, |From(from)| from)
    }
}

/// Where `tail` begins, as the server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From(String);

impl FromStr for From {
    type Err = String;

    /// Keeps out what is none at sight; of times the server knows more.
    fn from_str(text: &str) -> Result<Self, String> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_ago =
            |ago: &str| ["ms", "s", "m", "h", "d"].iter().any(|unit| ago.strip_suffix(unit).is_some_and(is_number));
        let is_time = |text: &str| text.starts_with(|letter: char| letter.is_ascii_digit()) && text.contains(':');
        let good = match text {
            "earliest" | "end" => true,
            _ => text.parse::<u64>().is_ok() || text.strip_prefix('-').is_some_and(is_ago) || is_time(text),
        };
        let example =
            "write earliest, end, an offset, a time such as 2026-01-31T12:00:00Z, or how long ago, such as -10m";
        if good { Ok(Self(text.to_owned())) } else { Err(example.to_owned()) }
    }
}

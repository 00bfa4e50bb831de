//! `streamgate tail`, and where it begins.

use std::str::FromStr;

use super::{ServerArgs, parse_topic};

/// `streamgate tail`.
#[derive(Debug, clap::Args)]
pub struct TailArgs {
    /// Name or id of the topic
    #[arg(value_parser = parse_topic)]
    pub topic: String,
    /// Where to begin: earliest, end, or an offset in every partition [default: end, with --until-end earliest]
    #[arg(long, value_name = "earliest|end|OFFSET")]
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
    pub fn start(&self) -> From {
        self.from.unwrap_or(if self.until_end { From::Earliest } else { From::End })
    }
}

/// Where `tail` begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// With the first package kept.
    Earliest,
    /// With the next one.
    End,
    /// With this offset in every partition.
    Offset(u64),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "end" => Ok(Self::End),
            _ => match text.parse::<i64>().map(u64::try_from) {
                Ok(Ok(offset)) => Ok(Self::Offset(offset)),
                _ => Err("write earliest, end, or an offset (a whole number from 0 on)".to_owned()),
            },
        }
    }
}

impl std::fmt::Display for From {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::End => f.write_str("end"),
            Self::Offset(offset) => offset.fmt(f),
        }
    }
}

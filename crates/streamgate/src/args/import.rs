//! `streamgate import`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Subcommand;
use ways::csv::{Choices, Form, Unit};

use super::{ServerArgs, parse_topic};

/// `streamgate import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// What kind of file.
    #[command(subcommand)]
    pub command: ImportCommand,
}

/// The kinds of files.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Import a CSV file, each row once, however often it takes
    Csv(Box<CsvArgs>),
}

/// `streamgate import csv`.
#[derive(Debug, clap::Args)]
#[command(after_help = CSV_FILES)]
pub struct CsvArgs {
    /// The file, plain or packed by gzip; its first row names the columns
    pub file: PathBuf,
    /// Name or id of the topic
    #[arg(long, value_name = "NAME", value_parser = parse_topic)]
    pub topic: String,
    /// Stream of the rows
    #[arg(long, value_name = "ID", default_value = "csv", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub stream: String,
    /// Column of the time [default: the first called timestamp, time, datetime or date]
    #[arg(long, value_name = "COLUMN")]
    time: Option<String>,
    /// How times are written: s, ms, us or ns since 1970, or rfc3339 [default: rfc3339, if they are]
    #[arg(long, value_name = "UNIT", value_parser = parse_name::<Unit>)]
    unit: Option<Unit>,
    /// Column that is a tag
    #[arg(long, value_name = "COLUMN")]
    tag: Vec<String>,
    /// Column of texts, even if they look like numbers
    #[arg(long, value_name = "COLUMN")]
    string: Vec<String>,
    /// Column to leave out
    #[arg(long, value_name = "COLUMN")]
    skip: Vec<String>,
    /// What rows become: parameters, event or json
    #[arg(long = "as", value_name = "KIND", default_value = "parameters", value_parser = parse_name::<Form>)]
    form: Form,
    /// Id of the events that rows become
    #[arg(long, value_name = "ID", default_value = "row")]
    id: String,
    /// Rows of one record, at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rows: usize,
    /// Between cells: comma, semicolon or tab [default: by the first row]
    #[arg(long, value_name = "NAME", value_parser = parse_delimiter)]
    delimiter: Option<char>,
    /// How fast: max, or by the rows' times, such as 1x or 10x
    #[arg(long, value_name = "max|Nx", default_value = "max")]
    pub speed: Speed,
    /// Begin anew at the end of the file, until Ctrl-C
    #[arg(long = "loop", conflicts_with_all = ["resume", "dry_run"])]
    pub looped: bool,
    /// Go on with an import that was cut off, by FILE.checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Print what columns are and what the first rows become, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Kafka brokers to write to, without a server
    #[arg(long, value_name = "HOST:PORT,…", conflicts_with_all = ["url", "data"])]
    pub kafka: Option<String>,
    /// Where.
    #[command(flatten)]
    pub server: ServerArgs,
}

impl CsvArgs {
    /// What was chosen of the columns.
    pub fn choices(&self) -> Choices {
        Choices {
            delimiter: self.delimiter,
            time: self.time.clone(),
            unit: self.unit,
            tags: self.tag.clone(),
            strings: self.string.clone(),
            skip: self.skip.clone(),
            form: self.form,
            event_id: Some(self.id.clone()),
            rows: Some(self.rows),
        }
    }
}

/// How fast rows are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// As fast as they are taken.
    Max,
    /// By their times, so many times as fast.
    Times(f64),
}

impl Speed {
    /// `None`: as fast as can be.
    pub fn factor(self) -> Option<f64> {
        match self {
            Self::Max => None,
            Self::Times(factor) => Some(factor),
        }
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let factor =
            || text.strip_suffix('x')?.parse::<f64>().ok().filter(|factor| factor.is_finite() && *factor > 0.0);
        match text {
            "max" => Ok(Self::Max),
            _ => factor().map(Self::Times).ok_or_else(|| "write max, or a number and x, such as 1x or 0.5x".to_owned()),
        }
    }
}

const CSV_FILES: &str = "Rows that cannot be written go to FILE.rejected, with their lines and reasons. An import that is cut \
off leaves FILE.checkpoint, by which --resume goes on. Exit code 0: every row is acknowledged or listed as rejected.";

fn parse_delimiter(text: &str) -> Result<char, String> {
    match text {
        "comma" | "," => Ok(','),
        "semicolon" | ";" => Ok(';'),
        "tab" | "\t" | "\\t" => Ok('\t'),
        _ => Err("write comma, semicolon or tab".to_owned()),
    }
}

/// One of a closed list of names.
fn parse_name<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    use serde::de::IntoDeserializer;
    let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(name).map_err(|error| error.to_string())
}

//! Why a command failed: always one sentence for the person who typed it.

use std::{fmt, io};

use serde::Deserialize;

use super::text;
use crate::config::ConfigError;

/// What ends a command with a non-zero exit.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// See [`ConfigError`].
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What was given on the command line cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// Nothing listens there, or the name is unknown.
    #[error("no server answers at {url} ({reason}): start one with `streamgate serve`, or name another with --url")]
    Unreachable {
        /// The address asked.
        url: String,
        /// The system's reason.
        reason: String,
    },
    /// It listens and keeps silent.
    #[error("the server at {url} did not answer in time")]
    TimedOut {
        /// The address asked.
        url: String,
    },
    /// The connection ended in the middle.
    #[error("the connection to {url} broke: {reason}")]
    Broken {
        /// The address asked.
        url: String,
        /// The system's reason.
        reason: String,
    },
    /// Something answers that speaks otherwise.
    #[error("what answers at {url} is no Streamgate server ({what}): is --url right?")]
    NotStreamgate {
        /// The address asked.
        url: String,
        /// What it sent instead.
        what: String,
    },
    /// No such topic.
    #[error(
        "topic '{topic}' does not exist at {url}{}; `streamgate topic create {topic}` makes it",
        did_you_mean(suggestion.as_deref())
    )]
    UnknownTopic {
        /// The name asked for.
        topic: String,
        /// The address asked.
        url: String,
        /// The nearest topic there is.
        suggestion: Option<String>,
    },
    /// The server wants a token, or another one.
    #[error("{}", unauthorized(url, *has_token))]
    Unauthorized {
        /// The address asked.
        url: String,
        /// Whether one was sent.
        has_token: bool,
    },
    /// The server said no.
    #[error("the server refused: {0}")]
    Refused(Box<Problem>),
    /// The server ended a stream it had begun.
    #[error("the server ended the stream: {0}")]
    StreamEnded(String),
    /// Not every line could be written.
    #[error("{cause} ({} durable{rest})", lines(*durable))]
    Produce {
        /// Why.
        cause: Box<CommandError>,
        /// Lines that are certainly stored, counted from the first.
        durable: u64,
        /// What is known of the lines after these.
        rest: Rest,
    },
    /// A file, or how it is to be imported, is not as it should be.
    #[error("{0}")]
    Import(String),
    /// Not all of a file could be imported.
    #[error("{cause} ({}); --resume goes on", acknowledged(*rows))]
    Unfinished {
        /// Why.
        cause: Box<CommandError>,
        /// Rows that are certainly stored.
        rows: u64,
    },
    /// The doctor has found something.
    #[error("{count} of these must be mended")]
    Unwell {
        /// Lines that say `fail`.
        count: usize,
    },
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Standard input is not what it should be.
    #[error("standard input, line {line}: {problem}")]
    Input {
        /// From 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] io::Error),
    /// Not even the basics: threads, signals.
    #[error("the system does not allow it: {0}")]
    System(io::Error),
    /// The server cannot start.
    #[error("{0}")]
    Serve(String),
    /// A sample for a webhook cannot be sent, or was not taken.
    #[error("{0}")]
    Webhook(String),
    /// A data folder is not used, or not changed.
    #[error("{0}")]
    Folder(String),
    /// `log check` found something.
    #[error(
        "{} damaged; `streamgate log repair --data {folder}` moves the damage aside",
        if *count == 1 { "1 place is".to_owned() } else { format!("{count} places are") }
    )]
    Damaged {
        /// Places.
        count: usize,
        /// Where.
        folder: String,
    },
}

/// What is known of the lines after the durable ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// They were not written: sending them again makes no duplicate.
    NotWritten,
    /// The next so many may be stored or not.
    Unknown(u64),
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWritten => f.write_str(", none after"),
            Self::Unknown(1) => f.write_str("; the next one may be stored or not"),
            Self::Unknown(count) => write!(f, "; the next {count} may be stored or not"),
        }
    }
}

/// An `application/problem+json` document, as far as it is of use here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Problem {
    /// HTTP status.
    #[serde(default)]
    pub status: u16,
    /// Short and general.
    #[serde(default)]
    pub title: String,
    /// About this very request.
    #[serde(default)]
    pub detail: String,
    /// `NotWritten` or `OutcomeUnknown`.
    #[serde(default)]
    pub kind: Option<String>,
    /// Lines of the request that were durable before the failure.
    #[serde(default)]
    pub written: u64,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = [&self.detail, &self.title].into_iter().find(|text| !text.is_empty());
        match text {
            // Our sentence goes on behind it.
            Some(text) => f.write_str(text::escape(text).trim_end_matches('.')),
            None => write!(f, "HTTP status {}", self.status),
        }
    }
}

fn acknowledged(rows: u64) -> String {
    if rows == 1 { "1 row acknowledged".to_owned() } else { format!("{rows} rows acknowledged") }
}

/// `1 line is`, `2 lines are`.
fn lines(count: u64) -> String {
    if count == 1 { "1 line is".to_owned() } else { format!("{count} lines are") }
}

fn unauthorized(url: &str, has_token: bool) -> String {
    if has_token {
        return format!("the server at {url} refuses this token; `streamgate token inspect TOKEN` says more");
    }
    format!(
        "the server at {url} wants a token: give one with --token or in STREAMGATE_TOKEN; where the server is configured, \
         `streamgate token new --read 'TOPIC*' --ttl 1d` makes one"
    )
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("; did you mean '{}'?", text::escape(name))).unwrap_or_default()
}

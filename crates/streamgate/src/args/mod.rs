//! The command line: commands, flags, and their help. Flags that set configuration become [`Setting`](crate::config::Setting)s.

mod doctor;
mod import;
mod log;
mod poll;
mod produce;
mod recipes;
mod sample;
mod server;
mod settings;
mod streams;
mod tail;
mod token;
mod topic;
mod webhook;

use clap::{Parser, Subcommand};
use reqwest::Url;

pub use self::doctor::{DoctorArgs, DoctorCommand};
pub use self::import::{CsvArgs, ImportArgs, ImportCommand, Speed};
pub use self::log::{FolderArgs, LogArgs, LogCommand};
pub use self::poll::PollArgs;
pub use self::produce::ProduceArgs;
pub use self::recipes::{RecipesArgs, RecipesCommand, RecipesShowArgs};
pub use self::sample::SampleArgs;
pub use self::server::ServerArgs;
pub(crate) use self::settings::changed_by;
pub use self::settings::{ConfigArgs, ConfigCommand, ConfigFile, ConfigFlags, ServeArgs};
pub use self::streams::StreamsArgs;
pub use self::tail::{From, TailArgs};
pub use self::token::{TokenArgs, TokenCommand, TokenInspectArgs, TokenNewArgs, TokenRevokeArgs};
pub use self::topic::{TopicArgs, TopicCommand};
pub use self::webhook::{WebhookArgs, WebhookCommand, WebhookSendArgs};

/// An open, self-hosted door between browsers and Kafka.
#[derive(Debug, Parser)]
#[command(name = "streamgate", version, propagate_version = false, arg_required_else_help = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Create and list topics
    Topic(TopicArgs),
    /// Print the packages of a topic
    Tail(TailArgs),
    /// List the active streams of a topic
    Streams(StreamsArgs),
    /// Write lines from standard input to a topic, each as one event
    Produce(ProduceArgs),
    /// Print a complete program that writes to a topic or reads one
    Sample(SampleArgs),
    /// Settings for engines that connect databases, MQTT and files
    Recipes(RecipesArgs),
    /// Import a file into a topic
    Import(ImportArgs),
    /// Poll a source of the settings once
    Poll(PollArgs),
    /// Make, look at and revoke tokens
    Token(TokenArgs),
    /// Send a signed sample to a webhook
    Webhook(WebhookArgs),
    /// Check or repair a data folder
    Log(LogArgs),
    /// Look for what is wrong, and say what to do
    Doctor(DoctorArgs),
    /// Show or check the configuration
    Config(ConfigArgs),
    /// Print the version
    Version(VersionArgs),
}

/// `streamgate version`.
#[derive(Debug, clap::Args)]
pub struct VersionArgs {
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Where `serve` listens unless told otherwise.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";

const URL_VARIABLE: &str = "STREAMGATE_URL";

fn parse_url(text: &str) -> Result<Url, String> {
    let example = format!("write it like {DEFAULT_URL}");
    let url = Url::parse(text).map_err(|_| example.clone())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(example),
    }
}

/// Kafka's own rule for topic names; topic ids keep to it too.
fn parse_topic(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let good = (1..=249).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != "..";
    good.then(|| text.to_owned()).ok_or_else(|| "a topic has 1 to 249 letters, digits, '.', '_' or '-'".to_owned())
}

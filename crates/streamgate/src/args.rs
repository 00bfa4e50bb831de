//! The command line: commands, flags, and their help. Flags that set configuration become [`Setting`]s.

mod doctor;

use std::{path::PathBuf, str::FromStr, time::Duration};

use ::ways::webhook::Preset;
use clap::{Parser, Subcommand};
use reqwest::Url;
use toml::Value;

pub use self::doctor::{DoctorArgs, DoctorCommand};
use crate::config::{self, ConfigError, DEFAULT_FILE, FileChoice, Loaded, Origin, Setting, Sources};
use crate::samples::{Direction, Lang};

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

/// `streamgate serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = PRECEDENCE)]
pub struct ServeArgs {
    /// Everything the server can be told.
    #[command(flatten)]
    pub flags: ConfigFlags,
}

/// Flags that set configuration.
#[derive(Debug, Default, clap::Args)]
pub struct ConfigFlags {
    /// Settings file [default: ./streamgate.toml if it exists]
    #[arg(long, value_name = "FILE", env = "STREAMGATE_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Address of the hubs and the HTTP API [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Address of health, metrics and administration [default: 127.0.0.1:9090]
    #[arg(long, value_name = "ADDR:PORT")]
    pub admin_listen: Option<String>,
    /// Certificate of that address in PEM, for https and wss; with --tls-key
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<String>,
    /// Key of that certificate in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// Folder to keep topics in [default: ./streamgate-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Kafka brokers to keep topics in, instead of a folder
    #[arg(long, value_name = "HOST:PORT,…")]
    pub kafka: Option<String>,
    /// Keep topics in memory only; they end with the process
    #[arg(long)]
    pub memory: bool,
    /// Address where Kafka clients find the topics of the folder [default: 127.0.0.1:9092, if it is free]
    #[arg(long, value_name = "ADDR:PORT|off")]
    pub kafka_listen: Option<String>,
    /// Address by which Kafka clients reach that listener [default: the one they connected to]
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka_advertised: Option<String>,
    /// Make unknown topics at the first write or subscription [default: only on loopback without Kafka]
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub create_topics: Option<bool>,
    /// Serve other machines without authentication: whoever reaches the server may read and write everything
    #[arg(long)]
    pub insecure_no_auth: bool,
}

impl ConfigFlags {
    /// The configuration of this process: these flags over its environment over the settings file.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let file = match &self.config {
            Some(path) => FileChoice::Named(path.clone()),
            None => FileChoice::IfPresent(DEFAULT_FILE.into()),
        };
        config::load(Sources { flags: self.settings(), environment: std::env::vars_os().collect(), file })
    }

    /// The settings that were given as flags.
    pub fn settings(&self) -> Vec<Setting> {
        let text = |value: &Option<String>| value.clone().map(Value::String);
        let flags = [
            ("listen", "--listen", text(&self.listen)),
            ("admin_listen", "--admin-listen", text(&self.admin_listen)),
            ("tls.certificate", "--tls-certificate", text(&self.tls_certificate)),
            ("tls.key", "--tls-key", text(&self.tls_key)),
            ("data", "--data", text(&self.data)),
            ("kafka.brokers", "--kafka", text(&self.kafka)),
            ("memory", "--memory", self.memory.then_some(Value::Boolean(true))),
            ("kafka_listen", "--kafka-listen", text(&self.kafka_listen)),
            ("kafka_advertised", "--kafka-advertised", text(&self.kafka_advertised)),
            ("create_topics", "--create-topics", self.create_topics.map(Value::Boolean)),
            ("auth.insecure_no_auth", "--insecure-no-auth", self.insecure_no_auth.then_some(Value::Boolean(true))),
        ];
        let given = |(key, flag, value): (&str, &'static str, Option<Value>)| {
            Some(Setting { key: key.to_owned(), value: value?, origin: Origin::Flag(flag) })
        };
        flags.into_iter().filter_map(given).collect()
    }
}

/// What a client command talks to: a server, or a data folder that no server has.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// The server [env: STREAMGATE_URL=] [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    url: Option<Url>,
    /// A data folder that no server uses, instead of a server
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub data: Option<PathBuf>,
    /// Token to send
    #[arg(long, value_name = "TOKEN", env = "STREAMGATE_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl ServerArgs {
    /// The token to send, if there is one.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref().filter(|token| !token.is_empty())
    }

    /// The server's address: the flag's, else the environment's, else the default.
    ///
    /// # Errors
    /// What is wrong with the environment's, as a sentence.
    pub fn url(&self) -> Result<Url, String> {
        // Not read by clap, to which it would be a flag that excludes --data.
        let text = std::env::var(URL_VARIABLE).ok().filter(|text| !text.is_empty());
        match &self.url {
            Some(url) => Ok(url.clone()),
            None => parse_url(text.as_deref().unwrap_or(DEFAULT_URL))
                .map_err(|problem| format!("the environment variable {URL_VARIABLE} is no address: {problem}")),
        }
    }
}

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

/// `streamgate sample`.
#[derive(Debug, clap::Args)]
pub struct SampleArgs {
    /// Name or id of the topic
    #[arg(long, value_name = "TOPIC", value_parser = parse_topic)]
    pub topic: String,
    /// Language and way
    #[arg(long)]
    pub lang: Lang,
    /// What the program does
    #[arg(long, default_value = "write")]
    pub direction: Direction,
    /// The server as the program reaches it
    #[arg(long, value_name = "URL", value_parser = parse_url, env = URL_VARIABLE, hide_env_values = true, default_value = DEFAULT_URL)]
    pub url: Url,
    /// Token that the program sends; it stands in the program
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
}

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
    #[arg(long, value_name = "UNIT", value_parser = parse_name::<ways::csv::Unit>)]
    unit: Option<ways::csv::Unit>,
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
    #[arg(long = "as", value_name = "KIND", default_value = "parameters", value_parser = parse_name::<ways::csv::Form>)]
    form: ways::csv::Form,
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
    pub fn choices(&self) -> ways::csv::Choices {
        ways::csv::Choices {
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

/// `streamgate poll`.
#[derive(Debug, clap::Args)]
pub struct PollArgs {
    /// Name of the source, as in [[sources.poll]]
    pub name: String,
    /// Poll once, now; a server polls by itself
    #[arg(long, required = true)]
    pub once: bool,
    /// Print the records instead of writing them
    #[arg(long)]
    pub dry_run: bool,
    /// Where the settings are, and the topics.
    #[command(flatten)]
    pub flags: ConfigFlags,
}

/// `streamgate token`.
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    /// What to do with tokens.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// The commands about tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it
    New(TokenNewArgs),
    /// Print what a token says, and whether `serve` would take it; exit code 1 if not
    Inspect(TokenInspectArgs),
    /// Take tokens back: at the running server, or in the file of auth.revocations_file
    #[command(group = clap::ArgGroup::new("what").required(true).args(["jti", "sub", "token"]))]
    Revoke(TokenRevokeArgs),
}

/// `streamgate token new`.
#[derive(Debug, clap::Args)]
pub struct TokenNewArgs {
    /// Whose it is
    #[arg(long, value_name = "USER")]
    pub sub: Option<String>,
    /// Topics it may read: a name, a beginning and *, or *
    #[arg(long, value_name = "PATTERN")]
    pub read: Vec<String>,
    /// Topics it may write
    #[arg(long, value_name = "PATTERN")]
    pub write: Vec<String>,
    /// Further scopes, with blanks between: admin, kafka, create_topics, read:PATTERN, write:PATTERN
    #[arg(long, value_name = "SCOPES")]
    pub scope: Vec<String>,
    /// How long it counts: 15m, 8h, 30d
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = parse_ttl)]
    pub ttl: Duration,
    /// Issuer it names [default: what the key asks for]
    #[arg(long, value_name = "ISS")]
    pub issuer: Option<String>,
    /// Audience it names [default: what the key asks for]
    #[arg(long, value_name = "AUD")]
    pub audience: Option<String>,
    /// File of the secret or private key (PEM) to sign with [default: a secret of the configuration]
    #[arg(long, value_name = "FILE", conflicts_with = "opaque")]
    pub key: Option<PathBuf>,
    /// Algorithm of that key: HS256, RS256, ES256 or EdDSA
    #[arg(long, value_name = "ALG", default_value = "HS256")]
    pub algorithm: String,
    /// Id of the key to sign with, which the token then names
    #[arg(long, value_name = "ID", conflicts_with = "opaque")]
    pub kid: Option<String>,
    /// Make a token without content, and print the line for the file of auth.tokens_file with it
    #[arg(long)]
    pub opaque: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// `streamgate token inspect`.
#[derive(Debug, clap::Args)]
pub struct TokenInspectArgs {
    /// The token; - reads it from standard input
    pub token: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// `streamgate token revoke`.
#[derive(Debug, clap::Args)]
pub struct TokenRevokeArgs {
    /// The token of this id
    #[arg(long, value_name = "ID")]
    pub jti: Option<String>,
    /// All tokens of this user
    #[arg(long, value_name = "USER")]
    pub sub: Option<String>,
    /// This token; - reads it from standard input
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Write it to the file of auth.revocations_file, rather than telling the server
    #[arg(long)]
    pub file: bool,
    /// The server's address of administration [default: admin_listen of the configuration]
    #[arg(long, value_name = "URL", value_parser = parse_url, conflicts_with = "file")]
    pub admin_url: Option<Url>,
    /// Token with the scope admin [default: made with a secret of the configuration]
    #[arg(long, value_name = "TOKEN", env = "STREAMGATE_TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Where the configuration is.
    #[command(flatten)]
    pub config: ConfigFile,
}

/// A settings file.
#[derive(Debug, Default, clap::Args)]
pub struct ConfigFile {
    /// Settings file [default: ./streamgate.toml if it exists]
    #[arg(long, value_name = "FILE", env = "STREAMGATE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// The configuration of this process, without flags.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        ConfigFlags { config: self.config.clone(), ..ConfigFlags::default() }.load()
    }
}

/// `streamgate webhook`.
#[derive(Debug, clap::Args)]
pub struct WebhookArgs {
    /// What to do with webhooks.
    #[command(subcommand)]
    pub command: WebhookCommand,
}

/// The commands about webhooks.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Sign a body as a sender would, post it, and print the answer; exit code 1 if it was not taken
    Send(WebhookSendArgs),
}

/// `streamgate webhook send`.
#[derive(Debug, clap::Args)]
pub struct WebhookSendArgs {
    /// Who would send it: segment, github, stripe, slack, shopify, standard, bearer, basic or none
    #[arg(value_parser = parse_preset)]
    pub preset: Preset,
    /// File of the body, in JSON; - reads standard input
    pub file: PathBuf,
    /// Address of the webhook [default: http://127.0.0.1:8080/webhooks/PRESET]
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub url: Option<Url>,
    /// Environment variable that holds the secret
    #[arg(long, value_name = "NAME", default_value = "WEBHOOK_SECRET")]
    pub secret_env: String,
    /// Id of the delivery, where a header has it [default: a new one]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Kind of event, where a header has it
    #[arg(long, value_name = "NAME", default_value = "ping")]
    pub event: String,
}

impl WebhookSendArgs {
    /// Where to send it.
    ///
    /// # Errors
    /// None but for a preset whose name is no part of an address.
    pub fn url(&self) -> Result<Url, String> {
        let default = || parse_url(&format!("{DEFAULT_URL}/webhooks/{}", self.preset.name()));
        self.url.clone().map_or_else(default, Ok)
    }
}

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

/// `streamgate config`.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {
    /// What to do with the configuration.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// The commands about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the settings in force as TOML, secrets as ***
    #[command(after_help = PRECEDENCE)]
    Show {
        /// Add to each value where it came from
        #[arg(long)]
        origin: bool,
        /// As for `serve`.
        #[command(flatten)]
        flags: ConfigFlags,
    },
    /// Say whether `serve` would take the settings
    #[command(after_help = PRECEDENCE)]
    Check {
        /// As for `serve`.
        #[command(flatten)]
        flags: ConfigFlags,
    },
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

const CHECK_EXITS: &str = "Exit code 0: nothing is damaged. 1: something is, or the folder cannot be read. A server that uses \
the folder must be stopped first.";

const REPAIR_ASKS: &str = "Asks first, on a terminal; elsewhere it needs --yes. Damaged files are kept in the folder under \
another name. Exit code 0: the folder can be used. 1: nothing was changed.";

const PRECEDENCE: &str = "Flags win over the environment (STREAMGATE_KAFKA__BROKERS is kafka.brokers), \
that over the settings file, that over the defaults; `streamgate config show --origin` prints the outcome.";

const STREAM_LINES: &str = "A stream is active from its first package until it is closed or silent for 5 minutes; Receiving \
while data came within 10 s. Of the past the last 10 minutes of the topic are looked at. With --follow a + marks a stream that \
is new or has changed, a - one that has left.";

const CSV_FILES: &str = "Rows that cannot be written go to FILE.rejected, with their lines and reasons. An import that is cut \
off leaves FILE.checkpoint, by which --resume goes on. Exit code 0: every row is acknowledged or listed as rejected.";

const EVENT_LINES: &str = "A line that is a JSON object with \"value\" and \"id\" or \"timestamp\" (ns) is an event as it \
stands, and gets what it lacks of \"streamId\", \"id\" and \"timestamp\"; any other line becomes the value of one.";

fn parse_preset(text: &str) -> Result<Preset, String> {
    let known = Preset::ALL.iter().find(|(name, _)| *name == text).map(|(_, preset)| *preset);
    known.ok_or_else(|| format!("write one of {}", Preset::ALL.map(|(name, _)| name).join(", ")))
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let ttl = config::parse_duration(text).map_err(|error| error.to_string())?;
    if ttl.as_secs() == 0 { Err("a token counts for a second at least".to_owned()) } else { Ok(ttl) }
}

fn parse_url(text: &str) -> Result<Url, String> {
    let example = format!("write it like {DEFAULT_URL}");
    let url = Url::parse(text).map_err(|_| example.clone())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(example),
    }
}

/// One of a closed list of names.
fn parse_name<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    use serde::de::IntoDeserializer;
    let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(name).map_err(|error| error.to_string())
}

fn parse_delimiter(text: &str) -> Result<char, String> {
    match text {
        "comma" | "," => Ok(','),
        "semicolon" | ";" => Ok(';'),
        "tab" | "\t" | "\\t" => Ok('\t'),
        _ => Err("write comma, semicolon or tab".to_owned()),
    }
}

/// Kafka's own rule for topic names; topic ids keep to it too.
fn parse_topic(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let good = (1..=249).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != "..";
    good.then(|| text.to_owned()).ok_or_else(|| "a topic has 1 to 249 letters, digits, '.', '_' or '-'".to_owned())
}

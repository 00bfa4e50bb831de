//! `streamgate token`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use reqwest::Url;

use super::{ConfigFile, parse_url};
use crate::config;

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

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let ttl = config::parse_duration(text).map_err(|error| error.to_string())?;
    if ttl.as_secs() == 0 { Err("a token counts for a second at least".to_owned()) } else { Ok(ttl) }
}

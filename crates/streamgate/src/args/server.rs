//! `ServerArgs`: what a client command talks to.

use std::path::PathBuf;

use reqwest::Url;

use super::{DEFAULT_URL, URL_VARIABLE, parse_url};

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
        self.url.clone().map_or_else(usual_url, Ok)
    }
}

/// The server's address where no flag tells: the environment's, else the default. Not read by clap, to which it would be a flag,
/// and exclude `--data`.
pub(super) fn usual_url() -> Result<Url, String> {
    let text = std::env::var(URL_VARIABLE).ok().filter(|text| !text.is_empty());
    parse_url(text.as_deref().unwrap_or(DEFAULT_URL))
        .map_err(|problem| format!("the environment variable {URL_VARIABLE} is no address: {problem}"))
}

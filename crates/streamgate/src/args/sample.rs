//! `streamgate sample`.

use reqwest::Url;

use super::{DEFAULT_URL, URL_VARIABLE, parse_topic, parse_url};
use crate::samples::{Direction, Lang};

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

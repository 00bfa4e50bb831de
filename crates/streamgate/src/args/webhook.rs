//! `streamgate webhook`.

use std::path::PathBuf;

use clap::Subcommand;
use reqwest::Url;
use ways::webhook::Preset;

use super::{parse_url, server::usual_url};

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
    /// Who would send it: segment, github, stripe, slack, shopify, twilio, standard, bearer, basic or none
    #[arg(value_parser = parse_preset)]
    pub preset: Preset,
    /// File of the body, in JSON, of twilio a form; - reads standard input
    pub file: PathBuf,
    /// Address of the webhook [default: /webhooks/PRESET of the server that STREAMGATE_URL names, else of http://127.0.0.1:8080]
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
    /// What is wrong with the environment's address of the server, as a sentence.
    pub fn url(&self) -> Result<Url, String> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let mut url = usual_url()?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["webhooks", self.preset.name()]);
        }
        Ok(url)
    }
}

fn parse_preset(text: &str) -> Result<Preset, String> {
    let known = Preset::ALL.iter().find(|(name, _)| *name == text).map(|(_, preset)| *preset);
    known.ok_or_else(|| format!("write one of {}", Preset::ALL.map(|(name, _)| name).join(", ")))
}

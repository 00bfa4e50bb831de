//! `streamgate webhook send`: a body, signed as its sender would sign it.

use std::io::{Read, Write, stdin, stdout};
use std::time::{SystemTime, UNIX_EPOCH};

use ::ways::secret::Revealed;
use ::ways::webhook::{Preset, Sent, sign};
use reqwest::header::{CONTENT_TYPE, HeaderMap};

use super::client::Client;
use super::{CommandError, quiet_on_closed_pipe, text};
use crate::args::{WebhookArgs, WebhookCommand, WebhookSendArgs};

/// Prints status and text of the answer.
pub async fn run(args: &WebhookArgs) -> Result<(), CommandError> {
    let WebhookCommand::Send(args) = &args.command;
    quiet_on_closed_pipe(send(args).await)
}

async fn send(args: &WebhookSendArgs) -> Result<(), CommandError> {
    let url = args.url().map_err(CommandError::Webhook)?;
    let body = body(args)?;
    let id = args.id.clone().map_or_else(new_id, Ok)?;
    let sent = Sent { id: &id, url: url.as_str(), event: &args.event, time: seconds() };
    let headers = sign(args.preset, &secret(args)?, &body, &sent).map_err(CommandError::Webhook)?;
    let content_type = match args.preset {
        Preset::Twilio => "application/x-www-form-urlencoded",
        _ => "application/json",
    };
    let client = Client::new(&url, None)?;
    let request = client.http.post(url).headers(headers.into_iter().collect::<HeaderMap>());
    let answer = client.answer(request.header(CONTENT_TYPE, content_type).body(body)).await?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| client.failed(&error))?;
    let text = text::escape(text.trim_end());
    let separator = if text.is_empty() { "" } else { ": " };
    if !status.is_success() {
        return Err(CommandError::Webhook(format!("it was not taken: {status}{separator}{text}")));
    }
    writeln!(stdout(), "{status}{separator}{text}")?;
    Ok(())
}

fn body(args: &WebhookSendArgs) -> Result<Vec<u8>, CommandError> {
    if args.file.as_os_str() != "-" {
        let unreadable = |error| CommandError::Webhook(format!("{} cannot be read: {error}", args.file.display()));
        return std::fs::read(&args.file).map_err(unreadable);
    }
    let mut body = Vec::new();
    let read = stdin().read_to_end(&mut body);
    read.map(|_| body).map_err(|error| CommandError::Webhook(format!("standard input cannot be read: {error}")))
}

fn secret(args: &WebhookSendArgs) -> Result<Revealed, CommandError> {
    let name = &args.secret_env;
    let secret = std::env::var(name).unwrap_or_default();
    if secret.is_empty() && args.preset != Preset::None {
        let problem = format!("the environment variable {name} is to hold the secret; --secret-env names another");
        return Err(CommandError::Webhook(problem));
    }
    Ok(Revealed::from(secret.as_str()))
}

fn new_id() -> Result<String, CommandError> {
    let number = getrandom::u64().map_err(|error| CommandError::Webhook(error.to_string()))?;
    Ok(format!("msg_{number:016x}"))
}

fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

//! `streamgate token new`, `inspect` and `revoke`.

mod inspect;
mod new;
mod revoke;

use std::io::{self, Read};

use access::{Algorithm, unverified};
use serde_json::Value;

use super::{CommandError, quiet_on_closed_pipe};
use crate::args::{TokenArgs, TokenCommand};
use crate::config::{Config, KeyConfig};

/// Runs the command and prints to standard output.
pub async fn run(args: &TokenArgs) -> Result<(), CommandError> {
    let out = &mut io::stdout();
    quiet_on_closed_pipe(match &args.command {
        TokenCommand::New(args) => new::run(args, out),
        TokenCommand::Inspect(args) => inspect::run(args, out),
        TokenCommand::Revoke(args) => revoke::run(args, out).await,
    })
}

/// A secret of the configuration: it verifies, so it signs.
fn configured(config: &Config, id: Option<&str>) -> Result<KeyConfig, CommandError> {
    let mut keys = config.auth.all_keys().into_iter().map(|(_, key)| key);
    let is_meant = |key: &KeyConfig| key.algorithm == Algorithm::Hs256 && (id.is_none() || key.id.as_deref() == id);
    keys.find(is_meant).ok_or_else(|| {
        let which = id.map(|id| format!(" of the id {id:?}")).unwrap_or_default();
        CommandError::Serve(format!(
            "the configuration has no secret{which} to sign with (auth.secret_file, or HS256 in auth.keys): name the file of a \
             secret or private key with --key and --algorithm"
        ))
    })
}

/// A token as it was given, `-` for standard input, where nobody else of this machine can see it.
fn given(token: &str) -> Result<String, CommandError> {
    if token != "-" {
        return Ok(token.trim().to_owned());
    }
    let mut text = String::new();
    let read = io::stdin().take(MAX_INPUT_BYTES).read_to_string(&mut text);
    read.map_err(|error| CommandError::Input { line: 1, problem: error.to_string() })?;
    Ok(text.trim().to_owned())
}

fn claims(token: &str) -> Option<Value> {
    unverified(token).map(|(_, claims)| claims)
}

const MAX_INPUT_BYTES: u64 = 64 * 1024;

//! `streamgate token revoke`: at the running server, or in the file that it reads.

use std::io::Write;
use std::time::{Duration, SystemTime};

use access::{Revoked, Signer, TokenRequest};
use reqwest::Url;
use serde_json::{Value, json};

use super::{configured, given};
use crate::args::TokenRevokeArgs;
use crate::commands::{CommandError, client::Client, text::escape};
use crate::config::Config;
use crate::server::credentials::{append_line, material};

pub(super) async fn run(args: &TokenRevokeArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let revoked = match (&args.jti, &args.sub, &args.token) {
        (Some(id), _, _) => Revoked::TokenId(id.clone()),
        (_, Some(user), _) => Revoked::Subject(user.clone()),
        (_, _, Some(token)) => Revoked::of_token(&given(token)?),
        _ => return Err(CommandError::Serve("name what to revoke: --jti, --sub or --token".to_owned())),
    };
    let named = [&args.jti, &args.sub].into_iter().flatten();
    if named.into_iter().any(|text| text.trim().is_empty() || text.trim() != text || text.contains(char::is_control)) {
        return Err(CommandError::Serve("what is revoked is a text in one line, without blanks around it".to_owned()));
    }
    let config = args.config.load()?.config;
    let kept = if args.file {
        let path = config.auth.revocations_file.ok_or_else(|| {
            CommandError::Serve("the configuration names no file of revocations (auth.revocations_file)".to_owned())
        })?;
        append_line(&path, &revoked.to_string())?;
        format!("written to {}, which a running server reads within seconds", path.display())
    } else {
        match ask_server(args, &config, &revoked).await? {
            true => "in force, and kept in the server's file".to_owned(),
            false => "in force until the server stops: it has no auth.revocations_file".to_owned(),
        }
    };
    if args.json {
        writeln!(out, "{}", json!({ "revoked": revoked.to_string(), "outcome": kept }))?;
    } else {
        writeln!(out, "revoked {}: {kept}", escape(&revoked.to_string()))?;
    }
    Ok(())
}

/// Whether the server has a file that keeps what it was told.
async fn ask_server(args: &TokenRevokeArgs, config: &Config, revoked: &Revoked) -> Result<bool, CommandError> {
    let url = match &args.admin_url {
        Some(url) => url.clone(),
        None => Url::parse(&format!("http://{}", config.admin_listen))
            .map_err(|error| CommandError::Serve(format!("admin_listen: {error}")))?,
    };
    let bearer = match &args.admin_token {
        Some(token) => token.clone(),
        None => admin_token(config)?,
    };
    let client = Client::new(&url, Some(&bearer))?;
    let body = match revoked {
        Revoked::TokenId(id) => json!({ "jti": id }),
        Revoked::Subject(user) => json!({ "sub": user }),
        Revoked::Token(digest) => json!({ "sha256": digest.to_string() }),
    };
    let answer: Value =
        client.json(client.send(client.http.post(client.url(&["admin", "revoke"])).json(&body)).await?).await?;
    Ok(answer["kept"] == true)
}

/// Whoever has the server's secret needs no other token: one for this request.
fn admin_token(config: &Config) -> Result<String, CommandError> {
    let key = configured(config, None).map_err(|_| {
        let remedy = "name a token with the scope admin with --admin-token or STREAMGATE_TOKEN, or use --file";
        CommandError::Serve(format!("the configuration has no secret to sign in with: {remedy}"))
    })?;
    let material = material(&key).map_err(CommandError::Serve)?;
    let request = TokenRequest {
        scope: "admin".to_owned(),
        issuer: key.issuer.clone(),
        audience: key.audience.clone(),
        ..TokenRequest::lasting(Duration::from_secs(60))
    };
    let mut signer = Signer::new(key.algorithm, &material).map_err(|error| CommandError::Serve(error.to_string()))?;
    signer.key_id = key.id;
    signer.sign(&request, SystemTime::now()).map_err(|error| CommandError::Serve(error.to_string()))
}

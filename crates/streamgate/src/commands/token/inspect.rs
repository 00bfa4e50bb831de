//! `streamgate token inspect`: what a token says, and what the configuration says to it. Nothing is verified silently.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::{Digest, Grant, Revoked, unverified};
use serde_json::{Value, json};

use super::{claims, given};
use crate::args::TokenInspectArgs;
use crate::commands::{
    CommandError,
    text::{escape, escape_json},
};
use crate::config::format_duration;
use crate::server::Credentials;

/// Prints what a token says, and whether the configuration would take it: exit code 1 if not.
pub(super) fn run(args: &TokenInspectArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let loaded = args.config.load()?;
    let token = given(&args.token)?;
    let credentials = Credentials::load(&loaded)?;
    let now = SystemTime::now();
    let verdict = credentials.as_ref().map(|credentials| credentials.guard().check(&token, now));
    let said = claims(&token);
    if args.json {
        let accepted = verdict.as_ref().map(Result::is_ok);
        let why = verdict.as_ref().and_then(|verdict| verdict.as_ref().err()).map(ToString::to_string);
        let grant = verdict.as_ref().and_then(|verdict| verdict.as_ref().ok()).map(granted);
        let sha256 = Digest::of(&token).to_string();
        let document = json!({
            "header": header(&token), "claims": said, "sha256": sha256, "revoked_by": Revoked::of_token(&token).to_string(),
            "accepted": accepted, "refused": why, "grant": grant,
        });
        writeln!(out, "{}", escape_json(&document.to_string()))?;
    } else {
        if let (Some(header), Some(claims)) = (header(&token), &said) {
            let [header, claims] = [&header, claims].map(|part| escape_json(&part.to_string()));
            writeln!(out, "says      {header}\n          {claims}")?;
        }
        writeln!(out, "sha256    {}", Digest::of(&token))?;
        writeln!(out, "revoked   by the line `{}`", escape(&Revoked::of_token(&token).to_string()))?;
        match &verdict {
            None => writeln!(out, "verified  no: the configuration asks for no tokens, so any would be ignored")?,
            Some(Ok(grant)) => writeln!(out, "verified  yes: {}", told(grant, now))?,
            Some(Err(why)) => writeln!(out, "verified  no: {why}")?,
        }
    }
    match verdict {
        Some(Err(why)) => {
            let keys = loaded.config.auth.jwks_url.map(|url| format!("; the keys of {url} were not asked for"));
            Err(CommandError::Serve(format!("this configuration refuses the token: {why}{}", keys.unwrap_or_default())))
        }
        _ => Ok(()),
    }
}

fn granted(grant: &Grant) -> Value {
    let expires = grant.expires.and_then(|expires| expires.duration_since(UNIX_EPOCH).ok());
    json!({
        "sub": grant.subject, "scope": grant.scopes.to_string(), "jti": grant.token_id,
        "expires": expires.map(|expires| expires.as_secs()),
    })
}

fn told(grant: &Grant, now: SystemTime) -> String {
    let who = grant.subject.as_deref().map_or("nobody in particular".into(), escape);
    let scopes = grant.scopes.to_string();
    let scopes = if scopes.is_empty() { "do nothing".to_owned() } else { format!("do {}", escape(&scopes)) };
    let left = grant.expires.map(|expires| rounded(expires.duration_since(now).unwrap_or_default()));
    let left = left.map_or("for ever".to_owned(), |left| format!("for another {}", format_duration(left)));
    format!("{who} may {scopes}, {left}")
}

/// Of two days on in days, and so on: nobody counts the seconds of a month.
fn rounded(left: Duration) -> Duration {
    let seconds = left.as_secs();
    let unit = [24 * 3600, 3600, 60].into_iter().find(|unit| seconds >= 2 * unit).unwrap_or(1);
    Duration::from_secs(seconds - seconds % unit)
}

fn header(token: &str) -> Option<Value> {
    unverified(token).map(|(header, _)| header)
}

//! `streamgate token new`: a signed token, or one without content and its line in the list.

use std::io::{self, Write};
use std::time::SystemTime;

use access::{Algorithm, Digest, OpaqueToken, Scopes, Signer, TokenRequest, opaque_token};
use serde_json::json;

use super::{claims, configured};
use crate::args::TokenNewArgs;
use crate::commands::CommandError;
use crate::config::{Config, KeyConfig, KeyMaterial};
use crate::server::credentials::material;

pub(super) fn run(args: &TokenNewArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let scope = scope(args)?;
    if args.opaque {
        return new_opaque(args, &scope, out);
    }
    let config = args.config.load()?.config;
    let (signer, key) = signer(args, &config)?;
    let request = TokenRequest {
        subject: args.sub.clone(),
        scope,
        lifetime: args.ttl,
        issuer: args.issuer.clone().or(key.issuer),
        audience: args.audience.clone().or(key.audience),
        token_id: Some(random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect()),
    };
    let token = signer.sign(&request, SystemTime::now()).map_err(|error| CommandError::Serve(error.to_string()))?;
    if args.json {
        writeln!(out, "{}", json!({ "token": token, "jti": request.token_id, "claims": claims(&token) }))?;
    } else {
        writeln!(out, "{token}")?;
    }
    Ok(())
}

fn new_opaque(args: &TokenNewArgs, scope: &str, out: &mut impl Write) -> Result<(), CommandError> {
    if args.sub.as_ref().is_some_and(|sub| sub.is_empty() || sub.contains(char::is_whitespace)) {
        return Err(CommandError::Serve("the user of an opaque token is one word: --sub has blanks".to_owned()));
    }
    let token = opaque_token(random()?);
    let listed = OpaqueToken {
        digest: Digest::of(&token),
        subject: args.sub.clone(),
        scopes: Scopes::parse(scope),
        expires: SystemTime::now().checked_add(args.ttl),
    };
    if args.json {
        writeln!(out, "{}", json!({ "token": token, "line": listed.to_string() }))?;
    } else {
        writeln!(
            out,
            "{token}\n\nFor its bearer; it is kept nowhere. The line for the file of auth.tokens_file:\n\n{listed}"
        )?;
    }
    Ok(())
}

/// The words of `--scope`, `--read` and `--write`; a word that grants nothing is a mistake.
fn scope(args: &TokenNewArgs) -> Result<String, CommandError> {
    let read = args.read.iter().map(|pattern| format!("read:{pattern}"));
    let write = args.write.iter().map(|pattern| format!("write:{pattern}"));
    let words = args.scope.iter().flat_map(|scope| scope.split_ascii_whitespace()).map(str::to_owned);
    let words: Vec<String> = read.chain(write).chain(words).collect();
    match words.iter().find(|word| word.contains(char::is_whitespace) || Scopes::parse(word) == Scopes::default()) {
        None => Ok(words.join(" ")),
        Some(word) => Err(CommandError::Serve(format!(
            "{word:?} is no scope: read:PATTERN, write:PATTERN, admin, kafka and create_topics are"
        ))),
    }
}

/// What `iss` and `aud` a key asks for.
#[derive(Default)]
struct Wants {
    issuer: Option<String>,
    audience: Option<String>,
}

/// What to sign with: the key of `--key`, else a secret of the configuration.
fn signer(args: &TokenNewArgs, config: &Config) -> Result<(Signer, Wants), CommandError> {
    let serve = |error: &dyn std::fmt::Display| CommandError::Serve(error.to_string());
    let (key, wants) = match &args.key {
        Some(path) => {
            let named = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == args.algorithm);
            let algorithm =
                named.ok_or_else(|| serve(&"--algorithm is one of HS256, RS256, ES256 and EdDSA".to_owned()))?;
            let material = KeyMaterial::File(path.clone());
            (KeyConfig { algorithm, id: args.kid.clone(), material, issuer: None, audience: None }, Wants::default())
        }
        None => {
            let key = configured(config, args.kid.as_deref())?;
            let wants = Wants { issuer: key.issuer.clone(), audience: key.audience.clone() };
            (key, wants)
        }
    };
    let found = material(&key).map_err(|problem| CommandError::Serve(format!("there is no key: {problem}")))?;
    if key.algorithm == Algorithm::Hs256 {
        access::Key::new(key.algorithm, &found).map_err(|error| serve(&error))?;
    }
    let mut signer = Signer::new(key.algorithm, &found).map_err(|error| serve(&error))?;
    signer.key_id = key.id;
    Ok((signer, wants))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], CommandError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| CommandError::System(io::Error::other(error)))?;
    Ok(bytes)
}

//! `streamgate token new`, `inspect` and `revoke`.

use std::io::{self, Read, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::{Algorithm, Digest, Grant, OpaqueToken, Revoked, Scopes, Signer, TokenRequest, opaque_token, unverified};
use reqwest::Url;
use serde_json::{Value, json};

use super::{CommandError, client::Client, quiet_on_closed_pipe, text::escape};
use crate::args::{TokenArgs, TokenCommand, TokenInspectArgs, TokenNewArgs, TokenRevokeArgs};
use crate::config::{Config, KeyConfig, KeyMaterial, format_duration};
use crate::server::Credentials;
use crate::server::credentials::{append_line, material};

/// Runs the command and prints to standard output.
pub async fn run(args: &TokenArgs) -> Result<(), CommandError> {
    let out = &mut io::stdout();
    quiet_on_closed_pipe(match &args.command {
        TokenCommand::New(args) => new(args, out),
        TokenCommand::Inspect(args) => inspect(args, out),
        TokenCommand::Revoke(args) => revoke(args, out).await,
    })
}

fn new(args: &TokenNewArgs, out: &mut impl Write) -> Result<(), CommandError> {
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

/// Prints what a token says, and whether the configuration would take it: exit code 1 if not.
fn inspect(args: &TokenInspectArgs, out: &mut impl Write) -> Result<(), CommandError> {
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
        writeln!(
            out,
            "{}",
            json!({ "header": header(&token), "claims": said, "sha256": sha256, "accepted": accepted, "refused": why, "grant": grant })
        )?;
    } else {
        if let (Some(header), Some(claims)) = (header(&token), &said) {
            writeln!(out, "says      {header}\n          {claims}")?;
        }
        writeln!(out, "sha256    {}", Digest::of(&token))?;
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
    let left = grant.expires.map(|expires| expires.duration_since(now).unwrap_or_default().as_secs());
    let left = left
        .map_or("for ever".to_owned(), |left| format!("for another {}", format_duration(Duration::from_secs(left))));
    format!("{who} may {scopes}, {left}")
}

async fn revoke(args: &TokenRevokeArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let revoked = match (&args.jti, &args.sub, &args.token) {
        (Some(id), _, _) => Revoked::TokenId(id.clone()),
        (_, Some(user), _) => Revoked::Subject(user.clone()),
        (_, _, Some(token)) => Revoked::of_token(&given(token)?),
        _ => return Err(CommandError::Serve("name what to revoke: --jti, --sub or --token".to_owned())),
    };
    if revoked.to_string().contains(char::is_control) {
        return Err(CommandError::Serve("what is revoked is one line".to_owned()));
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

fn header(token: &str) -> Option<Value> {
    unverified(token).map(|(header, _)| header)
}

fn claims(token: &str) -> Option<Value> {
    unverified(token).map(|(_, claims)| claims)
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], CommandError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| CommandError::System(io::Error::other(error)))?;
    Ok(bytes)
}

const MAX_INPUT_BYTES: u64 = 64 * 1024;

//! `[auth]`: whose tokens are taken, and what becomes of connections when they end; secrets in it are never shown.

use std::path::PathBuf;
use std::time::Duration;

use access::{Algorithm, Scopes};
use serde::{Deserialize, Deserializer, Serialize, de};
use toml::Value;

use super::{Secret, units, values};

/// Who may use the server. Without a key or list of tokens there is no authentication: everybody may do everything, so the
/// server serves this machine only, unless `insecure_no_auth` is set. With one, every request needs a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Secret that tokens are signed with (HS256), at least 32 bytes: short for one entry of `keys`. `None`, written `"off"`,
    /// is the default.
    #[serde(with = "values::secret_or_off")]
    pub secret: Option<Secret>,
    /// File of such a secret; a line's end behind it is not part of it. `"off"` is the default.
    #[serde(with = "values::file_or_off")]
    pub secret_file: Option<PathBuf>,
    /// Keys that tokens are signed with. Default none. The key decides the algorithm, never the token; a token's `kid`
    /// chooses among those with an `id`.
    #[serde(deserialize_with = "keys")]
    pub keys: Vec<KeyConfig>,
    /// Address of a JSON Web Key Set (RFC 7517), as identity providers publish theirs; https. `None`, written `"off"`, is the
    /// default. Fetched in the background, never because of a token; until it is there for the first time the server is not
    /// ready.
    #[serde(with = "values::text_or_off")]
    pub jwks_url: Option<String>,
    /// What `iss` must be in tokens signed with a key of that set; `"off"`, the default: anything.
    #[serde(with = "values::text_or_off")]
    pub jwks_issuer: Option<String>,
    /// What must be among `aud` in such tokens; `"off"`, the default: anything. Providers sign for many: name yours.
    #[serde(with = "values::text_or_off")]
    pub jwks_audience: Option<String>,
    /// How often the set is fetched again. Default 15 min.
    #[serde(with = "units::duration")]
    pub jwks_refresh: Duration,
    /// Whether `jwks_url` may be http, and its host an address of this machine or network. Default no: who answers there
    /// decides who is let in.
    pub jwks_allow_private: bool,
    /// File of opaque tokens, a line each: the SHA-256 of the token, `sub=USER`, `exp=SECONDS`, and scopes.
    /// `streamgate token new --opaque` prints token and line. `"off"` is the default. Read again when it changes, and on
    /// SIGHUP.
    #[serde(with = "values::file_or_off")]
    pub tokens_file: Option<PathBuf>,
    /// Scopes of signed tokens that have neither `scope` nor `scp`, such as those of other systems. Default `""`: they allow
    /// nothing.
    #[serde(deserialize_with = "scopes")]
    pub default_scope: String,
    /// Whether a connection ends within a second after its token has, so that its client comes back with a new one. Default
    /// on.
    pub close_on_expiry: bool,
    /// File of what is revoked, a line each: `jti ID`, `sub USER` or `token SHA256`. Connections hit by it end within 5 s.
    /// `"off"` is the default. Read again when it changes, and on SIGHUP; `streamgate token revoke` adds to it.
    #[serde(with = "values::file_or_off")]
    pub revocations_file: Option<PathBuf>,
    /// Serves other machines without authentication. Default off. Whoever reaches the server may then read and write
    /// everything.
    pub insecure_no_auth: bool,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            secret: None,
            secret_file: None,
            keys: Vec::new(),
            jwks_url: None,
            jwks_issuer: None,
            jwks_audience: None,
            jwks_refresh: Duration::from_secs(15 * 60),
            jwks_allow_private: false,
            tokens_file: None,
            default_scope: String::new(),
            close_on_expiry: true,
            revocations_file: None,
            insecure_no_auth: false,
        }
    }
}

impl AuthConfig {
    /// Whether requests need a token.
    pub fn is_on(&self) -> bool {
        !self.all_keys().is_empty() || self.jwks_url.is_some() || self.tokens_file.is_some()
    }

    /// Every configured key, with the setting it stands in: first those of the two short forms.
    pub fn all_keys(&self) -> Vec<(&'static str, KeyConfig)> {
        let short =
            |material| KeyConfig { algorithm: Algorithm::Hs256, id: None, material, issuer: None, audience: None };
        let secret = self.secret.iter().map(|secret| ("auth.secret", short(KeyMaterial::Secret(secret.clone()))));
        let file = self.secret_file.iter().map(|path| ("auth.secret_file", short(KeyMaterial::File(path.clone()))));
        secret.chain(file).chain(self.keys.iter().map(|key| ("auth.keys", key.clone()))).collect()
    }
}

/// A key that tokens are signed with, as a table in `auth.keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyConfig {
    /// `HS256`, `RS256`, `ES256` or `EdDSA`.
    #[serde(serialize_with = "name")]
    pub algorithm: Algorithm,
    /// What tokens name it by (`kid`). Default none: it is tried with each token of its algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where its secret (HS256) or its public key in PEM is.
    #[serde(flatten)]
    pub material: KeyMaterial,
    /// What `iss` must be. Default: anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What must be among `aud`. Default: anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

/// Where a key is; one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyMaterial {
    /// In this file. A line's end behind a secret is not part of it.
    File(PathBuf),
    /// In the environment variable of this name.
    Environment(String),
    /// In the settings.
    Secret(Secret),
}

fn name<S: serde::Serializer>(algorithm: &Algorithm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(algorithm.name())
}

/// Read by hand: serde's errors would show what stands there, which may be a secret.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<KeyConfig>, D::Error> {
    let Value::Array(entries) = Value::deserialize(deserializer)? else {
        return Err(de::Error::custom(format!("must be a list of keys: {KEY_EXAMPLE}")));
    };
    let keys = entries.iter().zip(1..).map(|(entry, number)| {
        key(entry).map_err(|problem| de::Error::custom(format!("must be a list of keys; number {number} {problem}")))
    });
    keys.collect()
}

fn key(entry: &Value) -> Result<KeyConfig, String> {
    let table = entry.as_table().ok_or_else(|| format!("is no table; {KEY_EXAMPLE}"))?;
    if let Some(unknown) = table.keys().find(|name| !KEY_SETTINGS.contains(&name.as_str())) {
        return Err(format!("has `{unknown}`, which is none of {}", KEY_SETTINGS.join(", ")));
    }
    let text = |name: &str| match table.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(format!("has a setting `{name}` that is no text")),
    };
    let named = text("algorithm")?.unwrap_or_default();
    let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == named);
    let algorithm = algorithm.ok_or("needs an `algorithm`: HS256, RS256, ES256 or EdDSA")?;
    let material = match (text("file")?, text("environment")?, text("secret")?) {
        (Some(file), None, None) => KeyMaterial::File(file.into()),
        (None, Some(variable), None) => KeyMaterial::Environment(variable),
        (None, None, Some(secret)) => KeyMaterial::Secret(secret.into()),
        _ => return Err("needs one of `file`, `environment` and `secret`".to_owned()),
    };
    Ok(KeyConfig { algorithm, id: text("id")?, material, issuer: text("issuer")?, audience: text("audience")? })
}

/// A word that grants nothing is a mistake in the settings, if not in a token.
fn scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = text.split_ascii_whitespace().find(|word| Scopes::parse(word) == Scopes::default());
    match wrong {
        None => Ok(text),
        Some(word) => {
            Err(de::Error::custom(format!("must be scopes such as \"read:f1-* write:f1-data\", not {word:?}")))
        }
    }
}

const KEY_SETTINGS: [&str; 7] = ["algorithm", "id", "file", "environment", "secret", "issuer", "audience"];
const KEY_EXAMPLE: &str = "write it like [[auth.keys]] with algorithm = \"HS256\" and file = \"secret.txt\" below";

//! `[portal]`: what programs on Quix Streams are told of Kafka; passwords in it are never shown.

mod check;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use quix_gateway::portal::{Mechanism, Security};
use serde::{Deserialize, Deserializer, Serialize, de};
use toml::Value;

pub(super) use check::check;

use super::{Secret, kafka::words, values};

/// What Quix's portal answers: programs on Quix Streams ask it where Kafka is, and which topics there are. Whoever is told how
/// to reach Kafka talks to it past this server: from then on Kafka's own rules count, and no scope of a token. With
/// authentication on, a token needs the scope `kafka` to be told anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PortalConfig {
    /// Whether there is a portal. Default on: but nobody is told of Kafka where `kafka_address` is nothing. Off: its addresses
    /// answer 404.
    pub enabled: bool,
    /// Address and port of the portal alone, so that the public side does not have it: there its addresses answer 404, here all
    /// others but health do. `None`, written `"off"`, is the default: at `listen`, beside the hubs. TLS and tokens are as there.
    #[serde(with = "values::address_or_off")]
    pub listen: Option<SocketAddr>,
    /// `HOST:PORT` by which programs reach Kafka, several with commas between; in general not the address this server uses.
    /// `None`, written `"auto"`, is the default: beside the data folder `kafka_advertised`, else, to programs on this machine,
    /// `kafka_listen` if that and the portal's address are loopback; else nothing, and programs are told so (HTTP 501).
    #[serde(with = "values::auto_text")]
    pub kafka_address: Option<String>,
    /// What programs protect their connections by: `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`. Default `plaintext`.
    /// Source: librdkafka `security.protocol`.
    pub security: Protocol,
    /// How their password is proved: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`. Default `SCRAM-SHA-256`. Source: librdkafka
    /// `sasl.mechanism`.
    pub sasl_mechanism: SaslMechanism,
    /// Who they are at Kafka, with `sasl_…`: a user of their own, who may read and write topics and use consumer groups that
    /// begin with the workspace; not told to tokens that may write to no topic. `"off"`, the default: only those in `users`.
    #[serde(with = "values::text_or_off")]
    pub username: Option<String>,
    /// That user's password. `None`, written `"off"`, is the default.
    #[serde(with = "values::secret_or_off")]
    pub password: Option<Secret>,
    /// File of that password; a line's end behind it is not part of it. `"off"` is the default.
    #[serde(with = "values::file_or_off")]
    pub password_file: Option<PathBuf>,
    /// Users of Kafka for the tokens of single users, each below a line `[[portal.users]]`. Default none. Only a settings file
    /// can hold them.
    #[serde(deserialize_with = "users")]
    pub users: Vec<PortalUser>,
    /// File of the certificates, in PEM, that vouch for the brokers, handed out with `ssl` and `sasl_ssl`. `"off"`, the
    /// default: those that the program's machine trusts.
    #[serde(with = "values::file_or_off")]
    pub ca_file: Option<PathBuf>,
    /// Whether topics are made for programs that ask, whose tokens need the scope `create_topics` for it. Default yes.
    pub create_topics: bool,
    /// Most partitions that a program may ask for, 1 to 10 000. Default 64. Past it: HTTP 400.
    pub max_partitions: u32,
    /// Whether passwords are told to other machines over HTTP without TLS, as behind a proxy that has the TLS. Default no:
    /// HTTP 403.
    pub allow_plain_http: bool,
    /// Whether programs may be told the user that this server itself is at Kafka (`kafka.properties`, `sasl.username`). Default
    /// no: the start ends. They may then do all that this server may.
    pub allow_own_credentials: bool,
}

/// Who the bearers of one user's tokens are at Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortalUser {
    /// The user: `sub` of their tokens.
    pub subject: String,
    /// Their name at Kafka.
    pub username: String,
    /// Where their password is.
    #[serde(flatten)]
    pub password: PasswordSource,
}

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum PasswordSource {
    /// In the settings.
    #[serde(rename = "password")]
    Here(Secret),
    /// In this file.
    #[serde(rename = "password_file")]
    File(PathBuf),
}

words! {
    /// What a connection to Kafka is protected by.
    Protocol {
        /// Nothing.
        Plaintext = "plaintext",
        /// TLS.
        Ssl = "ssl",
        /// A password.
        SaslPlaintext = "sasl_plaintext",
        /// Both.
        SaslSsl = "sasl_ssl",
    }
}

words! {
    /// How a password is proved.
    SaslMechanism {
        /// By telling it.
        Plain = "PLAIN",
        /// By SHA-256.
        ScramSha256 = "SCRAM-SHA-256",
        /// By SHA-512.
        ScramSha512 = "SCRAM-SHA-512",
    }
}

impl Default for PortalConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: None,
            kafka_address: None,
            security: Protocol::Plaintext,
            sasl_mechanism: SaslMechanism::ScramSha256,
            username: None,
            password: None,
            password_file: None,
            users: Vec::new(),
            ca_file: None,
            create_topics: true,
            max_partitions: 64,
            allow_plain_http: false,
            allow_own_credentials: false,
        }
    }
}

impl PortalConfig {
    /// Protocol and mechanism, as one.
    pub fn protection(&self) -> Security {
        let mechanism = match self.sasl_mechanism {
            SaslMechanism::Plain => Mechanism::Plain,
            SaslMechanism::ScramSha256 => Mechanism::ScramSha256,
            SaslMechanism::ScramSha512 => Mechanism::ScramSha512,
        };
        match self.security {
            Protocol::Plaintext => Security::PlainText,
            Protocol::Ssl => Security::Ssl,
            Protocol::SaslPlaintext => Security::Sasl(mechanism),
            Protocol::SaslSsl => Security::SaslSsl(mechanism),
        }
    }

    /// Where it listens, if not beside the hubs.
    pub fn own_listener(&self) -> Option<SocketAddr> {
        self.listen.filter(|_| self.enabled)
    }

    /// Where the password of `username` is.
    pub fn password_source(&self) -> Option<PasswordSource> {
        let here = self.password.clone().map(PasswordSource::Here);
        here.or_else(|| self.password_file.clone().map(PasswordSource::File))
    }

    /// Files of passwords, with the settings that name them.
    pub(super) fn password_files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let of_users = self.users.iter().filter_map(|user| match &user.password {
            PasswordSource::File(path) => Some(("portal.users", path.as_path())),
            PasswordSource::Here(_) => None,
        });
        self.password_file.iter().map(|path| ("portal.password_file", path.as_path())).chain(of_users)
    }

    /// Whether a settings file with these users holds a password.
    pub(super) fn holds_secrets(&self) -> bool {
        self.users.iter().any(|user| matches!(user.password, PasswordSource::Here(_)))
    }
}

/// Read by hand: serde's errors would show what stands there, which may be a password.
fn users<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PortalUser>, D::Error> {
    let Value::Array(entries) = Value::deserialize(deserializer)? else {
        return Err(de::Error::custom(format!("must be a list of users: {USER_EXAMPLE}")));
    };
    let users = entries.iter().zip(1..).map(|(entry, number)| {
        user(entry).map_err(|problem| de::Error::custom(format!("must be a list of users; number {number} {problem}")))
    });
    users.collect()
}

fn user(entry: &Value) -> Result<PortalUser, String> {
    let table = entry.as_table().ok_or_else(|| format!("is no table; {USER_EXAMPLE}"))?;
    if let Some(unknown) = table.keys().find(|name| !USER_SETTINGS.contains(&name.as_str())) {
        return Err(format!("has `{unknown}`, which is none of {}", USER_SETTINGS.join(", ")));
    }
    let text = |name: &str| match table.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(format!("has a setting `{name}` that is no text")),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| format!("has no `{name}`; {USER_EXAMPLE}"));
    let password = match (text("password")?, text("password_file")?) {
        (Some(password), None) => PasswordSource::Here(password.into()),
        (None, Some(file)) => PasswordSource::File(file.into()),
        _ => return Err("needs one of `password` and `password_file`".to_owned()),
    };
    Ok(PortalUser { subject: needed("subject")?, username: needed("username")?, password })
}

const USER_SETTINGS: [&str; 4] = ["subject", "username", "password", "password_file"];
const USER_EXAMPLE: &str =
    "write it like [[portal.users]] with subject = \"ann\", username = \"ann\" and password_file = \"ann.txt\" below";

#[cfg(test)]
mod tests;

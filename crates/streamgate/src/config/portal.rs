//! `[portal]`: what programs on Quix Streams are told of Kafka; passwords in it are never shown.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use quix_gateway::portal::{Mechanism, Portal, RESERVED_WORKSPACES, Security};
use serde::{Deserialize, Deserializer, Serialize, de};
use toml::Value;

use super::check::{conflict, invalid, is_host_and_port};
use super::{Config, ConfigError, Loaded, Secret, Storage, kafka::words, values};

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
    /// `kafka_listen` if that and `listen` are loopback; else nothing, and programs are told so (HTTP 501).
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

/// The first thing wrong, if any.
pub(super) fn check(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    let portal = &config.portal;
    if !portal.enabled {
        return Ok(());
    }
    names(loaded)?;
    let addresses = portal.kafka_address.iter().flat_map(|addresses| addresses.split(','));
    if let Some(address) = addresses.map(str::trim).find(|address| !is_host_and_port(address)) {
        let problem = format!("must be HOST:PORT, such as \"kafka.example.com:9093\", or \"auto\", not {address:?}");
        return Err(invalid(loaded, "portal.kafka_address", problem));
    }
    reachable(loaded)?;
    if !(1..=MAX_PARTITIONS).contains(&portal.max_partitions) {
        let problem = format!("must be from 1 to {MAX_PARTITIONS}, not {}", portal.max_partitions);
        return Err(invalid(loaded, "portal.max_partitions", problem));
    }
    if portal.security != Protocol::Plaintext && portal.kafka_address.is_none() && config.storage() != Storage::Kafka {
        let problem = "do not fit: the listener beside the data folder has neither TLS nor passwords; name the address of \
                       what has them";
        return Err(conflict(loaded, "portal.security", "portal.kafka_address", problem.to_owned()));
    }
    if portal.protection().mechanism().is_some() && config.auth.insecure_no_auth {
        let problem = "do not fit: without authentication anybody would be told the password; name what tokens are signed with \
                       in [auth], or leave --insecure-no-auth out to serve this machine only";
        return Err(conflict(loaded, "portal.security", "auth.insecure_no_auth", problem.to_owned()));
    }
    credentials(loaded)?;
    own_credentials(loaded)
}

/// An address at which no topics of this server are would be told to no use: programs would write elsewhere.
fn reachable(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    let without = match config.storage() {
        _ if config.portal.kafka_address.is_none() => return Ok(()),
        Storage::Memory => "memory",
        Storage::Folder if config.kafka_listen.is_none() => "kafka_listen",
        Storage::Folder | Storage::Kafka => return Ok(()),
    };
    let problem = "do not fit: Kafka clients reach no topics of this server; keep them in a folder with kafka_listen, or in Kafka";
    Err(conflict(loaded, "portal.kafka_address", without, problem.to_owned()))
}

/// Paths that lead elsewhere are not the portal's.
fn names(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    if RESERVED_WORKSPACES.contains(&config.workspace.to_ascii_lowercase().as_str()) {
        let problem = format!(
            "cannot be {:?}, which is an address of the server's own; choose another, or switch portal.enabled off",
            config.workspace
        );
        return Err(invalid(loaded, "workspace", problem));
    }
    match config.webhooks.iter().find(|webhook| Portal::takes(&webhook.path)) {
        None => Ok(()),
        Some(webhook) => {
            let problem =
                format!("do not fit: the webhook {} is at an address of the portal; choose another path", webhook.path);
            Err(conflict(loaded, "webhooks", "portal.enabled", problem))
        }
    }
}

fn credentials(loaded: &Loaded) -> Result<(), ConfigError> {
    let portal = &loaded.config.portal;
    let given = [
        ("portal.username", portal.username.is_some()),
        ("portal.password", portal.password.is_some()),
        ("portal.password_file", portal.password_file.is_some()),
        ("portal.users", !portal.users.is_empty()),
    ];
    if portal.protection().mechanism().is_none() {
        let Some((key, _)) = given.iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
        let problem = "do not fit: who programs are at Kafka is asked with sasl_plaintext and sasl_ssl only".to_owned();
        return Err(conflict(loaded, key, "portal.security", problem));
    }
    if portal.password.is_some() && portal.password_file.is_some() {
        let problem = "exclude each other: a user has one password; leave one out".to_owned();
        return Err(conflict(loaded, "portal.password", "portal.password_file", problem));
    }
    if portal.username.is_some() != portal.password_source().is_some() {
        let problem = "go together: a user and where their password is; name both or neither".to_owned();
        return Err(conflict(loaded, "portal.username", "portal.password", problem));
    }
    if portal.username.is_none() && portal.users.is_empty() {
        let problem = format!(
            "is {:?}, and nobody is named whom programs are at Kafka: set portal.username and portal.password_file, or \
             [[portal.users]]",
            portal.security.as_str()
        );
        return Err(invalid(loaded, "portal.security", problem));
    }
    let mut subjects = BTreeSet::new();
    match portal.users.iter().find(|user| !subjects.insert(&user.subject)) {
        None => Ok(()),
        Some(user) => {
            let problem = format!("cannot be taken: two have the subject {:?}", user.subject);
            Err(invalid(loaded, "portal.users", problem))
        }
    }
}

/// Whoever has this server's user may do what this server may, for all its clients.
fn own_credentials(loaded: &Loaded) -> Result<(), ConfigError> {
    let Config { portal, kafka, .. } = &loaded.config;
    let Some(own) = kafka.properties.get("sasl.username").filter(|_| !portal.allow_own_credentials) else {
        return Ok(());
    };
    let problem = "is this server's own user at Kafka: make one for programs that may do less, or set \
                   portal.allow_own_credentials to hand it out all the same";
    let users = portal.users.iter().map(|user| ("portal.users", &user.username));
    let mut named = portal.username.iter().map(|username| ("portal.username", username)).chain(users);
    match named.find(|(_, username)| *username == own.reveal()) {
        None => Ok(()),
        Some((key, _)) => Err(invalid(loaded, key, problem.to_owned())),
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
const MAX_PARTITIONS: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::super::sources::merge;
    use super::*;

    fn load(text: &str) -> Result<Loaded, String> {
        merge(Some(("s.toml".into(), text.to_owned())), Vec::new(), Vec::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_handed_out_is_named() {
        let sasl = "[portal]\nsecurity = \"sasl_ssl\"\nkafka_address = \"k:1\"\n";
        let rows = [
            (
                "workspace = \"Workspaces\"".to_owned(),
                "`workspace` (s.toml:1) cannot be \"Workspaces\", which is an address of the server's own; choose another, or \
                 switch portal.enabled off",
            ),
            (
                "portal.kafka_address = \"k:1,k\"".to_owned(),
                "`portal.kafka_address` (s.toml:1) must be HOST:PORT, such as \"kafka.example.com:9093\", or \"auto\", not \"k\"",
            ),
            (
                "memory = true\nportal.kafka_address = \"k:1\"".to_owned(),
                "`portal.kafka_address` (s.toml:2) and `memory` (s.toml:1) do not fit: Kafka clients reach no topics of this \
                 server; keep them in a folder with kafka_listen, or in Kafka",
            ),
            (
                "kafka_listen = \"off\"\nportal.kafka_address = \"k:1\"".to_owned(),
                "`portal.kafka_address` (s.toml:2) and `kafka_listen` (s.toml:1) do not fit: Kafka clients reach no topics of \
                 this server; keep them in a folder with kafka_listen, or in Kafka",
            ),
            (
                format!("auth.insecure_no_auth = true\n{sasl}username = \"u\"\npassword = \"hush\""),
                "`portal.security` (s.toml:3) and `auth.insecure_no_auth` (s.toml:1) do not fit: without authentication anybody \
                 would be told the password; name what tokens are signed with in [auth], or leave --insecure-no-auth out to \
                 serve this machine only",
            ),
            (
                "portal.max_partitions = 0".to_owned(),
                "`portal.max_partitions` (s.toml:1) must be from 1 to 10000, not 0",
            ),
            (
                "portal.security = \"SSL\"".to_owned(),
                "`portal.security` (s.toml:1) must be one of plaintext, ssl, sasl_plaintext, sasl_ssl, not \"SSL\"",
            ),
            (
                "portal.security = \"ssl\"".to_owned(),
                "`portal.security` (s.toml:1) and `portal.kafka_address` (default) do not fit: the listener beside the data \
                 folder has neither TLS nor passwords; name the address of what has them",
            ),
            (
                "portal.username = \"u\"".to_owned(),
                "`portal.username` (s.toml:1) and `portal.security` (default) do not fit: who programs are at Kafka is asked \
                 with sasl_plaintext and sasl_ssl only",
            ),
            (
                sasl.to_owned(),
                "`portal.security` (s.toml:2) is \"sasl_ssl\", and nobody is named whom programs are at Kafka: set \
                 portal.username and portal.password_file, or [[portal.users]]",
            ),
            (
                format!("{sasl}username = \"u\""),
                "`portal.username` (s.toml:4) and `portal.password` (default) go together: a user and where their password \
                 is; name both or neither",
            ),
            (
                format!("{sasl}username = \"u\"\npassword = \"hush\"\npassword_file = \"f\""),
                "`portal.password` (s.toml:5) and `portal.password_file` (s.toml:6) exclude each other: a user has one \
                 password; leave one out",
            ),
            (
                format!("{sasl}[[portal.users]]\nsubject = \"ann\"\npasword = \"hush\""),
                "`portal.users` (s.toml:4) must be a list of users; number 1 has `pasword`, which is none of subject, username, \
                 password, password_file",
            ),
            (
                format!("{sasl}[[portal.users]]\nsubject = \"ann\"\nusername = \"ann\"\npassword = [\"hush\"]"),
                "`portal.users` (s.toml:4) must be a list of users; number 1 has a setting `password` that is no text",
            ),
            (format!("{sasl}{ANN}{ANN}"), "`portal.users` (s.toml:4) cannot be taken: two have the subject \"ann\""),
            (
                format!("{sasl}{ANN}[kafka]\nbrokers = [\"k:1\"]\nproperties.\"sasl.username\" = \"anns\""),
                "`portal.users` (s.toml:4) is this server's own user at Kafka: make one for programs that may do less, or set \
                 portal.allow_own_credentials to hand it out all the same",
            ),
            (
                "[[webhooks]]\npath = \"/local/topics\"\ntopic = \"t\"\npreset = \"none\"".to_owned(),
                "`webhooks` (s.toml:1) and `portal.enabled` (default) do not fit: the webhook /local/topics is at an address of \
                 the portal; choose another path",
            ),
        ];
        for (text, sentence) in rows {
            let error = load(&text).map(drop).unwrap_err();
            assert_eq!(error, sentence, "{text}");
            assert!(!error.contains("hush"), "{text}");
        }
        let without = "workspace = \"topics\"\nportal.enabled = false\nportal.max_partitions = 0";
        assert!(load(without).is_ok(), "what is not there cannot be wrong");
    }

    #[test]
    fn passwords_are_read_and_not_shown() {
        let text = format!(
            "[portal]\nkafka_address = \"k:1, l:2\"\nsecurity = \"sasl_plaintext\"\nsasl_mechanism = \"PLAIN\"\n\
             username = \"u\"\npassword = \"hush\"\n{ANN}"
        );
        let loaded = load(&text).unwrap();
        let portal = &loaded.config.portal;
        assert_eq!(portal.protection(), Security::Sasl(Mechanism::Plain));
        assert_eq!(portal.password_source(), Some(PasswordSource::Here("hush".to_owned().into())));
        let password = PasswordSource::Here("hush too".to_owned().into());
        assert_eq!(portal.users, [PortalUser { subject: "ann".into(), username: "anns".into(), password }]);
        for shown in [super::super::show(&loaded, true), format!("{loaded:?}")] {
            assert!(shown.contains("anns") && !shown.contains("hush"), "{shown}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn files_of_passwords_that_others_may_read_are_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::TempDir::new().unwrap();
        let file = |name: &str, mode| {
            let path = folder.path().join(name);
            std::fs::write(&path, "hush").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        for mode in [0o644, 0o600] {
            let (common, anns) = (file("common", mode), file("anns", mode));
            let text = format!(
                "[portal]\nkafka_address = \"k:1\"\nsecurity = \"sasl_ssl\"\nusername = \"u\"\npassword_file = {common:?}\n\
                 [[portal.users]]\nsubject = \"ann\"\nusername = \"ann\"\npassword_file = {anns:?}"
            );
            let warnings = load(&text).unwrap().warnings;
            for (setting, path) in [("portal.password_file", common), ("portal.users", anns)] {
                let named = format!("{} holds the key of `{setting}`", path.display());
                let warned = warnings.iter().any(|warning| warning.starts_with(&named));
                assert_eq!(warned, mode == 0o644, "{warnings:?}");
            }
        }
    }

    const ANN: &str = "[[portal.users]]\nsubject = \"ann\"\nusername = \"anns\"\npassword = \"hush too\"\n";
}

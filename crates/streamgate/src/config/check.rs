//! Checks that need more than one setting, or more than a setting's type.

use std::{collections::HashSet, net::SocketAddr, time::Duration};

use kafka_bridge::names::check_topic_name;
use toml::Value;

use super::{
    AllowedOrigin, Config, ConfigError, Form, ReadAs, Split, Storage,
    error::Placed,
    schema::to_table,
    sources::{Loaded, Origin},
    units::{format_duration, format_size},
    ways::same_name,
};

/// The first thing wrong, if any.
pub(super) fn check(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    loopback(loaded, "listen", config.listen)?;
    loopback(loaded, "admin_listen", config.admin_listen)?;
    if let Some(address) = config.portal.own_listener() {
        loopback(loaded, "portal.listen", address)?;
    }
    ports(loaded)?;
    workspace(loaded)?;
    auth(loaded)?;
    storage(loaded)?;
    tls(loaded)?;
    brokers(loaded)?;
    log(loaded)?;
    limits(loaded)?;
    topics(loaded)?;
    webhooks(loaded)?;
    super::portal::check(loaded)?;
    outgoing(loaded)
}

/// Sources and destinations are told apart by their names.
fn outgoing(loaded: &Loaded) -> Result<(), ConfigError> {
    match same_name(&loaded.config.sources, &loaded.config.destinations) {
        None => Ok(()),
        Some((key, name)) => Err(ConfigError::Invalid {
            setting: Placed { key: key.to_owned(), origin: loaded.origin(key) },
            problem: format!("cannot be taken: two have the name {name:?}"),
        }),
    }
}

fn ports(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    let all = [
        ("listen", Some(config.listen)),
        ("admin_listen", Some(config.admin_listen)),
        ("kafka_listen", config.kafka_listener()),
        ("portal.listen", config.portal.own_listener()),
    ];
    let pairs = (0..all.len()).flat_map(|first| (first + 1..all.len()).map(move |second| (all[first], all[second])));
    for (first, second) in pairs {
        if let (Some(address), true) = (first.1.filter(|address| address.port() != 0), first.1 == second.1) {
            let problem = format!("are both {address}: give each a port of its own");
            return Err(conflict(loaded, first.0, second.0, problem));
        }
    }
    Ok(())
}

fn workspace(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    if config.workspace_prefix && config.workspace.starts_with('_') {
        let problem = "cannot begin with '_' while topics' names begin with it (workspace_prefix): Kafka would take them for its \
                       own; choose another";
        return Err(invalid(loaded, "workspace", problem.to_owned()));
    }
    Ok(())
}

/// Topics are kept in one place, and the Kafka listener serves those of the data folder.
fn storage(loaded: &Loaded) -> Result<(), ConfigError> {
    let config = &loaded.config;
    let exclude = |first, second, choice: &str| {
        let problem = format!("exclude each other: topics are kept either {choice}; leave one out");
        Err(conflict(loaded, first, second, problem))
    };
    let wants_folder = wants(loaded, "data", |config| &config.data);
    let kept_elsewhere = match config.storage() {
        Storage::Folder
            if config.kafka_listen.is_none() && wants(loaded, "kafka_advertised", |c| &c.kafka_advertised) =>
        {
            let problem = "do not fit: an address for Kafka clients, and no listener for them".to_owned();
            return Err(conflict(loaded, "kafka_advertised", "kafka_listen", problem));
        }
        Storage::Folder => return advertised(loaded),
        Storage::Memory if !config.kafka.brokers.is_empty() => {
            return exclude("memory", "kafka.brokers", "in memory or in Kafka");
        }
        Storage::Memory if wants_folder => return exclude("memory", "data", "in memory or in a folder"),
        Storage::Kafka if wants_folder => return exclude("kafka.brokers", "data", "in Kafka or in a folder"),
        Storage::Memory => "memory",
        Storage::Kafka => "kafka.brokers",
    };
    let wanted = [
        ("kafka_listen", config.kafka_listen.is_some() && wants(loaded, "kafka_listen", |config| &config.kafka_listen)),
        ("kafka_advertised", wants(loaded, "kafka_advertised", |config| &config.kafka_advertised)),
    ];
    match wanted.into_iter().find(|(_, wanted)| *wanted) {
        None => Ok(()),
        Some((key, _)) => {
            let problem =
                "do not fit: Kafka clients are served the topics of a data folder only; leave one out".to_owned();
            Err(conflict(loaded, key, kept_elsewhere, problem))
        }
    }
}

fn tls(loaded: &Loaded) -> Result<(), ConfigError> {
    let missing = match (&loaded.config.tls.certificate, &loaded.config.tls.key) {
        (Some(_), None) => "the file of its key is missing; name it with --tls-key",
        (None, Some(_)) => "the file of its certificate is missing; name it with --tls-certificate",
        _ => return Ok(()),
    };
    Err(conflict(loaded, "tls.certificate", "tls.key", format!("go together: {missing}")))
}

/// Whether somebody asked for this value. What `config show` has printed into a file asks for no more than the default.
fn wants<T: PartialEq>(loaded: &Loaded, key: &str, value: impl Fn(&Config) -> &T) -> bool {
    let is_default = value(&loaded.config) == value(&Config::default());
    loaded.is_set(key) && !(is_default && matches!(loaded.origin(key), Origin::File { .. }))
}

fn advertised(loaded: &Loaded) -> Result<(), ConfigError> {
    match &loaded.config.kafka_advertised {
        Some(address) if !is_host_and_port(address) => {
            let problem = format!("must be HOST:PORT, such as \"plant.example:9092\", or \"auto\", not {address:?}");
            Err(invalid(loaded, "kafka_advertised", problem))
        }
        _ => Ok(()),
    }
}

fn log(loaded: &Loaded) -> Result<(), ConfigError> {
    let log = &loaded.config.log;
    if !(MIN_SEGMENT..=MAX_SEGMENT).contains(&log.segment_size) {
        let (least, most, is) = (format_size(MIN_SEGMENT), format_size(MAX_SEGMENT), format_size(log.segment_size));
        return Err(invalid(loaded, "log.segment_size", format!("must be from {least} to {most}, not {is}")));
    }
    if log.retention_bytes < 2 * log.segment_size {
        let (all, one) = (format_size(log.retention_bytes), format_size(log.segment_size));
        let problem = format!("do not fit: {all} hold no two segments of {one}, and retention deletes whole ones");
        return Err(conflict(loaded, "log.retention_bytes", "log.segment_size", problem));
    }
    if log.retention_age.is_zero() {
        return Err(invalid(loaded, "log.retention_age", "must be more than 0".to_owned()));
    }
    Ok(())
}

fn loopback(loaded: &Loaded, key: &str, address: SocketAddr) -> Result<(), ConfigError> {
    let auth = &loaded.config.auth;
    if address.ip().is_loopback() || auth.is_on() || auth.insecure_no_auth {
        return Ok(());
    }
    let problem = format!(
        "is {address}, which other machines can reach, and there is no authentication: name what tokens are signed with in \
         [auth] (secret_file, keys, jwks_url or tokens_file), or listen on loopback (127.0.0.1 or [::1]); --insecure-no-auth lets \
         everybody read and write"
    );
    Err(invalid(loaded, key, problem))
}

fn auth(loaded: &Loaded) -> Result<(), ConfigError> {
    let auth = &loaded.config.auth;
    let named = [
        ("auth.secret", auth.secret.is_some()),
        ("auth.secret_file", auth.secret_file.is_some()),
        ("auth.keys", !auth.keys.is_empty()),
        ("auth.jwks_url", auth.jwks_url.is_some()),
        ("auth.tokens_file", auth.tokens_file.is_some()),
    ];
    if let (true, Some((key, _))) = (auth.insecure_no_auth, named.iter().find(|(_, is_there)| *is_there)) {
        let problem = "exclude each other: either tokens are asked for or they are not; leave one out".to_owned();
        return Err(conflict(loaded, key, "auth.insecure_no_auth", problem));
    }
    if !auth.is_on() && loaded.config.allowed_origins.contains(&AllowedOrigin::Any) {
        let problem =
            "cannot be \"*\": without authentication any web page could then read and write; list the origins";
        return Err(invalid(loaded, "allowed_origins", problem.to_owned()));
    }
    if !auth.is_on() && auth.revocations_file.is_some() {
        let problem = "revokes tokens, and none are asked for: name what they are signed with in [auth] (secret_file, keys, \
                       jwks_url or tokens_file)";
        return Err(invalid(loaded, "auth.revocations_file", problem.to_owned()));
    }
    if let Some(url) = &auth.jwks_url {
        let parsed = reqwest::Url::parse(url).ok().filter(|url| url.has_host());
        match parsed.as_ref().map(|url| url.scheme()) {
            Some("https") => {}
            Some("http") if auth.jwks_allow_private => {}
            Some("http") => {
                let problem =
                    "must be https, as who answers there decides who is let in; auth.jwks_allow_private allows http";
                return Err(invalid(loaded, "auth.jwks_url", problem.to_owned()));
            }
            _ => {
                let problem = format!("must be like \"https://login.example.com/keys\", not {url:?}");
                return Err(invalid(loaded, "auth.jwks_url", problem));
            }
        }
        if auth.jwks_refresh < MIN_REFRESH {
            let problem = format!("must be at least {}", format_duration(MIN_REFRESH));
            return Err(invalid(loaded, "auth.jwks_refresh", problem));
        }
    }
    Ok(())
}

fn brokers(loaded: &Loaded) -> Result<(), ConfigError> {
    let kafka = &loaded.config.kafka;
    if let Some(broker) = kafka.brokers.iter().find(|broker| !is_host_and_port(broker)) {
        let problem = format!("must hold HOST:PORT, such as \"broker:9092\", not {broker:?}");
        return Err(invalid(loaded, "kafka.brokers", problem));
    }
    if kafka.linger_ms > MAX_LINGER_MS {
        let problem =
            format!("must be from 0 to {MAX_LINGER_MS}, not {}: every call would wait that long", kafka.linger_ms);
        return Err(invalid(loaded, "kafka.linger_ms", problem));
    }
    Ok(())
}

/// librdkafka would also take `SSL://host:port` and a missing port; the protocol is a property, and a guess is no help.
pub(super) fn is_host_and_port(broker: &str) -> bool {
    let Some((host, port)) = broker.rsplit_once(':') else {
        return false;
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let plain = !host.is_empty() && !host.contains([':', '/', '[', ']']);
    (bracketed || plain) && !broker.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn limits(loaded: &Loaded) -> Result<(), ConfigError> {
    let limits = &loaded.config.limits;
    if let Some(Value::Table(table)) = to_table(&loaded.config).get("limits")
        && let Some((name, _)) =
            table.iter().find(|(name, value)| is_zero(value) && !MAY_BE_OFF.contains(&name.as_str()))
    {
        return Err(invalid(
            loaded,
            &format!("limits.{name}"),
            "must be more than 0: this limit cannot be switched off".to_owned(),
        ));
    }
    if limits.frame_size < limits.message_size {
        let problem = format!(
            "do not fit: a message of {} comes in one frame, and frames end at {}; raise `limits.frame_size` with it",
            format_size(limits.message_size),
            format_size(limits.frame_size)
        );
        return Err(conflict(loaded, "limits.message_size", "limits.frame_size", problem));
    }
    if limits.delivery_timeout > MAX_DELIVERY_TIMEOUT {
        let problem = format!("must be at most {}: no client waits longer", format_duration(MAX_DELIVERY_TIMEOUT));
        return Err(invalid(loaded, "limits.delivery_timeout", problem));
    }
    Ok(())
}

fn topics(loaded: &Loaded) -> Result<(), ConfigError> {
    for (pattern, topic) in &loaded.config.topics {
        let key = |name: &str| format!("topics.{pattern}.{name}");
        if topic.split == Split::Legacy && topic.form != Form::Legacy {
            let problem = "do not fit: only records of the form \"legacy\" can be split".to_owned();
            return Err(conflict(loaded, &key("split"), &key("form"), problem));
        }
        if topic.max_message_size.is_some_and(|size| size < MIN_MESSAGE) {
            let problem = format!("must be at least {}: ids alone may take half of it", format_size(MIN_MESSAGE));
            return Err(invalid(loaded, &key("max_message_size"), problem));
        }
        if topic.form == Form::Json && topic.read_as == ReadAs::Parameters {
            let problem = "do not fit: what is written as plain JSON here would be read back as other parameters; write the \
                           form \"legacy\", or leave out `as`";
            return Err(conflict(loaded, &key("as"), &key("form"), problem.to_owned()));
        }
        let rows = [("timestamp", topic.timestamp.is_some()), ("tags", !topic.tags.is_empty())];
        if let Some((name, _)) = rows.into_iter().find(|(_, is_set)| *is_set && topic.read_as != ReadAs::Parameters) {
            let problem = "has no use without as = \"parameters\"".to_owned();
            return Err(invalid(loaded, &key(name), problem));
        }
    }
    Ok(())
}

fn webhooks(loaded: &Loaded) -> Result<(), ConfigError> {
    let mut paths = HashSet::new();
    for webhook in &loaded.config.webhooks {
        let path = &webhook.path;
        if !paths.insert(path) {
            return Err(invalid(loaded, "webhooks", format!("cannot be taken: two have the path {path:?}")));
        }
        if let Err(error) = check_topic_name(&webhook.topic) {
            let problem = format!("cannot be taken: that of {path:?} has a topic that is none: {error}");
            return Err(invalid(loaded, "webhooks", problem));
        }
    }
    Ok(())
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Integer(number) => *number == 0,
        Value::String(text) => text == "0s" || text == "0B",
        _ => false,
    }
}

pub(super) fn invalid(loaded: &Loaded, key: &str, problem: String) -> ConfigError {
    ConfigError::Invalid { setting: placed(loaded, key), problem }
}

pub(super) fn conflict(loaded: &Loaded, first: &str, second: &str, problem: String) -> ConfigError {
    ConfigError::Conflict { settings: Box::new([placed(loaded, first), placed(loaded, second)]), problem }
}

fn placed(loaded: &Loaded, key: &str) -> Placed {
    Placed { key: key.to_owned(), origin: loaded.origin(key) }
}

/// Limits that 0 switches off.
pub(super) const MAY_BE_OFF: [&str; 7] = [
    "calls_per_second",
    "negotiated_per_address",
    "packages_per_second",
    "connections_per_address",
    "new_connections_per_address",
    "auth_failures_per_address",
    "unauthenticated_per_address",
];

const MIN_MESSAGE: usize = 2 << 10;
/// Of the fetch of a key set; sources are asked once a second at most.
const MIN_REFRESH: Duration = Duration::from_secs(1);
const MIN_SEGMENT: usize = 1 << 20;
const MAX_SEGMENT: usize = 1 << 30;
const MAX_LINGER_MS: u32 = 5;
const MAX_DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

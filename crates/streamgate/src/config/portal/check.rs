//! What cannot be handed out to programs, or would be told to no use.

use std::collections::BTreeSet;

use quix_gateway::portal::{Portal, RESERVED_WORKSPACES};

use super::Protocol;
use crate::config::check::{conflict, invalid, is_host_and_port};
use crate::config::{Config, ConfigError, Loaded, Storage};

/// The first thing wrong, if any.
pub(crate) fn check(loaded: &Loaded) -> Result<(), ConfigError> {
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

const MAX_PARTITIONS: u32 = 10_000;

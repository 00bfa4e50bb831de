//! Environment variables: `STREAMGATE_LIMITS__MESSAGE_SIZE` is `limits.message_size`.

use std::ffi::OsString;

use toml::Value;

use super::{
    ConfigError, Placed,
    schema::{PROPERTIES, Schema, property_name},
    sources::{Origin, Setting},
};

/// All settings of an environment, sorted by name. An empty value counts as not set: compose files leave such behind.
pub(super) fn settings(variables: Vec<(OsString, OsString)>, schema: &Schema) -> Result<Vec<Setting>, ConfigError> {
    let mut ours = Vec::new();
    for (name, value) in variables {
        if !name.to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        match (name.into_string(), value.into_string()) {
            (Ok(name), Ok(value)) if !value.is_empty() && !is_foreign(&name, &value) => ours.push((name, value)),
            (Ok(_), Ok(_)) => {}
            (Ok(name), Err(_)) => return Err(ConfigError::NotText(name)),
            (Err(name), _) => {
                return Err(ConfigError::NotText(name.to_string_lossy().into_owned()));
            }
        }
    }
    ours.sort();
    ours.into_iter().map(|(name, value)| setting(&name, value, schema)).collect()
}

/// The folder that systemd made for this service's data (`StateDirectory=`), the first if several.
pub(super) fn state_directory(variables: &[(OsString, OsString)]) -> Option<Setting> {
    let (_, value) = variables.iter().find(|(name, _)| name == "STATE_DIRECTORY")?;
    let first = value.to_str()?.split(':').next().filter(|folder| !folder.is_empty())?;
    Some(Setting { key: "data".to_owned(), value: Value::String(first.to_owned()), origin: Origin::StateDirectory })
}

fn setting(name: &str, value: String, schema: &Schema) -> Result<Setting, ConfigError> {
    let origin = Origin::Environment(name.to_owned());
    let key = key_of(name);
    match schema.get(&key) {
        Some(known) if !known.is_table() => Ok(Setting { key, value: Value::String(value), origin }),
        None if property_name(&key).is_some() => Ok(Setting { key, value: Value::String(value), origin }),
        Some(_) => {
            let problem = format!("is a section: set {name}__…");
            Err(ConfigError::Invalid { setting: Placed { key, origin }, problem })
        }
        None => Err(schema.unknown(key, origin, name_of)),
    }
}

/// Property names of librdkafka have dots where a variable cannot: `…PROPERTIES__SASL_PASSWORD` is `sasl.password`.
fn key_of(name: &str) -> String {
    let key = name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase().replace("__", ".");
    match property_name(&key) {
        Some(property) => format!("{PROPERTIES}.{}", property.replace('_', ".")),
        None => key,
    }
}

fn name_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// Variables with our prefix that are no settings: those of the commands, and those that Kubernetes sets in every
/// container of a namespace with a service called `streamgate`.
fn is_foreign(name: &str, value: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    COMMANDS.contains(&rest)
        || rest == "SERVICE_HOST"
        || rest.starts_with("SERVICE_PORT")
        || (rest.starts_with("PORT") && (value.contains("://") || rest.contains("_TCP_") || rest.contains("_UDP_")))
}

const PREFIX: &str = "STREAMGATE_";

/// Read by clap (`args.rs`): `--url`, `--config` and `--token`.
const COMMANDS: [&str; 3] = ["URL", "CONFIG", "TOKEN"];

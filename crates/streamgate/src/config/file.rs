//! The settings file: TOML to settings with their lines.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ::ways::{destination::DestinationConfig, poll::PollConfig, webhook::WebhookConfig};
use serde::Deserialize;
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

use super::{
    Config, ConfigError, Placed,
    schema::{PROPERTIES, Schema, TOPICS, property_name},
    sources::{FileChoice, Origin, Setting},
};

/// The chosen file and its text, if there is one to read.
pub(super) fn read(choice: &FileChoice) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let (path, required) = match choice {
        FileChoice::None => return Ok(None),
        FileChoice::Named(path) => (path, true),
        FileChoice::IfPresent(path) => (path, false),
    };
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.clone(), text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => Ok(None),
        Err(source) => Err(ConfigError::Unreadable { path: path.clone(), source }),
    }
}

/// All settings of a file in the order they stand there.
pub(super) fn parse(path: &Path, text: &str, schema: &Schema) -> Result<Vec<Setting>, ConfigError> {
    let mut reader = Reader { path, text, schema, settings: Vec::new() };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        message: error.message().replace('\n', " "),
    })?;
    reader.table("", table.into_inner())?;
    Ok(reader.settings)
}

/// A warning if this file of a private key or secret, named by a setting, can be read by others on this machine.
pub(super) fn readable_key(setting: &str, path: &Path) -> Option<String> {
    let readable = others_may_read(path);
    readable.then(|| {
        format!("{} holds the key of `{setting}` and can be read by other users: chmod 600 it", path.display())
    })
}

/// A warning if the file holds secrets and others on this machine may read it.
pub(super) fn readable_secrets(path: &Path, settings: &[Setting]) -> Option<String> {
    let in_file = settings.iter().filter(|setting| matches!(setting.origin, Origin::File { .. }));
    let mut secrets = in_file.filter_map(|setting| match setting.key.as_str() {
        "auth.secret" if setting.value.as_str() != Some("off") => Some("auth.secret"),
        "portal.password" if setting.value.as_str() != Some("off") => Some("portal.password"),
        "auth.keys" if holds_secret(&setting.value) => Some("a secret in auth.keys"),
        key => property_name(key).map(|_| PROPERTIES),
    });
    let secret = secrets.next().filter(|_| others_may_read(path))?;
    Some(format!("{} holds {secret} and can be read by other users: chmod 600 it", path.display()))
}

/// The same for secrets of webhooks, sources and destinations.
pub(super) fn readable_ways(path: &Path, config: &Config) -> Option<String> {
    let holders = [
        ("webhooks", config.webhooks.iter().any(WebhookConfig::holds_secrets)),
        ("sources", config.sources.poll.iter().any(PollConfig::holds_secrets)),
        ("portal.users", config.portal.holds_secrets()),
        ("destinations", config.destinations.webhook.iter().any(DestinationConfig::holds_secrets)),
    ];
    let (holder, _) = holders.into_iter().find(|(_, holds_secrets)| *holds_secrets)?;
    others_may_read(path)
        .then(|| format!("{} holds a secret in {holder} and can be read by other users: chmod 600 it", path.display()))
}

fn holds_secret(keys: &Value) -> bool {
    let mut tables = keys.as_array().into_iter().flatten().filter_map(Value::as_table);
    tables.any(|key| key.contains_key("secret"))
}

#[cfg(unix)]
fn others_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn others_may_read(_: &Path) -> bool {
    false
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    schema: &'a Schema,
    settings: Vec<Setting>,
}

impl Reader<'_> {
    fn table(&mut self, section: &str, table: DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key =
                if section.is_empty() { name.get_ref().to_string() } else { format!("{section}.{}", name.get_ref()) };
            let origin = Origin::File { path: self.path.to_owned(), line: line_of(self.text, name.span().start) };
            self.entry(section, key, value, origin)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        section: &str,
        key: String,
        value: Spanned<DeValue<'_>>,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        let within_properties = property_name(&key).is_some();
        let is_section = match self.schema.get(&key) {
            _ if section == TOPICS => true,
            // An unquoted `sasl.mechanism = …` is a table in a table to TOML, and one name to librdkafka.
            None if within_properties => value.get_ref().is_table(),
            None => return Err(self.schema.unknown(key, origin, str::to_owned)),
            Some(known) => known.is_table(),
        };
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) if section == TOPICS && table.is_empty() => {
                // It stands for the defaults all the same, where a prefix would say otherwise.
                self.settings.push(self.schema.default_of_topic(&key, origin));
                Ok(())
            }
            DeValue::Table(table) if is_section => self.table(&key, table),
            _ if is_section => {
                let problem = format!("is a section: write [{key}] and its settings below");
                Err(ConfigError::Invalid { setting: Placed { key, origin }, problem })
            }
            DeValue::Table(_) if !self.schema.takes_table(&key) => {
                let problem = "is one setting and has none below it".to_owned();
                Err(ConfigError::Invalid { setting: Placed { key, origin }, problem })
            }
            value => {
                let value = Value::deserialize(ValueDeserializer::from(Spanned::new(span, value)));
                let value = value.map_err(|error| invalid(&key, &origin, error.message()))?;
                self.settings.push(Setting { key, value, origin });
                Ok(())
            }
        }
    }
}

fn invalid(key: &str, origin: &Origin, message: &str) -> ConfigError {
    ConfigError::Invalid {
        setting: Placed { key: key.to_owned(), origin: origin.clone() },
        problem: format!("cannot be read: {message}"),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

//! The names and kinds of all settings, taken from the default configuration, so that no second list can go stale.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::{
    Config, ConfigError, Placed, TopicConfig,
    kafka::forced_property,
    sources::{Origin, Setting},
    topics::check_pattern,
};
use crate::suggest;

/// Section whose keys are librdkafka's, dots included, and not ours to know.
pub(super) const PROPERTIES: &str = "kafka.properties";

/// Section whose sections are called by patterns of topics, dots included.
pub(super) const TOPICS: &str = "topics";

/// All settings with their defaults.
pub(super) struct Schema {
    defaults: Table,
    /// Of a section of topics.
    topic: Table,
}

impl Schema {
    pub(super) fn new() -> Self {
        Self { defaults: to_table(&Config::default()), topic: to_table(&TopicConfig::default()) }
    }

    /// The default of a setting, or the table of a section.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        if let Some((_, name)) = topic_setting(key) {
            return self.topic.get(name);
        }
        let mut parts = key.split('.');
        let first = self.defaults.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.as_table()?.get(part))
    }

    /// Whether the value of a setting may be a table.
    pub(super) fn takes_table(&self, key: &str) -> bool {
        topic_setting(key).is_some_and(|(_, name)| name == "timestamp")
    }

    /// What a section of topics without settings says: the first setting has its default.
    pub(super) fn default_of_topic(&self, section: &str, origin: Origin) -> Setting {
        let (name, value) = self.topic.iter().next().expect("topics have settings");
        Setting { key: format!("{section}.{name}"), value: value.clone(), origin }
    }

    /// The error for a name that is none, with the nearest that is one as it is spelt in that place.
    pub(super) fn unknown(&self, key: String, origin: Origin, spell: impl Fn(&str) -> String) -> ConfigError {
        let names = match topic_setting(&key) {
            Some((pattern, _)) => self.topic.keys().map(|name| format!("{TOPICS}.{pattern}.{name}")).collect(),
            None => self.names(),
        };
        let suggestion = suggest::nearest(&key, names.iter().map(String::as_str)).map(spell);
        ConfigError::Unknown { setting: Placed { key, origin }, suggestion }
    }

    /// Reads one value alone, so that an error is certainly its own, and gives it the type the setting has.
    pub(super) fn checked(&self, mut setting: Setting) -> Result<Setting, ConfigError> {
        let problem = match (property_name(&setting.key), topic_setting(&setting.key)) {
            (Some(name), _) => property(name, &mut setting.value),
            (None, Some((pattern, _))) => {
                check_pattern(pattern).and_then(|()| self.read_alone(&setting.key, &mut setting.value))
            }
            (None, None) => self.read_alone(&setting.key, &mut setting.value),
        };
        match problem {
            Ok(()) => Ok(setting),
            Err(problem) => {
                Err(ConfigError::Invalid { setting: Placed { key: setting.key, origin: setting.origin }, problem })
            }
        }
    }

    /// The defaults with the settings put over them, the last of one name winning.
    pub(super) fn overlaid<'a>(
        &self,
        settings: impl IntoIterator<Item = &'a Setting>,
    ) -> Result<Config, toml::de::Error> {
        let mut table = self.defaults.clone();
        for setting in settings {
            put(&mut table, &setting.key, setting.value.clone());
        }
        Config::deserialize(Value::Table(table))
    }

    fn read_alone(&self, key: &str, value: &mut Value) -> Result<(), String> {
        let default = self.get(key);
        if let (Some(default), Value::String(text)) = (default, &*value)
            && let Some(typed) = from_text(default, text)
        {
            *value = typed;
        }
        let mut table = self.defaults.clone();
        put(&mut table, key, value.clone());
        Config::deserialize(Value::Table(table)).map(drop).map_err(|error| problem(default, value, error.message()))
    }

    fn names(&self) -> Vec<String> {
        self.defaults.iter().flat_map(|(name, value)| names_of(name, value)).collect()
    }
}

/// A serialised configuration, or a part of one, as a table.
pub(super) fn to_table(config: &impl Serialize) -> Table {
    // Plain structs, numbers, texts and maps with text keys always serialise.
    Table::try_from(config).unwrap_or_default()
}

/// The librdkafka property that a key sets, if it does.
pub(super) fn property_name(key: &str) -> Option<&str> {
    key.strip_prefix(PROPERTIES)?.strip_prefix('.')
}

/// The pattern and the name of a setting of topics, if the key is of one.
pub(super) fn topic_setting(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(TOPICS)?.strip_prefix('.')?.rsplit_once('.')
}

fn names_of(name: &str, value: &Value) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    if let Some(table) = value.as_table() {
        names.extend(table.iter().flat_map(|(inner, value)| names_of(&format!("{name}.{inner}"), value)));
    }
    names
}

fn put(table: &mut Table, key: &str, value: Value) {
    let (sections, name): (Vec<&str>, &str) = match (property_name(key), topic_setting(key)) {
        (Some(name), _) => (PROPERTIES.split('.').collect(), name),
        (None, Some((pattern, name))) => (vec![TOPICS, pattern], name),
        (None, None) => match key.rsplit_once('.') {
            Some((section, name)) => (section.split('.').collect(), name),
            None => (Vec::new(), key),
        },
    };
    let mut at = table;
    for section in sections {
        match at.entry(section).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => at = inner,
            _ => return,
        }
    }
    at.insert(name.to_owned(), value);
}

/// The environment and the command line know only texts; in a file a list may be written as one text too.
fn from_text(default: &Value, text: &str) -> Option<Value> {
    match default {
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
        _ => None,
    }
}

fn property(name: &str, value: &mut Value) -> Result<(), String> {
    if let Some(reason) = forced_property(name) {
        return Err(format!("cannot be set: {name} {reason}"));
    }
    let text = match &*value {
        Value::String(_) => return Ok(()),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Float(number) => number.to_string(),
        // The value itself may be a secret: it is not shown.
        _ => return Err("must be a text, a number or true or false".to_owned()),
    };
    *value = Value::String(text);
    Ok(())
}

/// Our own parsers say what they want; serde's texts name types of Rust, so they are said anew.
fn problem(default: Option<&Value>, value: &Value, message: &str) -> String {
    if message.starts_with("must ") || message.starts_with("cannot ") {
        return message.to_owned();
    }
    match (default, value) {
        (Some(Value::Boolean(_)), _) => format!("must be true or false, not {value}"),
        (Some(Value::Integer(_)), Value::Integer(_)) => {
            format!("must be a whole number from 0 to {}, not {value}", u32::MAX)
        }
        (Some(Value::Integer(_)), _) => format!("must be a whole number, not {value}"),
        (Some(Value::Array(_)), _) => format!("must be a list of texts, not {value}"),
        _ => format!("must be a text, not {value}"),
    }
}

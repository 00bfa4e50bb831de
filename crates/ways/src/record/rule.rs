//! `Rule`: where in a JSON value the parts of its record are. The settings that all ways share.

use std::str::FromStr;

use quix_model::{NotAPointer, Pointer, Time};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::Table;

use crate::fields::Fields;

/// How a record is made of a JSON value. Default: the value itself, in the way's own stream, at the time of receipt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rule {
    /// Stream of all values. Default: the way's own, its name. Not together with `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// Where the id of a value's stream is: a string or a number. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Pointer>,
    /// Where a value's time is. Default: the time of receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Time>,
    /// What is made of a value. Default: an event where there is an id for it, else the value itself.
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// Id of the event. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Where the tags of an event or of parameter data are; called as parameters would be. One that is not there is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pointer>,
}

/// What is made of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The value itself, in no form of Quix's.
    Json,
    /// An event whose value is the JSON text.
    Event,
    /// Numbers and texts of an object, each a parameter.
    Parameters,
}

/// How the id of an event is found; written as one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventId {
    /// Begins with `/`: a string, number or boolean there.
    At(Pointer),
    /// Anything else: always this.
    Name(String),
}

impl Rule {
    /// Takes the settings of a rule out of those of a way.
    pub fn take(fields: &mut Fields) -> Result<Self, String> {
        let rule = Self {
            stream: fields.take("stream")?,
            key: fields.take("key")?,
            timestamp: fields.take("timestamp")?,
            form: fields.take("as")?,
            event: fields.take("event")?,
            tags: fields.take("tags")?.unwrap_or_default(),
        };
        rule.check().map(|()| rule)
    }

    fn check(&self) -> Result<(), String> {
        if self.stream.is_some() && self.key.is_some() {
            return Err("has both `stream` and `key`: leave one out".to_owned());
        }
        if self.stream.as_deref() == Some("") {
            return Err("has an empty `stream`".to_owned());
        }
        match self.form {
            Some(Form::Json | Form::Parameters) if self.event.is_some() => {
                Err("has an `event`, and `as` makes none: leave one out".to_owned())
            }
            Some(Form::Json) if !self.tags.is_empty() => {
                Err("has `tags`, and `as = \"json\"` has no place for them".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::new(Table::deserialize(deserializer)?);
        let rule = Self::take(&mut fields).and_then(|rule| fields.finish().map(|()| rule));
        rule.map_err(|problem| de::Error::custom(format!("must be a rule for records: it {problem}")))
    }
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "json" => Ok(Self::Json),
            "event" => Ok(Self::Event),
            "parameters" => Ok(Self::Parameters),
            other => Err(de::Error::custom(format!("must be \"json\", \"event\" or \"parameters\", not {other:?}"))),
        }
    }
}

impl FromStr for EventId {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with('/') { text.parse().map(Self::At) } else { Ok(Self::Name(text.to_owned())) }
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(pointer) => pointer.serialize(serializer),
            Self::Name(name) => serializer.serialize_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back_as_they_are_shown() {
        for text in [
            "",
            "stream = \"s\"\nevent = \"/type\"\n",
            "key = \"/id\"\ntimestamp = \"/at\"\nas = \"parameters\"\ntags = [\"/a\", \"/b/c\"]\n",
            "as = \"event\"\nevent = \"clicked\"\n\n[timestamp]\npointer = \"/t\"\nunit = \"ms\"\n",
        ] {
            let rule: Rule = toml::from_str(text).unwrap();
            let shown = toml::to_string(&rule).unwrap();
            assert_eq!(toml::from_str::<Rule>(&shown).unwrap(), rule, "{shown}");
            assert_eq!(shown, text);
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        for (text, problem) in [
            ("strem = 's'", "it has `strem`, which is none of stream, key, timestamp, as, event, tags"),
            ("stream = 's'\nkey = '/k'", "it has both `stream` and `key`: leave one out"),
            ("stream = ''", "it has an empty `stream`"),
            ("key = 'id'", "it has a setting `key` that must be a JSON pointer such as \"/user/id\", not \"id\""),
            ("as = 'rows'", "it has a setting `as` that must be \"json\", \"event\" or \"parameters\", not \"rows\""),
            ("as = 'parameters'\nevent = 'x'", "it has an `event`, and `as` makes none: leave one out"),
            ("as = 'json'\ntags = ['/a']", "it has `tags`, and `as = \"json\"` has no place for them"),
            (
                "timestamp = { pointer = '/t', unit = 'min' }",
                "it has a setting `timestamp` that must be \"/pointer\" or { pointer = \"/t\", unit = \"ms\" } with \
                 a unit s, ms, us or ns",
            ),
        ] {
            let error = toml::from_str::<Rule>(text).unwrap_err();
            assert_eq!(error.message(), format!("must be a rule for records: {problem}"), "{text}");
        }
    }
}

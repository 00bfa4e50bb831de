//! `[topics."PATTERN"]`: how records of some topics are written and read.

use kafka_bridge::names::check_topic_name;
use quix_gateway::{ReadRules, RowRule, Splitting, WriteForm, WriteRules, WriteSettings};
use quix_model::{Pointer, Time};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::values;

/// How records of the topics are written and read that the section's name stands for: one topic's name, or the beginning of names with
/// `*` behind it. For a topic that several stand for its own name counts, else the longest beginning. Only a settings file can
/// hold such sections.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicConfig {
    /// What stands around the model. Default `legacy`, Quix's JSON envelope, which all Quix Streams clients read.
    pub form: Form,
    /// What becomes of a record larger than `max_message_size`. Default `off`: the call is refused.
    pub split: Split,
    /// Bytes of the value of one record. `None`, written `"auto"`, is the default: as many as the broker takes, where split
    /// 1 000 000. At least 2 KiB. Past it: as `split` says; a refusal is HTTP 413.
    #[serde(with = "values::auto_size")]
    pub max_message_size: Option<usize>,
    /// Whether parameters may be called `Timestamp`, at which Python readers stop, or `Tags`, which they overwrite. Default
    /// no: HTTP 400.
    pub allow_reserved_parameters: bool,
    /// Whether ids of streams and definitions with `/` or `\` are refused with HTTP 400: .NET readers before 0.6.3 show them
    /// under another id. Default no.
    pub refuse_slashes: bool,
    /// What records in no Quix form are to readers. Default `json`: plain payloads, which only those of packages get.
    #[serde(rename = "as")]
    pub read_as: ReadAs,
    /// Where the time of a row is: RFC 3339 without a unit, else a number. `None`, written `"record"`, is the default: the
    /// time of the record; so it is for rows that have none there.
    #[serde(with = "timestamp")]
    pub timestamp: Option<Time>,
    /// Where the tags of a row are; called as parameters would be. Default: none.
    pub tags: Vec<Pointer>,
}

/// What records in no Quix form are to readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadAs {
    /// Plain payloads.
    #[default]
    Json,
    /// Those of packages get the same; to all others they are parameter data, a JSON object a row, as [`RowRule`] has it.
    Parameters,
}

/// Around the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// The JSON envelope.
    #[default]
    Legacy,
    /// The bare model, its kind in headers: for back ends on Quix Streams 3 or C# from 0.6 only.
    Headers,
    /// Events and parameter data as plain JSON: for back ends that know no Quix. Nothing else is written.
    Json,
}

/// What becomes of what is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// It is refused.
    #[default]
    Off,
    /// It is cut into at most 255 pieces, which only .NET readers put together; Python readers stop at each.
    Legacy,
}

impl TopicConfig {
    fn row_rule(&self) -> Option<RowRule> {
        let is_rows = self.read_as == ReadAs::Parameters;
        is_rows.then(|| RowRule::new(self.timestamp.clone(), self.tags.clone()))
    }

    fn write_settings(&self) -> WriteSettings {
        let (form, splitting) = match (self.form, self.split) {
            (Form::Legacy, Split::Off) => (WriteForm::Legacy, Splitting::Refuse),
            (Form::Legacy, Split::Legacy) => (WriteForm::Legacy, Splitting::Legacy),
            (Form::Headers, _) => (WriteForm::Headers, Splitting::Refuse),
            (Form::Json, _) => (WriteForm::Json, Splitting::Refuse),
        };
        let auto = match splitting {
            Splitting::Refuse => WriteRules::DEFAULT.max_value_bytes,
            Splitting::Legacy => WriteSettings::default().max_value_bytes,
        };
        WriteSettings {
            form,
            splitting,
            max_value_bytes: self.max_message_size.unwrap_or(auto),
            allow_reserved_parameters: self.allow_reserved_parameters,
            refuse_slashes: self.refuse_slashes,
        }
    }
}

/// All sections as the gateway takes them.
pub(crate) fn write_rules<'a>(topics: impl IntoIterator<Item = (&'a String, &'a TopicConfig)>) -> WriteRules {
    WriteRules::new(topics.into_iter().map(|(pattern, topic)| (pattern.clone(), topic.write_settings())))
}

/// The same for reading.
pub(crate) fn read_rules<'a>(topics: impl IntoIterator<Item = (&'a String, &'a TopicConfig)>) -> ReadRules {
    ReadRules::new(topics.into_iter().map(|(pattern, topic)| (pattern.clone(), topic.row_rule())))
}

/// Why no topic can be meant by a pattern, if so.
pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    let checked = match pattern.strip_suffix('*') {
        // Of one that is too short to be a name only the characters matter.
        Some(beginning) => check_topic_name(&format!("{beginning}x")),
        None => check_topic_name(pattern),
    };
    checked.map_err(|error| {
        format!(
            "cannot be set: {pattern:?} must be a topic's name, or the beginning of names and `*` behind it: {error}"
        )
    })
}

impl<'de> Deserialize<'de> for Form {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "legacy" => Ok(Self::Legacy),
            "headers" => Ok(Self::Headers),
            "json" => Ok(Self::Json),
            other => Err(de::Error::custom(format!("must be \"legacy\", \"headers\" or \"json\", not {other:?}"))),
        }
    }
}

impl<'de> Deserialize<'de> for Split {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "off" => Ok(Self::Off),
            "legacy" => Ok(Self::Legacy),
            other => Err(de::Error::custom(format!("must be \"off\" or \"legacy\", not {other:?}"))),
        }
    }
}

impl<'de> Deserialize<'de> for ReadAs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "json" => Ok(Self::Json),
            "parameters" => Ok(Self::Parameters),
            other => Err(de::Error::custom(format!("must be \"json\" or \"parameters\", not {other:?}"))),
        }
    }
}

/// `Option<Time>`, `None` written as `"record"`.
mod timestamp {
    use toml::Value;

    use super::{Deserialize, Deserializer, Serialize, Time, de};

    pub(super) fn serialize<S: serde::Serializer>(time: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => time.serialize(serializer),
            None => serializer.serialize_str("record"),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.as_str() == Some("record") {
            return Ok(None);
        }
        Time::deserialize(value).map(Some).map_err(|error| de::Error::custom(error.message()))
    }
}

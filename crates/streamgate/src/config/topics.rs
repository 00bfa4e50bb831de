//! `[topics."PATTERN"]`: how records of some topics are written.

use kafka_bridge::names::check_topic_name;
use quix_gateway::{Splitting, WriteForm, WriteRules, WriteSettings};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::values;

/// How records of the topics are written that the section's name stands for: one topic's name, or the beginning of names with
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

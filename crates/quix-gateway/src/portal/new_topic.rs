//! `Wanted`: the topic that a program asks for, read as its clients write it.

use kafka_bridge::topic_settings::{Cleanup, NewTopic};
use serde_json::{Map, Value};

/// A topic that is to be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// As the program calls it: by name or id.
    pub(super) name: String,
    /// What it is to be like.
    pub(super) topic: NewTopic,
}

impl Wanted {
    /// Of `{"name":…,"configuration":{…}}`. Names of members in any case; what is `null`, missing or unknown is as the broker
    /// has it. Numbers below 0 are limits that are none. An error is a sentence about what cannot be.
    pub(super) fn read(body: &[u8], max_partitions: i32) -> Result<Self, String> {
        let document: Value = serde_json::from_slice(body).map_err(|error| format!("The body is no JSON: {error}."))?;
        let Some(document) = document.as_object() else { return Err(EXAMPLE.to_owned()) };
        let Some(Value::String(name)) = member(document, "name") else { return Err(EXAMPLE.to_owned()) };
        let none = Map::new();
        let configuration = match member(document, "configuration") {
            None => &none,
            Some(Value::Object(configuration)) => configuration,
            Some(_) => return Err(EXAMPLE.to_owned()),
        };
        let partitions = count(configuration, "partitions", max_partitions, " (portal.max_partitions)")?;
        let replication_factor = count(configuration, "replicationFactor", i16::MAX.into(), "")?;
        let minutes = number(configuration, "retentionInMinutes")?;
        let cleanup = match member(configuration, "cleanupPolicy") {
            None => None,
            Some(Value::String(words)) => Some(cleanup(words).ok_or_else(|| {
                format!("cleanupPolicy must be delete, compact or compact,delete, not {:?}.", short(words))
            })?),
            Some(_) => return Err("cleanupPolicy must be delete, compact or compact,delete.".to_owned()),
        };
        let topic = NewTopic {
            partitions,
            replication_factor,
            retention_ms: minutes.map(|minutes| minutes.saturating_mul(60_000)),
            retention_bytes: number(configuration, "retentionInBytes")?,
            cleanup,
        };
        Ok(Self { name: name.clone(), topic })
    }
}

/// A member that is there and not `null`. Old clients write its name large, new ones small.
fn member<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    object.iter().find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null()).map(|(_, value)| value)
}

fn number(object: &Map<String, Value>, name: &str) -> Result<Option<i64>, String> {
    let Some(value) = member(object, name) else { return Ok(None) };
    value.as_i64().map(Some).ok_or_else(|| format!("{name} must be a whole number."))
}

/// What was asked for is made or refused, never cut down: clients compare.
fn count(object: &Map<String, Value>, name: &str, most: i32, set_by: &str) -> Result<Option<i32>, String> {
    let Some(asked) = number(object, name)? else { return Ok(None) };
    match i32::try_from(asked) {
        Ok(asked) if (1..=most).contains(&asked) => Ok(Some(asked)),
        _ => Err(format!("{name} must be from 1 to {most}{set_by}, not {asked}.")),
    }
}

/// Requests have Kafka's words, answers Quix's; both are understood.
fn cleanup(words: &str) -> Option<Cleanup> {
    Cleanup::parse(words)
        .or_else(|| words.eq_ignore_ascii_case(super::topics::BOTH).then_some(Cleanup::CompactAndDelete))
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

const EXAMPLE: &str = "The body must be like {\"name\": \"cpu-load\", \"configuration\": {\"partitions\": 1}}.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_generations_are_understood() {
        let changelog = r#"{"name":"changelog__g--t--s","configuration":{"partitions":4,"replicationFactor":1,
            "retentionInMinutes":10080,"retentionInBytes":-1,"cleanupPolicy":"compact"}}"#;
        let nulls = r#"{"name":"t","configuration":{"partitions":null,"replicationFactor":null,"retentionInMinutes":null,
            "retentionInBytes":null,"cleanupPolicy":null}}"#;
        let of_changelog = NewTopic {
            partitions: Some(4),
            replication_factor: Some(1),
            retention_ms: Some(604_800_000),
            retention_bytes: Some(-1),
            cleanup: Some(Cleanup::Compact),
        };
        let both = NewTopic { cleanup: Some(Cleanup::CompactAndDelete), ..NewTopic::default() };
        for (body, name, topic) in [
            (r#"{"Name":"cpu-load"}"#, "cpu-load", NewTopic::default()),
            (r#"{"name":"t","more":1,"configuration":null}"#, "t", NewTopic::default()),
            (nulls, "t", NewTopic::default()),
            (changelog, "changelog__g--t--s", of_changelog),
            (r#"{"name":"t","configuration":{"cleanupPolicy":"compact,delete"}}"#, "t", both),
            (r#"{"NAME":"t","CONFIGURATION":{"CLEANUPPOLICY":"DeleteAndCompact"}}"#, "t", both),
        ] {
            assert_eq!(Wanted::read(body.as_bytes(), 64), Ok(Wanted { name: name.to_owned(), topic }), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (body, message) in [
            ("", "The body is no JSON: EOF while parsing a value at line 1 column 0."),
            ("[]", EXAMPLE),
            (r#"{"name":null}"#, EXAMPLE),
            (r#"{"name":"t","configuration":7}"#, EXAMPLE),
            (
                r#"{"name":"t","configuration":{"partitions":65}}"#,
                "partitions must be from 1 to 64 (portal.max_partitions), not 65.",
            ),
            (
                r#"{"name":"t","configuration":{"partitions":0}}"#,
                "partitions must be from 1 to 64 (portal.max_partitions), not 0.",
            ),
            (r#"{"name":"t","configuration":{"partitions":"3"}}"#, "partitions must be a whole number."),
            (
                r#"{"name":"t","configuration":{"replicationFactor":-1}}"#,
                "replicationFactor must be from 1 to 32767, not -1.",
            ),
            (
                r#"{"name":"t","configuration":{"cleanupPolicy":"shred"}}"#,
                "cleanupPolicy must be delete, compact or compact,delete, not \"shred\".",
            ),
        ] {
            assert_eq!(Wanted::read(body.as_bytes(), 64), Err(message.to_owned()), "{body}");
        }
    }
}

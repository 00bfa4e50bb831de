//! One line of input as one event of the HTTP API.

use serde::{Deserialize, Deserializer, Serialize, de::IgnoredAny};

/// What lines that do not say so themselves belong to.
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    pub(super) stream: String,
    pub(super) id: String,
}

/// The event as one line of JSON, without a line break. `now` (ns) is when the line was read.
///
/// An object with `value` and `id` or `timestamp` is kept digit for digit; only a missing stream, id or timestamp is added.
/// Anything else is a value.
pub(super) fn encode(line: &str, defaults: &Defaults, now: u64) -> Result<String, serde_json::Error> {
    if let Some(event) = as_event(line) {
        return add_missing(&event, defaults, now);
    }
    serde_json::to_string(&NewEvent { stream_id: &defaults.stream, id: &defaults.id, timestamp: now, value: line })
}

struct Given<'a> {
    text: &'a str,
    has_stream: bool,
    has_id: bool,
    has_timestamp: bool,
}

fn as_event(line: &str) -> Option<Given<'_>> {
    let text = line.trim();
    if !text.starts_with('{') {
        return None;
    }
    let members: Members = serde_json::from_str(text).ok()?;
    let is_event = members.value && (members.id || members.timestamp);
    is_event.then_some(Given {
        text,
        has_stream: members.stream_id,
        has_id: members.id,
        has_timestamp: members.timestamp,
    })
}

fn add_missing(event: &Given<'_>, defaults: &Defaults, now: u64) -> Result<String, serde_json::Error> {
    let mut added = String::from("{");
    for (name, value, given) in [("streamId", &defaults.stream, event.has_stream), ("id", &defaults.id, event.has_id)] {
        if !given {
            added.push_str(&format!("\"{name}\":{},", serde_json::to_string(value)?));
        }
    }
    if !event.has_timestamp {
        added.push_str(&format!("\"timestamp\":{now},"));
    }
    added.push_str(event.text.strip_prefix('{').unwrap_or(event.text));
    Ok(added)
}

/// Which members an object has; `null` is one too, and what they hold is the server's to judge.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Members {
    #[serde(deserialize_with = "given")]
    stream_id: bool,
    #[serde(deserialize_with = "given")]
    id: bool,
    #[serde(deserialize_with = "given")]
    timestamp: bool,
    #[serde(deserialize_with = "given")]
    value: bool,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewEvent<'a> {
    stream_id: &'a str,
    id: &'a str,
    timestamp: u64,
    value: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_events() {
        let defaults = Defaults { stream: "cli".to_owned(), id: "line".to_owned() };
        let plain = |value: &str| format!(r#"{{"streamId":"cli","id":"line","timestamp":7,"value":{value}}}"#);
        for (line, expected) in [
            ("hello", plain(r#""hello""#)),
            ("", plain(r#""""#)),
            ("say \"hi\"\u{1b}", plain(r#""say \"hi\"\u001b""#)),
            (r#"{"value":"v"}"#, plain(r#""{\"value\":\"v\"}""#)),
            (r#"{"id":"A"}"#, plain(r#""{\"id\":\"A\"}""#)),
            (r#"{"id":"A","value":"v""#, plain(r#""{\"id\":\"A\",\"value\":\"v\"""#)),
            (r#"["id","value"]"#, plain(r#""[\"id\",\"value\"]""#)),
            (
                r#" {"id":"A","timestamp":1700000000000000001,"value":"v","tags":{"a":"b"}} "#,
                r#"{"streamId":"cli","id":"A","timestamp":1700000000000000001,"value":"v","tags":{"a":"b"}}"#
                    .to_owned(),
            ),
            (
                r#"{"streamId":"s","id":"A","value":null}"#,
                r#"{"timestamp":7,"streamId":"s","id":"A","value":null}"#.to_owned(),
            ),
            (
                r#"{"timestamp":1,"value":"v"}"#,
                r#"{"streamId":"cli","id":"line","timestamp":1,"value":"v"}"#.to_owned(),
            ),
        ] {
            assert_eq!(encode(line, &defaults, 7).unwrap(), expected, "{line}");
        }
    }
}

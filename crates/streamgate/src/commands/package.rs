//! A package as lines for people: time, position, stream, kind, content.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    io::{self, Write},
};

use serde::Deserialize;
use serde_json::Value;

use super::text::escape;

/// What the server sends per package, as far as people read it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package {
    stream_id: String,
    r#type: String,
    /// A JSON text, by the type's model.
    value: Value,
    date_time: String,
    partition: i32,
    offset: i64,
}

/// Where packages are missing, as the server sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gap {
    partition: i32,
    next_offset: i64,
    lost: i64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, next_offset, lost } = self;
        match lost {
            0 => write!(f, "partition {partition} ends before that offset; going on at {next_offset}"),
            1 => write!(f, "1 package of partition {partition} is gone; going on at offset {next_offset}"),
            _ => write!(f, "{lost} packages of partition {partition} are gone; going on at offset {next_offset}"),
        }
    }
}

/// Prints one line, for several events in one package one line each.
pub(super) fn print(package: &Package, out: &mut impl Write) -> io::Result<()> {
    for content in contents(package) {
        writeln!(
            out,
            "{} {}:{} {} {} {}",
            escape(&package.date_time),
            package.partition,
            package.offset,
            if package.stream_id.is_empty() { "-".into() } else { escape(&package.stream_id) },
            escape(kind(&package.r#type)),
            escape(&content),
        )?;
    }
    Ok(())
}

/// `QuixStreams.Telemetry.Models.EventDataRaw[]` is `EventData`.
fn kind(name: &str) -> &str {
    let last = name.rsplit('.').next().unwrap_or(name);
    let one = last.strip_suffix("[]").unwrap_or(last);
    one.strip_suffix("Raw").unwrap_or(one)
}

fn contents(package: &Package) -> Vec<String> {
    let text = match &package.value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let known = match kind(&package.r#type) {
        "EventData" => events(&text),
        "TimeseriesData" | "ParameterData" => timeseries(&text).map(|line| vec![line]),
        _ => None,
    };
    known.unwrap_or_else(|| vec![text])
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    id: String,
    value: Option<String>,
    #[serde(default)]
    tags: Option<BTreeMap<String, Option<String>>>,
}

fn events(text: &str) -> Option<Vec<String>> {
    let events: Vec<Event> =
        serde_json::from_str(text).or_else(|_| serde_json::from_str(text).map(|event: Event| vec![event])).ok()?;
    let line = |event: &Event| {
        let mut line = format!("{} {}", event.id, event.value.as_deref().unwrap_or("null"));
        for (name, value) in event.tags.iter().flatten() {
            // Writing to a `String` cannot fail.
            let _ = write!(line, " {name}={}", value.as_deref().unwrap_or("null"));
        }
        line
    };
    (!events.is_empty()).then(|| events.iter().map(line).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Timeseries {
    timestamps: Vec<Value>,
    #[serde(default)]
    numeric_values: Option<BTreeMap<String, Vec<Value>>>,
    #[serde(default)]
    string_values: Option<BTreeMap<String, Vec<Value>>>,
    #[serde(default)]
    binary_values: Option<BTreeMap<String, Vec<Value>>>,
}

fn timeseries(text: &str) -> Option<String> {
    let data: Timeseries = serde_json::from_str(text).ok()?;
    let count = data.timestamps.len();
    let mut line = if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
    for (name, values) in data.numeric_values.iter().chain(&data.string_values).flatten() {
        let shown: Vec<String> = values.iter().take(SHOWN_VALUES).map(Value::to_string).collect();
        let more = if values.len() > SHOWN_VALUES { ",…" } else { "" };
        let _ = write!(line, " {name}={}{more}", shown.join(","));
    }
    for (name, values) in data.binary_values.iter().flatten() {
        let _ = write!(line, " {name}=({} binary)", values.len());
    }
    Some(line)
}

/// Of each parameter; `--json` has them all.
const SHOWN_VALUES: usize = 4;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(r#type: &str, value: &str) -> String {
        let line = json!({
            "topicId": "local-t", "topicName": "t", "streamId": "s\u{1b}1", "type": r#type, "value": value,
            "dateTime": "2026-11-25T03:30:57.123Z", "partition": 0, "offset": 42,
        });
        let mut out = Vec::new();
        print(&serde_json::from_value(line).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_reads_well() {
        const MODELS: &str = "QuixStreams.Telemetry.Models.";
        let start = "2026-11-25T03:30:57.123Z 0:42 s\\u{1b}1";
        for (r#type, value, expected) in [
            (
                "EventDataRaw[]",
                r#"[{"Timestamp":1,"Tags":{"lap":"2"},"Id":"A","Value":"x\ny"},{"Timestamp":2,"Tags":{},"Id":"B","Value":null}]"#,
                vec!["EventData A x\\ny lap=2", "EventData B null"],
            ),
            ("EventDataRaw", r#"{"Timestamp":1,"Id":"A","Value":"v"}"#, vec!["EventData A v"]),
            ("EventDataRaw[]", "[]", vec!["EventData []"]),
            ("EventDataRaw[]", "not json", vec!["EventData not json"]),
            (
                "TimeseriesDataRaw",
                r#"{"Epoch":0,"Timestamps":[1,2,3,4,5],"NumericValues":{"rpm":[1.5,null,3,4,5]},"StringValues":{"who":["a"]},"BinaryValues":{"img":["AA=="]},"TagValues":{}}"#,
                vec!["TimeseriesData 5 rows rpm=1.5,null,3,4,… who=\"a\" img=(1 binary)"],
            ),
            ("StreamEnd", r#"{"StreamEndType":0}"#, vec![r#"StreamEnd {"StreamEndType":0}"#]),
        ] {
            let lines: String = expected.iter().map(|line| format!("{start} {line}\n")).collect();
            assert_eq!(printed(&format!("{MODELS}{type}"), value), lines);
        }
    }
}

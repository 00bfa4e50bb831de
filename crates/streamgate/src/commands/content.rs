//! What a package holds, by its model, as lines for people. What is not as the model has it is shown as it is.

use std::{collections::BTreeMap, fmt::Write};

use serde::Deserialize;
use serde_json::{Map, Value};

/// `QuixStreams.Telemetry.Models.EventDataRaw[]` is `EventData`.
pub(super) fn kind(name: &str) -> &str {
    let last = name.rsplit('.').next().unwrap_or(name);
    let one = last.strip_suffix("[]").unwrap_or(last);
    one.strip_suffix("Raw").unwrap_or(one)
}

/// At least one line.
pub(super) fn contents(kind: &str, text: &str) -> Vec<String> {
    let known = match kind {
        "EventData" => events(text),
        "TimeseriesData" | "ParameterData" => rows(text),
        "StreamProperties" => serde_json::from_str(text).ok().map(|members| vec![named(&members)]),
        "ParameterDefinitions" => definitions(text, "ParameterGroups", "Parameters"),
        "EventDefinitions" => definitions(text, "EventGroups", "Events"),
        "StreamEnd" => end(text),
        "String" => serde_json::from_str(text).ok().map(|text: String| vec![text]),
        "Byte" => serde_json::from_str(text).ok().map(|text: String| vec![format!("{} {text}", bytes(&text))]),
        _ => None,
    };
    match known {
        Some(lines) if lines.is_empty() => vec!["none".to_owned()],
        Some(lines) => lines,
        None => vec![text.to_owned()],
    }
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
    Some(events.iter().map(line).collect())
}

type Columns = Option<BTreeMap<String, Vec<Value>>>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Timeseries {
    #[serde(default)]
    epoch: i64,
    timestamps: Vec<i64>,
    #[serde(default)]
    numeric_values: Columns,
    #[serde(default)]
    string_values: Columns,
    #[serde(default)]
    binary_values: Columns,
    #[serde(default)]
    tag_values: Columns,
}

fn rows(text: &str) -> Option<Vec<String>> {
    let data: Timeseries = serde_json::from_str(text).ok()?;
    let rows = data.timestamps.len();
    let mut lines: Vec<_> = (0..rows.min(SHOWN_ROWS)).map(|row| data.row(row)).collect();
    if rows > SHOWN_ROWS {
        lines.push(format!("and {} rows more; --json has them", rows - SHOWN_ROWS));
    }
    Some(lines)
}

impl Timeseries {
    /// Time and values, without those that are null.
    fn row(&self, row: usize) -> String {
        let mut line = self.epoch.saturating_add(self.timestamps[row]).to_string();
        let mut add = |columns: &Columns, shown: fn(&Value) -> String| {
            for (name, values) in columns.iter().flatten() {
                if let Some(value) = values.get(row).filter(|value| !value.is_null()) {
                    let _ = write!(line, " {name}={}", shown(value));
                }
            }
        };
        add(&self.numeric_values, Value::to_string);
        add(&self.string_values, Value::to_string);
        add(&self.binary_values, |value| bytes(value.as_str().unwrap_or_default()));
        add(&self.tag_values, |value| value.as_str().unwrap_or_default().to_owned());
        line
    }
}

/// One line for each, those at the top first.
fn definitions(text: &str, groups: &str, items: &str) -> Option<Vec<String>> {
    fn list(group: &Map<String, Value>, at: &str, groups: &str, items: &str, lines: &mut Vec<String>) {
        let objects = |name: &str| group.get(name).and_then(Value::as_array).into_iter().flatten();
        for mut item in objects(items).filter_map(Value::as_object).cloned() {
            let id = item.remove("Id");
            let id = id.as_ref().and_then(Value::as_str).unwrap_or_default();
            lines.push(format!("{at}/{id} {}", named(&item)).trim_end().to_owned());
        }
        for inner in objects(groups).filter_map(Value::as_object) {
            let name = inner.get("Name").and_then(Value::as_str).unwrap_or_default();
            list(inner, &format!("{at}/{name}"), "ChildGroups", items, lines);
        }
    }
    let top: Map<String, Value> = serde_json::from_str(text).ok()?;
    let mut lines = Vec::new();
    list(&top, "", groups, items, &mut lines);
    Some(lines)
}

fn end(text: &str) -> Option<Vec<String>> {
    const ENDS: [&str; 3] = ["Closed", "Aborted", "Terminated"];
    let end: Value = serde_json::from_str(text).ok()?;
    let number = usize::try_from(end.get("StreamEndType")?.as_u64()?).ok()?;
    Some(vec![(*ENDS.get(number)?).to_owned()])
}

/// `Name="Car A" MaximumValue=7.0`, without members that are null or empty.
fn named(members: &Map<String, Value>) -> String {
    let is_something = |value: &Value| match value {
        Value::Null => false,
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    let shown = |(name, value): (&String, &Value)| match value.as_u64().and_then(|level| LEVELS.get(level as usize)) {
        Some(level) if name == "Level" => format!("{name}={level}"),
        _ => format!("{name}={value}"),
    };
    let shown: Vec<_> = members.iter().filter(|(_, value)| is_something(value)).map(shown).collect();
    shown.join(" ")
}

/// How many there are in a text of base64.
fn bytes(base64: &str) -> String {
    let digits = base64.trim_end_matches('=').len();
    format!("({} bytes)", digits * 3 / 4)
}

/// Of events, by their numbers.
const LEVELS: [&str; 6] = ["Trace", "Debug", "Information", "Warning", "Error", "Critical"];

/// Of each package.
const SHOWN_ROWS: usize = 20;

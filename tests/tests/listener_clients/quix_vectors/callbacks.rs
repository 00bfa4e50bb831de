//! What quixstreams 0.5.7 was called back with when the vectors were captured, and the same made of what pages are sent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// Callbacks of one scenario, without those that only announce a stream.
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) callbacks: Vec<Value>,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/quix-model/tests/vectors").canonicalize().unwrap()
}

pub(crate) fn vector(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(format!("{name}.json"))).unwrap()).unwrap()
}

/// All scenarios as read back in a codec. Only timeseries differ by it.
pub(crate) fn scenarios(codec: &str) -> Vec<Scenario> {
    SCENARIOS
        .iter()
        .map(|name| {
            let codec = if name.starts_with("timeseries") { codec } else { "json" };
            let codec = if *name == "timeseries_buffer" { "json" } else { codec };
            let callbacks = vector(&format!("v05-{name}-{codec}"))["read_by_v05"].as_array().unwrap().clone();
            let callbacks = callbacks.into_iter().filter(|one| one["callback"] != "stream").map(without_stream);
            Scenario { name: (*name).to_owned(), callbacks: callbacks.collect() }
        })
        .collect()
}

/// Without the stream that it is of.
pub(crate) fn without_stream(mut callback: Value) -> Value {
    callback.as_object_mut().unwrap().remove("stream");
    callback
}

/// The callbacks that a package tells of.
pub(crate) fn of_package(package: &Value) -> Vec<Value> {
    let value: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
    match package["type"].as_str().unwrap().trim_start_matches("QuixStreams.Telemetry.Models.") {
        "EventDataRaw[]" => value.as_array().unwrap().iter().map(event).collect(),
        "TimeseriesDataRaw" => vec![json!({
            "callback": "timeseries",
            "epoch": value["Epoch"],
            "timestamps": value["Timestamps"],
            "numeric": numbers(&value["NumericValues"]),
            "string": value["StringValues"],
            "binary": value["BinaryValues"],
            "tags": value["TagValues"],
        })],
        "StreamProperties" => vec![json!({
            "callback": "properties",
            "name": value["Name"],
            "location": value["Location"],
            "metadata": value["Metadata"],
            "parents": value["Parents"],
            "time_of_recording": value["TimeOfRecording"].as_str().map(|time| time.trim_end_matches('Z')),
        })],
        "ParameterDefinitions" => {
            let definitions = located(&value, "ParameterGroups", "Parameters", "", &parameter_definition);
            vec![json!({ "callback": "parameter definitions", "definitions": definitions })]
        }
        "EventDefinitions" => {
            let definitions = located(&value, "EventGroups", "Events", "", &event_definition);
            vec![json!({ "callback": "event definitions", "definitions": definitions })]
        }
        "StreamEnd" => {
            let end = ["Closed", "Aborted", "Terminated"][value["StreamEndType"].as_u64().unwrap() as usize];
            vec![json!({ "callback": "closed", "end": end })]
        }
        other => panic!("a package of type {other}"),
    }
}

/// The callback that an event of `EventDataReceived` tells of, which spells its members otherwise.
pub(crate) fn of_event_received(event: &Value) -> Value {
    let (timestamp, id, value, tags) = (&event["timestamp"], &event["id"], &event["value"], &event["tags"]);
    json!({ "callback": "event", "timestamp": timestamp, "id": id, "value": elided(value), "tags": tags })
}

/// The callback that the argument of `ParameterDataReceived` tells of.
pub(crate) fn of_parameter_data_received(data: &Value) -> Value {
    json!({
        "callback": "timeseries",
        "epoch": data["epoch"],
        "timestamps": data["timestamps"],
        "numeric": numbers(&data["numericValues"]),
        "string": data["stringValues"],
        "binary": data["binaryValues"],
        "tags": data["tagValues"],
    })
}

/// The same timeseries by absolute times.
pub(crate) fn absolute(mut callback: Value) -> Value {
    if let Some(epoch) = callback.get("epoch").and_then(Value::as_i64) {
        callback["timestamps"].as_array_mut().unwrap().iter_mut().for_each(|time| {
            *time = json!(time.as_i64().unwrap() + epoch);
        });
        callback["epoch"] = json!(0);
    }
    callback
}

/// The rows that an application of quixstreams 3 gets for a callback.
pub(crate) fn rows(callback: &Value) -> Vec<Value> {
    match callback["callback"].as_str().unwrap() {
        "event" => vec![json!({
            "Timestamp": callback["timestamp"], "Id": callback["id"], "Value": callback["value"], "Tags": callback["tags"],
        })],
        "timeseries" => {
            (0..callback["timestamps"].as_array().unwrap().len()).map(|row| row_of(callback, row)).collect()
        }
        _ => Vec::new(),
    }
}

fn row_of(callback: &Value, row: usize) -> Value {
    let column = |kind: &'static str| {
        let columns = callback[kind].as_object().unwrap();
        columns.iter().map(move |(name, values)| (name.clone(), values[row].clone()))
    };
    let binary = column("binary").map(|(name, value)| match value {
        Value::Null => (name, value),
        value => (name, json!({ "base64": value })),
    });
    let mut values: Map<_, _> = column("numeric").chain(column("string")).chain(binary).collect();
    values.insert("Timestamp".to_owned(), callback["timestamps"][row].clone());
    values.insert("Tags".to_owned(), Value::Object(column("tags").collect()));
    Value::Object(values)
}

fn event(event: &Value) -> Value {
    let (timestamp, id, value, tags) = (&event["Timestamp"], &event["Id"], &event["Value"], &event["Tags"]);
    json!({ "callback": "event", "timestamp": timestamp, "id": id, "value": elided(value), "tags": tags })
}

/// Long texts as the vectors have them: by their length and their ends.
fn elided(value: &Value) -> Value {
    let Some(text) = value.as_str().filter(|text| text.len() > 100_000) else { return value.clone() };
    assert!(text.bytes().enumerate().all(|(place, byte)| byte == b'0' + (place % 10) as u8));
    let large = scenario_value_of_large();
    assert_eq!(json!(text.len()), large["characters"]);
    large
}

fn scenario_value_of_large() -> Value {
    let callbacks = vector("v05-large-json")["read_by_v05"].as_array().unwrap().clone();
    callbacks.into_iter().find(|callback| callback["value"].is_object()).unwrap()["value"].clone()
}

/// Columns of numbers, with those that JSON has no numbers for spelt as in the vectors.
fn numbers(columns: &Value) -> Value {
    let spelt = BTreeMap::from([("NaN", "nan"), ("Infinity", "inf"), ("-Infinity", "-inf")]);
    let number = |value: &Value| match value.as_str() {
        Some(text) => json!(spelt[text]),
        None => json!(value.as_f64()),
    };
    let column = |values: &Value| Value::Array(values.as_array().unwrap().iter().map(number).collect());
    columns.as_object().unwrap().iter().map(|(name, values)| (name.clone(), column(values))).collect()
}

fn located(at: &Value, groups: &str, items: &str, location: &str, item: &dyn Fn(&Value, &str) -> Value) -> Vec<Value> {
    let mut found: Vec<_> = at[items].as_array().unwrap().iter().map(|one| item(one, location)).collect();
    let inner = at.get(groups).unwrap_or(&at["ChildGroups"]);
    for group in inner.as_array().unwrap() {
        let location = format!("{location}/{}", group["Name"].as_str().unwrap());
        found.extend(located(group, groups, items, &location, item));
    }
    found
}

fn parameter_definition(definition: &Value, location: &str) -> Value {
    json!({
        "id": definition["Id"], "name": definition["Name"], "description": definition["Description"], "location": location,
        "min": definition["MinimumValue"], "max": definition["MaximumValue"], "unit": definition["Unit"],
        "format": definition["Format"], "custom": definition["CustomProperties"],
    })
}

fn event_definition(definition: &Value, location: &str) -> Value {
    const LEVELS: [&str; 6] = ["Trace", "Debug", "Information", "Warning", "Error", "Critical"];
    json!({
        "id": definition["Id"], "name": definition["Name"], "description": definition["Description"], "location": location,
        "level": LEVELS[definition["Level"].as_u64().unwrap() as usize], "custom": definition["CustomProperties"],
    })
}

/// All of the vectors but the one that is about an id of the library's choice.
const SCENARIOS: [&str; 12] = [
    "definitions",
    "event_bursts",
    "event_edges",
    "events",
    "large",
    "mixed",
    "properties",
    "timeseries",
    "timeseries_buffer",
    "timeseries_edges",
    "timeseries_frame",
    "timeseries_raw",
];

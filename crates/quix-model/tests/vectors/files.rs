//! Reading the vector files.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Messages that belong together. Files of written messages are one case without a name.
pub(crate) struct Case {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) messages: Vec<Message>,
    /// What the .NET library was called back with.
    pub(crate) callbacks: Vec<Value>,
}

/// A Kafka record.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) value: Option<Vec<u8>>,
}

pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let file = path.file_stem().unwrap().to_str().unwrap();
            let content: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            cases.extend(cases_of(file, &content));
        }
    }
    cases
}

fn cases_of(file: &str, content: &Value) -> Vec<Case> {
    let case = |name: &str, content: &Value| Case {
        file: file.to_owned(),
        name: name.to_owned(),
        messages: content["messages"].as_array().unwrap().iter().map(message).collect(),
        callbacks: [&content["read_by_v05"], &content["v05"]["callbacks"]]
            .into_iter()
            .filter_map(Value::as_array)
            .flatten()
            .cloned()
            .collect(),
    };
    match content["cases"].as_object() {
        Some(cases) => cases.iter().map(|(name, content)| case(name, content)).collect(),
        None => vec![case("", content)],
    }
}

fn message(message: &Value) -> Message {
    let header = |header: &Value| (header["key"].as_str().unwrap().to_owned(), bytes(&header["value"]));
    Message {
        key: bytes(&message["key"]),
        headers: message["headers"].as_array().unwrap().iter().map(header).collect(),
        value: match bytes(&message["value_gzip"]) {
            Some(gzip) => Some(inflated(&gzip)),
            None => bytes(&message["value"]),
        },
    }
}

fn bytes(base64: &Value) -> Option<Vec<u8>> {
    base64.as_str().map(|text| STANDARD.decode(text).unwrap())
}

pub(crate) fn base64_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn inflated(gzip: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::bufread::GzDecoder::new(gzip).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Whether a value of a package says what was written: all of it, and beside it nothing but defaults.
pub(crate) fn covers(value: &Value, written: &Value) -> bool {
    match (value, written) {
        (Value::Object(value), Value::Object(written)) => {
            value.iter().all(|(name, value)| match written.get(name) {
                Some(written) => covers(value, written) || is_number_of(value, written) || is_time_of(value, written),
                None => is_default(name, value),
            }) && written.keys().all(|name| value.contains_key(name))
        }
        (Value::Array(value), Value::Array(written)) => {
            value.len() == written.len() && value.iter().zip(written).all(|(value, written)| covers(value, written))
        }
        _ => same_json(value, written),
    }
}

fn is_default(name: &str, value: &Value) -> bool {
    let level = name == "Level" && *value == 2;
    level
        || value.is_null()
        || *value == 0
        || value.as_object().is_some_and(|map| map.is_empty())
        || value.as_array().is_some_and(Vec::is_empty)
}

/// Enums are names on Kafka and numbers in packages.
fn is_number_of(value: &Value, written: &Value) -> bool {
    const LEVELS: &[&str] = &["Trace", "Debug", "Information", "Warning", "Error", "Critical"];
    const ENDS: &[&str] = &["Closed", "Aborted", "Terminated"];
    [LEVELS, ENDS].iter().any(|names| {
        let number = names.iter().position(|name| written == name);
        number.is_some_and(|number| *value == number)
    })
}

/// A time without zone is UTC.
fn is_time_of(value: &Value, written: &Value) -> bool {
    matches!((value.as_str(), written.as_str()), (Some(value), Some(written)) if value.strip_suffix('Z') == Some(written))
}

/// Equal as JavaScript has it: numbers are doubles.
pub(crate) fn same_json(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_json(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| same_json(one, other)))
        }
        _ => one == other,
    }
}

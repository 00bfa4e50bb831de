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
}

/// A Kafka record.
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

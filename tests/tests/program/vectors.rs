//! Captured records of Quix Streams programs, as stories replay them.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A captured record.
pub struct Captured {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// A file of vectors.
pub fn vectors(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/quix-model/tests/vectors");
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The messages of a vector, or of a case of it.
pub fn records(messages: &Value) -> Vec<Captured> {
    let bytes = |value: &Value| STANDARD.decode(value.as_str().expect("base64")).unwrap();
    let record = |message: &Value| Captured {
        key: bytes(&message["key"]),
        value: match message.get("value_gzip") {
            Some(gzip) => inflated(&bytes(gzip)),
            None => bytes(&message["value"]),
        },
    };
    messages.as_array().expect("a list").iter().map(record).collect()
}

fn inflated(gzip: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(gzip).read_to_end(&mut bytes).unwrap();
    bytes
}

//! The objects that hubs exchange, and the values in them that look different in each encoding.

use serde::{Deserialize, Serialize};

/// Any value, given back as it came.
pub(crate) type AnyValue = serde_json::Value;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all(serialize = "PascalCase", deserialize = "lowercase"))]
pub(crate) struct CustomObject {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    value: i32,
}

/// Bytes are base64 text in JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all(serialize = "PascalCase", deserialize = "lowercase"))]
pub(crate) struct ComplexObject {
    #[serde(default)]
    string: Option<String>,
    #[serde(default, rename(serialize = "IntArray", deserialize = "intarray"))]
    int_array: Option<Vec<i32>>,
    #[serde(default, rename(serialize = "ByteArray", deserialize = "bytearray"))]
    byte_array: Option<AnyValue>,
    #[serde(default)]
    guid: Option<String>,
    #[serde(default, rename(serialize = "DateTime", deserialize = "datetime"))]
    date_time: Option<AnyValue>,
}

impl ComplexObject {
    pub(crate) fn example() -> Self {
        Self {
            string: Some("hello world".to_owned()),
            int_array: Some(vec![1, 2, 3]),
            byte_array: Some("AQID".into()),
            guid: Some("00010203-0405-0607-0706-050403020100".to_owned()),
            date_time: Some("2000-01-01T00:00:00Z".into()),
        }
    }
}

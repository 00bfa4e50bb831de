//! The objects that hubs exchange.

use serde::{Deserialize, Serialize};
use signalr_server::value::{AnyValue, Binary, Timestamp};

/// Read through [`AnyCase`](crate::any_case::AnyCase).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all(serialize = "PascalCase", deserialize = "lowercase"))]
pub(crate) struct CustomObject {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    value: i32,
}

/// Read likewise. A date that is to come back letter by letter is an [`AnyValue`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all(serialize = "PascalCase"))]
pub(crate) struct ComplexObject<Date = AnyValue> {
    string: Option<String>,
    #[serde(rename(deserialize = "intarray"))]
    int_array: Option<Vec<i32>>,
    #[serde(rename(deserialize = "bytearray"))]
    byte_array: Option<Binary>,
    guid: Option<String>,
    #[serde(rename(deserialize = "datetime"))]
    date_time: Option<Date>,
}

impl ComplexObject<Timestamp> {
    pub(crate) fn example() -> Self {
        Self {
            string: Some("hello world".to_owned()),
            int_array: Some(vec![1, 2, 3]),
            byte_array: Some(vec![1, 2, 3].into()),
            guid: Some("00010203-0405-0607-0706-050403020100".to_owned()),
            date_time: "2000-01-01T00:00:00Z".parse().ok(),
        }
    }
}

//! Deliveries of every preset, right and wrong, over a topic that can be made to fail.

mod deliveries;
mod samples;
mod settings;
mod signatures;
mod topic;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Delivery, WebhookConfig};
use crate::fields::read;

fn config(text: &str) -> WebhookConfig {
    let table = toml::from_str(&format!("path = '/w'\ntopic = 't'\n{text}")).unwrap();
    read(table).unwrap()
}

fn delivery(headers: &[(&str, &str)], body: &str, seconds: i64) -> Delivery {
    let mut headers = map(headers);
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Delivery { headers, body: Bytes::copy_from_slice(body.as_bytes()), received: seconds * 1_000_000_000 }
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let header = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    headers.iter().map(header).collect()
}

const SEGMENT: &str = "preset = 'segment'\nsecret = 's3cret'";

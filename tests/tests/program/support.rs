//! What several stories need: requests, metrics, and what a topic holds.

use e2e::program::printed;
use reqwest::Response;
use serde_json::Value;

/// Status of a request that gets an answer; `None` if nobody answers.
pub async fn status(url: &str) -> Option<u16> {
    reqwest::get(url).await.ok().map(|response| response.status().as_u16())
}

/// Checks that an answer is a problem document of this status, and gives it.
pub async fn problem(response: Response, status: u16) -> Value {
    assert_eq!(response.status(), status, "{}", response.url());
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{}", response.url());
    let document: Value = response.json().await.expect("JSON");
    assert_eq!(document["status"], status);
    assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
    document
}

/// One sample of the metrics at a management URL; 0 if there is none, as for a counter that never counted.
pub async fn metric(management: &str, sample: &str) -> f64 {
    let text = reqwest::get(format!("{management}/metrics")).await.unwrap().text().await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_default()
}

/// The packages of a topic, as `tail --json` prints them.
pub async fn packages(url: &str, topic: &str) -> Vec<Value> {
    let lines = printed(&["tail", topic, "--from", "earliest", "--until-end", "--json", "--url", url], "").await;
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The value of the one event in a package.
pub fn value(package: &Value) -> String {
    let events: Value = serde_json::from_str(package["value"].as_str().expect("a text")).expect("JSON");
    events[0]["Value"].as_str().expect("a text").to_owned()
}

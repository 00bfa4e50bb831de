//! Files of numbered rows, and which rows a topic holds.

use std::path::{Path, PathBuf};

use e2e::program::{Command, run};
use e2e::wait::within;
use futures::StreamExt;
use serde_json::Value;
use tempfile::TempDir;

/// Rows of the longer stories.
pub fn many() -> u64 {
    std::env::var("STREAMGATE_TEST_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(20_000)
}

/// A file with so many rows, each with its number, in a folder of its own.
pub struct Numbered {
    pub rows: u64,
    pub path: PathBuf,
    _folder: TempDir,
}

impl Numbered {
    pub fn new(rows: u64) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("rows.csv");
        let line = |number| {
            format!("{},{number},{}.5,\"a \"\"note\"\",\nof two lines\"\r\n", 1_700_000_000_000 + number, number % 300)
        };
        let text: String = std::iter::once("time,n,speed,note\r\n".to_owned()).chain((0..rows).map(line)).collect();
        std::fs::write(&path, text).expect("it can be written");
        Self { rows, path, _folder: folder }
    }

    /// The arguments of an import of this file to a topic.
    pub fn import<'a>(&'a self, topic: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let path = self.path.to_str().expect("text");
        [&["import", "csv", path, "--topic", topic, "--stream", "s", "--unit", "ms"], more].concat()
    }

    /// Imports it to the end, whatever was before.
    pub async fn import_rest(&self, topic: &str, more: &[&str]) {
        let resume: &[&str] = if self.beside(".checkpoint").exists() { &["--resume"] } else { &[] };
        let output = run(&self.import(topic, &[more, resume].concat()), "").await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert_eq!(said, format!("{} rows acknowledged\n", self.rows));
        assert!(!self.beside(".checkpoint").exists(), "what is done leaves no checkpoint");
    }

    pub fn start(&self, topic: &str, more: &[&str]) -> Command {
        Command::start(&self.import(topic, more))
    }

    /// `FILE` and an ending.
    pub fn beside(&self, ending: &str) -> PathBuf {
        beside(&self.path, ending)
    }

    /// Checks that the topic holds every row once, in order.
    pub async fn assert_complete(&self, url: &str, topic: &str) {
        let found = numbers(url, topic).await;
        let wrong = found.iter().copied().ne(0..self.rows);
        if wrong {
            let (mut sorted, count) = (found.clone(), found.len());
            sorted.sort_unstable();
            sorted.dedup();
            panic!(
                "{count} rows, {} of them different, of {}; in order: {}",
                sorted.len(),
                self.rows,
                found.is_sorted()
            );
        }
    }
}

pub fn beside(path: &Path, ending: &str) -> PathBuf {
    format!("{}{ending}", path.display()).into()
}

/// The numbers of the rows that a topic holds, in its order.
pub async fn numbers(url: &str, topic: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    for package in packages(url, topic).await {
        let data: Value = serde_json::from_str(package["value"].as_str().expect("a text")).expect("JSON");
        let column = data["NumericValues"]["n"].as_array().expect("a column");
        numbers.extend(column.iter().map(|number| number.as_f64().expect("a number") as u64));
    }
    numbers
}

/// All packages of a topic; none if it is not there.
pub async fn packages(url: &str, topic: &str) -> Vec<Value> {
    let address = format!("{url}/topics/{topic}/packages?from=earliest&until_end=true");
    let response = reqwest::get(address).await.expect("an answer");
    if response.status() == 404 {
        return Vec::new();
    }
    assert_eq!(response.status(), 200);
    let mut bytes = Vec::new();
    let mut body = response.bytes_stream();
    while let Some(piece) = within("the packages", body.next()).await {
        bytes.extend_from_slice(&piece.expect("a whole answer"));
    }
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect()
}

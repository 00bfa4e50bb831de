//! Scripts of `tests/signalr-js`, and others by their paths from there, run by node against a server.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Versions of the official client, by their names in `tests/signalr-js/package.json`.
pub const CLIENTS: [&str; 2] = ["signalr-6", "signalr-newest"];

/// Runs a script to its end.
///
/// # Panics
/// If it fails; with what it had to say.
pub async fn run(script: &str, url: &str, arguments: &[&str]) -> Value {
    Script::start(script, url, arguments).to_end().await
}

/// A running script: it prints one JSON object per line, and ends when its input does.
#[derive(Debug)]
pub struct Script {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Script {
    /// Starts a script; it is killed when dropped.
    pub fn start(name: &str, url: &str, arguments: &[&str]) -> Self {
        Self::start_trusting(None, name, url, arguments)
    }

    /// The same for a server with a certificate of its own making, given by its file.
    pub fn start_trusting(certificate: Option<&str>, name: &str, url: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new("node")
            .envs(certificate.map(|certificate| ("NODE_EXTRA_CA_CERTS", certificate)))
            .arg(folder().join(name))
            .args(["--url", url])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { name: name.to_owned(), input: child.stdin.take(), child, output }
    }

    /// Its next line; `None` at its end.
    pub async fn next_line(&mut self) -> Option<Value> {
        let line = self.output.next_line().await.expect("its output can be read")?;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{}: {line:?} is no JSON: {error}", self.name)))
    }

    /// Reads lines until one has this member, and gives its value.
    pub async fn until(&mut self, member: &str) -> Value {
        while let Some(line) = self.next_line().await {
            if let Some(value) = line.get(member) {
                return value.clone();
            }
        }
        let error = self.errors().await;
        panic!("{} ended without {member:?}: {error}", self.name)
    }

    /// Reads all its lines, waits for its end, and gives the last one.
    ///
    /// # Panics
    /// If it failed.
    pub async fn to_end(mut self) -> Value {
        let mut last = Value::Null;
        while let Some(line) = self.next_line().await {
            last = line;
        }
        self.finish().await;
        last
    }

    /// Tells it to end.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it failed.
    pub async fn finish(mut self) {
        self.close_input();
        let errors = self.errors().await;
        let status = self.child.wait().await.expect("it can be waited for");
        assert!(status.success(), "{} failed: {errors}", self.name);
    }

    async fn errors(&mut self) -> String {
        let mut errors = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut errors).await;
        }
        errors
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("signalr-js")
}

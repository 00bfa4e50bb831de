//! The programs that `streamgate sample` prints, run as they are against the server.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use e2e::node;
use e2e::program::{Program, failed, printed};
use e2e::wait::within;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::bearer::{guarded, token};
use crate::http::send;
use crate::support::packages;

/// Language, name of its file, and what runs it.
const RUN: [(&str, &str, &str); 4] = [
    ("js-signalr", "program.mjs", "node"),
    ("js-http", "program.mjs", "node"),
    ("curl", "program.sh", "sh"),
    ("python", "program.py", "python3"),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_sample_that_writes_has_written_ten_when_it_ends() {
    let program = Program::serve(&["--memory"]).await;
    for (lang, file, interpreter) in RUN {
        let topic = format!("from-{lang}");
        let sample = Sample::print(&program.url, &topic, lang, "write", &[]).await;
        let (status, said) = sample.run_to_end(interpreter, file).await;
        assert!(status, "{lang}: {said}");
        let written = packages(&program.url, &topic).await;
        assert_eq!(written.len(), 10, "{lang}");
        for (number, package) in written.iter().enumerate() {
            let value: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
            let shown =
                if lang == "curl" { json!(value[0]["Value"]) } else { json!(value["NumericValues"]["number"][0]) };
            let expected = if lang == "curl" { json!(number.to_string()) } else { json!(number as f64) };
            assert_eq!((&package["streamId"], shown), (&json!("sensor-1"), expected), "{lang}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_sample_that_reads_prints_what_is_written() {
    let program = Program::serve(&["--memory"]).await;
    for (lang, file, interpreter) in RUN {
        let topic = format!("to-{lang}");
        let sample = Sample::print(&program.url, &topic, lang, "read", &[]).await;
        let mut child = sample.start(interpreter, file);
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        // It reads from when it has joined; so one event after another, until one is printed.
        let write = async {
            for number in 0.. {
                let event = json!({ "streamId": "s", "id": "seen", "timestamp": number }).to_string();
                send(Method::POST, &format!("{}/topics/{topic}/packages", program.url), &[], event).await;
            }
        };
        let line = tokio::select! {
            line = within("a line", output.next_line()) => line.unwrap(),
            () = write => unreachable!(),
        };
        let line = line.unwrap_or_else(|| panic!("{lang} ended"));
        assert!(line.contains("seen") && line.contains("\"streamId\""), "{lang}: {line}");
        child.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_send_the_token_that_they_were_given() {
    let program = guarded("").await;
    for (lang, file, interpreter) in RUN {
        for (token, is_good) in
            [(token("ann", "write:t create_topics"), true), ("not.a.token".to_owned(), false), (String::new(), false)]
        {
            let sample = Sample::print(&program.url, "t", lang, "write", &["--token", &token]).await;
            let (succeeded, said) = sample.run_to_end(interpreter, file).await;
            assert_eq!(succeeded, is_good, "{lang} {token}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn csharp_is_as_stored_and_says_that_no_test_runs_it() {
    for direction in ["write", "read"] {
        let arguments =
            ["--topic", "cars", "--lang", "csharp", "--direction", direction, "--url", "http://h:1", "--token", "x.y"];
        let text = printed(&[&["sample"], &arguments[..]].concat(), "").await;
        let stored = std::fs::read_to_string(folder().join(format!("csharp.{direction}.cs"))).unwrap();
        assert_eq!(text, stored, "compare, then store it anew");
        assert!(text.contains("no test of ours runs this one"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_break_out_of_its_quotes_is_refused() {
    let said = failed(&["sample", "--topic", "t", "--lang", "curl", "--token", "$(id)"], "").await;
    assert!(said.contains("the token has letters"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_the_command_prints() {
    let program = Program::serve(&["--memory"]).await;
    let mut expected = serde_json::Map::new();
    for lang in ["js-signalr", "js-http", "curl", "python", "csharp"] {
        for direction in ["write", "read"] {
            let text = Sample::print(&program.url, "cars", lang, direction, &["--token", "x.y"]).await.text;
            expected.insert(format!("{lang} {direction}"), text.into());
        }
    }
    let expected = Value::Object(expected).to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), expected).unwrap();
    node::run("connect.mjs", &program.url, &["--expected", file.path().to_str().unwrap()]).await;
}

/// A printed program in a folder of its own.
struct Sample {
    text: String,
    folder: TempDir,
}

impl Sample {
    async fn print(url: &str, topic: &str, lang: &str, direction: &str, more: &[&str]) -> Self {
        let arguments = ["sample", "--topic", topic, "--lang", lang, "--direction", direction, "--url", url];
        let text = printed(&[&arguments, more].concat(), "").await;
        let folder = TempDir::new().unwrap();
        // As if `npm install @microsoft/signalr` had been run.
        let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web-demo/node_modules");
        std::os::unix::fs::symlink(modules.canonicalize().unwrap(), folder.path().join("node_modules")).unwrap();
        Self { text, folder }
    }

    fn start(&self, interpreter: &str, file: &str) -> Child {
        let path = self.folder.path().join(file);
        std::fs::write(&path, &self.text).unwrap();
        let mut command = Command::new(interpreter);
        command.arg(path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap_or_else(|error| panic!("{interpreter}: {error}"))
    }

    /// Whether it succeeded, and what it said.
    async fn run_to_end(&self, interpreter: &str, file: &str) -> (bool, String) {
        let output = within("its end", self.start(interpreter, file).wait_with_output()).await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/samples")
}

//! The Python clients that Quix's users have, over TLS and with tokens, as their programs use them.

use std::collections::BTreeMap;
use std::process::Stdio;

use e2e::certificate::TestCertificate;
use e2e::program::Program;
use e2e::python::Python;
use e2e::wait::within;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::bearer::{SECRET, token};

#[tokio::test(flavor = "multi_thread")]
async fn trap_8_signalrcore_reads_and_writes_with_a_token_over_wss() {
    reads_and_writes(Python::signalrcore_0_9().await, "quix_signalrcore.py", "wss").await;
    reads_and_writes(Python::signalr().await, "quix_signalrcore.py", "wss").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pysignalr_reads_and_writes_with_a_token_over_tls() {
    reads_and_writes(Python::signalr().await, "quix_pysignalr.py", "https").await;
}

async fn reads_and_writes(python: Python, script: &str, scheme: &str) {
    let certificate = TestCertificate::make();
    let settings = format!("memory = true\ncreate_topics = true\nworkspace = \"ws\"\n[auth]\nsecret = \"{SECRET}\"\n");
    let flags = certificate.flags();
    let program = Program::serve_with_settings(&settings, &flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let hub = format!("{}/hub", program.url.replacen("https", scheme, 1));
    let mut command = python.command(script);
    command.args([&hub, "f1", &token("ann", "read:* write:* create_topics")]);
    for variable in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"] {
        command.env(variable, certificate.file());
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = command.spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut next = async || -> Value {
        let line = within("a line of the client", lines.next_line()).await.unwrap();
        serde_json::from_str(&line.expect("it runs on")).unwrap()
    };

    assert_eq!(next().await, json!({ "refused": 401 }));
    let mut calls = BTreeMap::<String, Vec<Value>>::new();
    // The list of active streams may change more than once before the stream is gone from it.
    while calls.get("PackageReceived").map_or(0, Vec::len) < 3 || !is_removed(&calls) {
        let line = next().await;
        let name = line["callback"].as_str().unwrap_or_else(|| panic!("{line}"));
        calls.entry(name.to_owned()).or_default().push(line["arguments"].clone());
    }
    let data = json!([{
        "topicId": "ws-f1", "topicName": "f1", "streamId": "car", "epoch": 0, "timestamps": [1_697_025_689_418_406_001_i64],
        "numericValues": { "speed": [7.5], "gear": [3] }, "stringValues": {}, "tagValues": { "lap": ["2"] },
        "binaryValues": {},
    }]);
    assert_eq!(calls["ParameterDataReceived"], [data], "one callback of both parameters");
    let event = json!([{
        "topicId": "ws-f1", "topicName": "f1", "streamId": "car", "timestamp": 1_697_025_689_418_406_001_i64, "tags": {},
        "id": "lap", "value": "done",
    }]);
    assert_eq!(calls["EventDataReceived"], [event]);
    let types = calls["PackageReceived"].iter().map(|arguments| arguments[0]["type"].as_str().unwrap());
    let types: Vec<_> = types.map(|name| name.trim_start_matches("QuixStreams.Telemetry.Models.")).collect();
    assert_eq!(types, ["TimeseriesDataRaw", "EventDataRaw[]", "StreamEnd"]);
    drop(client.stdin.take());
    within("its end", client.wait()).await.unwrap();
}

fn is_removed(calls: &BTreeMap<String, Vec<Value>>) -> bool {
    calls.get("ActiveStreamsChanged").and_then(|changes| changes.last()).is_some_and(|change| change[1] == "Remove")
}

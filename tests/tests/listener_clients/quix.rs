//! Both generations of Quix Streams.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use e2e::client::HubClient;
use e2e::program::printed;
use e2e::python::Python;
use e2e::wait::within;
use serde_json::{Value, json};

use crate::broker::Broker;
use crate::process::Process;

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_an_application_of_quixstreams_3_comes_back_from_its_changelog() {
    let broker = Broker::start().await;
    let bootstrap = broker.bootstrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let start = (now - 3_600_000).to_string();
    let python = Python::quix_3().await;
    let run = |action: &str, more: &[&str]| {
        let mut command = python.command("counts.py");
        command.args([action, "--bootstrap", &bootstrap, "--name", "counts", "--start", &start]).args(more);
        Process::start(&format!("quixstreams 3 {action}"), command)
    };
    let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());

    let written = run("write", &[]).finish().await;
    let state = before.path().to_str().unwrap();
    let mut doomed = run("process", &["--state", state, "--stall-after", "550"]);
    doomed.until("has stalled", |lines| lines.iter().any(|line| line["stalled"] == 550)).await;
    doomed.kill().await;
    let processed = run("process", &["--state", after.path().to_str().unwrap()]).finish().await;
    let of_all = written.last().unwrap()["written"].as_u64().unwrap();
    assert_eq!(processed.last().unwrap()["processed"], of_all - 500, "from what was committed on");
    run("check", &[]).finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_quixstreams_0_5_are_read_back_by_itself_and_by_the_reader_hub() {
    let mut broker = Broker::start().await;
    let (bootstrap, url) = (broker.bootstrap(), broker.url().await);
    printed(&["topic", "create", "streams", "--partitions", "3", "--url", &url], "").await;
    let reader = HubClient::connect(&format!("{url}/hub")).await.unwrap();
    within("the subscription", reader.invoke("SubscribeToPackages", &("streams",))).await.unwrap();

    let python = Python::quix_0_5().await;
    let run = async |action: &str| {
        let mut command = python.command("streams.py");
        command.args([action, "--bootstrap", &bootstrap, "--topic", "streams"]);
        Process::start(&format!("quixstreams 0.5.7 {action}"), command).finish().await
    };
    run("write").await;
    let mut packages = BTreeMap::<String, Vec<Value>>::new();
    let expected = expected_packages();
    for _ in 0..expected.values().map(Vec::len).sum() {
        let call = within("a package", reader.next_call_of("PackageReceived")).await.unwrap();
        let (package,): (Value,) = call.bind().unwrap();
        assert_eq!(package["topicName"], "streams");
        let kind = package["type"].as_str().unwrap().trim_start_matches("QuixStreams.Telemetry.Models.");
        let value: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
        packages.entry(package["streamId"].as_str().unwrap().to_owned()).or_default().push(json!([kind, value]));
    }
    for (stream, wanted) in &expected {
        assert_eq!(packages.get(stream), Some(wanted), "{stream}");
    }
    run("read").await;
}

/// Type and value of each package, by stream; as `tests/clients/quix-0.5/streams.py` writes them.
fn expected_packages() -> BTreeMap<String, Vec<Value>> {
    let no_properties = json!(["StreamProperties", {
        "Name": null, "Location": null, "Metadata": {}, "Parents": [], "TimeOfRecording": null,
    }]);
    let end = json!(["StreamEnd", { "StreamEndType": 0 }]);
    let event = |time: i64, id: &str, value: &str, tags: Value| {
        let event = json!({ "Timestamp": time, "Tags": tags, "Id": id, "Value": value });
        json!(["EventDataRaw[]", [event]])
    };
    let properties = json!(["StreamProperties", {
        "Name": "Car A – první",
        "Location": "/cars/ai/carA/",
        "Metadata": { "engine": "V8" },
        "Parents": ["parent-1"],
        "TimeOfRecording": "2024-02-29T12:30:15Z",
    }]);
    let parameter_definitions = json!(["ParameterDefinitions", {
        "ParameterGroups": [{
            "Name": "chassis", "Description": null, "CustomProperties": null,
            "ChildGroups": [{
                "Name": "front", "Description": null, "CustomProperties": null, "ChildGroups": [],
                "Parameters": [{
                    "Id": "speed", "Name": "Speed", "Description": null, "MinimumValue": null, "MaximumValue": null,
                    "Unit": null, "Format": null, "CustomProperties": null,
                }],
            }],
            "Parameters": [],
        }],
        "Parameters": [{
            "Id": "gear", "Name": "Gear", "Description": "Selected gear",
            "MinimumValue": -1.0, "MaximumValue": 8.0, "Unit": "no", "Format": "{0}", "CustomProperties": null,
        }],
    }]);
    let event_definitions = json!(["EventDefinitions", {
        "EventGroups": [],
        "Events": [{
            "Id": "lap", "Name": "Lap", "Description": "A lap was finished", "CustomProperties": null, "Level": 5,
        }],
    }]);
    let parameters = json!(["TimeseriesDataRaw", {
        "Epoch": 0,
        "Timestamps": [TIME, TIME + 1_000_000, TIME + 2_000_000],
        "NumericValues": { "speed": [10.5, 11.5, 12.5] },
        "StringValues": { "driver": ["d0", "d1", "d2"] },
        "BinaryValues": { "frame": ["AAH+/wA=", "AAH+/wE=", "AAH+/wI="] },
        "TagValues": { "lap": ["0", "1", "2"] },
    }]);
    let burst = (0..200).map(|n| event(TIME + n, "tick", &n.to_string(), json!({})));
    let streams = [
        ("properties", vec![properties, end.clone()]),
        ("definitions", vec![no_properties.clone(), parameter_definitions, event_definitions, end.clone()]),
        (
            "events",
            vec![
                no_properties.clone(),
                event(TIME, "mouse position", r#"{"x":12,"y":34}"#, json!({ "mousestatus": "tracking" })),
                event(TIME + 1, "plain", "text – ü", json!({})),
                end.clone(),
            ],
        ),
        ("parameters", vec![no_properties.clone(), parameters, json!(["StreamEnd", { "StreamEndType": 1 }])]),
        ("burst", std::iter::once(no_properties).chain(burst).chain([end]).collect()),
    ];
    streams.into_iter().map(|(stream, packages)| (stream.to_owned(), packages)).collect()
}

const TIME: i64 = 1_700_000_000_123_456_700;

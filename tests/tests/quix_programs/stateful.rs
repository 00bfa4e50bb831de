//! An application with state, killed and started again with its state lost.

use std::time::{SystemTime, UNIX_EPOCH};

use e2e::python::Python;
use e2e::wait::own_topic;

use crate::place::{Kind, Place};
use crate::script::Script;

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_an_application_that_was_killed_come_out_as_on_a_real_kafka() {
    let mut results = Vec::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let start = (now - 3_600_000).to_string();
    for kind in [Kind::Embedded, Kind::Kafka] {
        let (place, python, name) = (Place::of(kind).await, Python::quix_3().await, own_topic("counts"));
        let run = |action: &str, more: &[&str]| {
            let arguments = [&[action, "--name", &name, "--start", &start], more].concat();
            Script::start(&python, "counts.py", &arguments, &place.environment())
        };
        let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let written = run("write", &[]).succeed().await;
        let state = before.path().to_str().unwrap();
        let mut doomed = run("process", &["--state", state, "--stall-after", "550"]);
        doomed.says(r#"{"stalled": 550}"#).await;
        doomed.kill().await;
        let processed = run("process", &["--state", after.path().to_str().unwrap()]).succeed().await;
        let of_all = written.last().unwrap()["written"].as_u64().unwrap();
        assert_eq!(processed.last().unwrap()["processed"], of_all - 500, "{kind:?}: from what was committed on");
        results.push(run("check", &[]).succeed().await.pop().unwrap());

        let topics: Vec<serde_json::Value> =
            reqwest::get(format!("{}/local/topics", place.program.url)).await.unwrap().json().await.unwrap();
        let mut ids = topics.iter().filter_map(|topic| topic["id"].as_str());
        let changelog = ids.find(|id| id.starts_with("changelog__") && id.contains(&name)).unwrap();
        let url = format!("{}/local/topics/{changelog}", place.program.url);
        let changelog: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let configuration = &changelog["configuration"];
        assert_eq!((&configuration["partitions"], &configuration["cleanupPolicy"]), (&2.into(), &"Compact".into()));
    }
    assert_eq!(results[0], results[1], "as many windows; that each has its count, the program has seen to");
}

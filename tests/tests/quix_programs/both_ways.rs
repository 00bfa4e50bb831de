//! What programs write, pages see; what pages write, programs receive.

use e2e::client::HubClient;
use e2e::program::Program;
use e2e::python::Python;
use e2e::stage::shared_kafka;
use e2e::wait::{own_topic, within};
use serde_json::{Value, json};

use crate::place::{Kind, Place};
use crate::script::Script;

/// Its librdkafka speaks SCRAM as Kafka 4 does not take it (confluentinc/librdkafka#4895).
#[tokio::test(flavor = "multi_thread")]
async fn quixstreams_0_5_and_pages_hear_each_other() {
    for kind in [Kind::Embedded, Kind::Kafka, Kind::Secured("PLAIN")] {
        let (place, python, topic) = (Place::of(kind).await, Python::quix_0_5().await, own_topic("both-ways"));
        let run = |arguments: &[&str]| Script::start(&python, "portal.py", arguments, &place.environment());
        run(&["write", &topic]).succeed().await;
        let written = packages(&place, &topic).await;
        let kinds = ["StreamProperties", "EventDataRaw[]", "TimeseriesDataRaw", "StreamEnd"];
        for wanted in kinds {
            assert!(written.iter().any(|(kind, _)| kind.ends_with(wanted)), "{kind:?}: no {wanted} in {written:?}");
        }

        // By its id, which is another text: the same topic is meant.
        let (back, id) = (own_topic("from-page"), |topic: &str| format!("local-{topic}"));
        let mut reader = run(&["read", &id(&back), "2"]);
        write_from_page(&place, &back, &mut reader).await;
        let mut lines = reader.succeed().await;
        lines.sort_by_key(|line| line["event"].is_null());
        let wanted = [
            json!({ "stream": "from-page", "event": "lap", "value": "8" }),
            json!({ "stream": "from-page", "parameters": { "speed": 12.5 } }),
        ];
        assert_eq!(lines, wanted, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quixstreams_3_and_pages_hear_each_other() {
    for kind in [Kind::Embedded, Kind::Kafka, Kind::Secured("SCRAM-SHA-256")] {
        let (place, python, topic) = (Place::of(kind).await, Python::quix_3().await, own_topic("both-ways"));
        let run = |arguments: &[&str]| Script::start(&python, "portal.py", arguments, &place.environment());
        let written = run(&["write", &topic]).succeed().await;
        assert_eq!(written.last().unwrap()["written"], topic.as_str(), "a topic's id is what Kafka calls it");
        let packages = packages(&place, &topic).await;
        assert_eq!(packages[0].1, json!({ "speed": 41.5 }), "{kind:?}: {packages:?}");

        let back = own_topic("from-page");
        let mut reader = run(&["read", &format!("local-{back}"), "2"]);
        write_from_page(&place, &back, &mut reader).await;
        let lines = reader.succeed().await;
        let rows: Vec<_> = lines.iter().map(|line| (&line["stream"], &line["value"])).collect();
        assert!(rows.iter().all(|(stream, _)| **stream == "from-page"), "{kind:?}: {lines:?}");
        assert!(rows.iter().any(|(_, row)| row["Id"] == "lap" && row["Value"] == "8"), "{kind:?}: {lines:?}");
        assert!(rows.iter().any(|(_, row)| row["speed"] == 12.5), "{kind:?}: {lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_with_capitals_is_asked_for_in_small_letters() {
    let arguments = ["--kafka-listen", "127.0.0.1:0"];
    let place = Place { program: Program::serve_with_settings("workspace = \"Acme-Dev\"", &arguments).await };
    for python in [Python::quix_0_5().await, Python::quix_3().await] {
        // Once it is made, then it is found; by either way to name the workspace.
        for named in [vec![], vec![("Quix__Workspace__Id", "acme-dev".to_owned())]] {
            let environment = [place.environment(), named].concat();
            for topic in ["capitals", "acme-dev-capitals"] {
                Script::start(&python, "portal.py", &["write", topic], &environment).succeed().await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_start_together_on_a_topic_that_is_not_there_all_run() {
    for kind in [Kind::Embedded, Kind::Kafka] {
        let place = Place::of(kind).await;
        for python in [Python::quix_0_5().await, Python::quix_3().await] {
            let topic = own_topic("together");
            let start = |_| Script::start(&python, "portal.py", &["write", &topic], &place.environment());
            let programs: Vec<_> = (0..3).map(start).collect();
            for program in programs {
                program.succeed().await;
            }
            let streams = packages(&place, &topic).await;
            let values = streams
                .iter()
                .filter(|(_, value)| value["speed"] == 41.5 || value["NumericValues"]["speed"] == json!([41.5]));
            assert_eq!(values.count(), 3, "{kind:?}: {streams:?}");
        }
    }
}

/// Also where programs name it by what Kafka calls it, and where it is another server's page that looks.
#[tokio::test(flavor = "multi_thread")]
async fn topics_are_called_in_kafka_as_quix_calls_them_where_a_prefix_is_set() {
    let kafka = shared_kafka().await;
    let (workspace, settings) = (own_topic("Acme"), format!("[portal]\nkafka_address = \"{kafka}\""));
    let named = format!("workspace = \"{workspace}\"\nworkspace_prefix = true\n{settings}");
    let place = Place { program: Program::serve_with_settings(&named, &["--kafka", &kafka]).await };
    let plain = Place { program: Program::serve_with_settings(&settings, &["--kafka", &kafka]).await };
    for (python, topic, row) in
        [(Python::quix_0_5().await, "old", json!([41.5])), (Python::quix_3().await, "new", json!(41.5))]
    {
        let run = |arguments: &[&str]| Script::start(&python, "portal.py", arguments, &place.environment());
        let id = format!("{}-{topic}", workspace.to_lowercase());
        for asked in [topic, &id] {
            run(&["write", asked]).succeed().await;
        }
        // Of pages here by its name and its id; of others by what it is called in Kafka.
        for (place, called) in [(&place, topic), (&place, &*id), (&plain, &*id)] {
            let packages = packages(place, called).await;
            let rows =
                packages.iter().filter(|(_, value)| value["speed"] == row || value["NumericValues"]["speed"] == row);
            assert_eq!(rows.count(), 2, "{called}: {packages:?}");
        }

        let back = format!("from-page-{topic}");
        let mut reader = run(&["read", &back, "2"]);
        write_from_page(&place, &back, &mut reader).await;
        assert_eq!(reader.succeed().await.len(), 2);
    }
    let told = format!("{}/topics", place.program.url);
    let topics: Vec<Value> = reqwest::get(told).await.unwrap().json().await.unwrap();
    let mut names: Vec<_> = topics.iter().filter_map(|topic| topic["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["from-page-new", "from-page-old", "new", "old"], "without the prefix, and no others");
}

/// Once the program has made its topic.
pub(crate) async fn write_from_page(place: &Place, topic: &str, reader: &mut Script) {
    reader.until_there(&place.program.url, topic).await;
    let page = HubClient::connect(&format!("{}/hub", place.program.url)).await.unwrap();
    let event = json!([{ "id": "lap", "value": "8", "timestamp": 1_700_000_000_000_000_000_u64 }]);
    page.invoke("SendEventData", &(topic, "from-page", event)).await.unwrap();
    let data = json!({ "timestamps": [1_700_000_000_000_000_000_u64], "numericValues": { "speed": [12.5] } });
    page.invoke("SendParameterData", &(topic, "from-page", data)).await.unwrap();
}

/// Types and values of all packages of a topic, as a page gets them from its beginning.
pub(crate) async fn packages(place: &Place, topic: &str) -> Vec<(String, Value)> {
    let url = format!("{}/topics/{topic}/packages?from=earliest&wait=0s", place.program.url);
    let answer = within("packages", reqwest::get(url)).await.unwrap().text().await.unwrap();
    let packages = answer.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told = packages.map(|package| {
        let value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
        (package["type"].as_str().unwrap_or_default().to_owned(), value)
    });
    told.collect()
}

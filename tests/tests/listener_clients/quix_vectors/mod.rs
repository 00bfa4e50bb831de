//! The meaning of all captured scenarios, written by one and read by the other: Quix Streams of both generations and pages.

mod callbacks;
mod page;

use std::collections::BTreeMap;

use e2e::python::Python;
use serde_json::{Value, json};
use tokio::process::Command;

use self::callbacks::{Scenario, absolute, folder, rows, scenarios, vector, without_stream};
use self::page::Page;
use crate::broker::Broker;
use crate::process::Process;

/// Each story over Streamgate's listener and over a real Kafka.
macro_rules! over_both {
    ($($story:ident)*) => {
        mod listener { $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() { super::$story(crate::broker::Broker::listener().await).await; }
        )* }
        mod kafka { $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() { super::$story(crate::broker::Broker::shared_kafka().await).await; }
        )* }
    };
}

over_both! {
    what_quixstreams_0_5_writes_in_every_codec_reaches_pages_with_its_meaning
    what_quixstreams_3_writes_in_every_form_reaches_pages_with_its_meaning
    what_pages_write_is_called_back_by_both_generations_without_error_handlers
}

async fn what_quixstreams_0_5_writes_in_every_codec_reaches_pages_with_its_meaning(mut broker: Broker) {
    let python = Python::quix_0_5().await;
    for codec in ["json", "compact", "protobuf"] {
        let topic = format!("written-by-0-5-{codec}");
        let mut page = Page::of(&mut broker, &topic).await;
        page.subscribe().await;
        let more = ["--vectors", folder().to_str().unwrap(), "--codec", codec].map(str::to_owned);
        run(&python, &broker, "write", &topic, &more).finish().await;
        let expected = scenarios(codec);
        let seen = page.until_closed(expected.len()).await;
        for scenario in expected {
            let stream = format!("{}.{codec}", scenario.name);
            assert_eq!(seen.packages[&stream], scenario.callbacks, "packages of {stream}");
            let data: Vec<_> = scenario.callbacks.iter().filter(is("timeseries")).cloned().map(absolute).collect();
            assert_eq!(seen.parameters.get(&stream).cloned().unwrap_or_default(), data, "parameters of {stream}");
            let events: Vec<_> = scenario.callbacks.iter().filter(is("event")).cloned().collect();
            assert_eq!(seen.events.get(&stream).cloned().unwrap_or_default(), events, "events of {stream}");
        }
    }
}

async fn what_quixstreams_3_writes_in_every_form_reaches_pages_with_its_meaning(mut broker: Broker) {
    let python = Python::quix_3().await;
    let topic = "written-by-3";
    let mut page = Page::of(&mut broker, topic).await;
    page.create(&format!("{topic}-input")).await;
    page.subscribe().await;
    let state = tempfile::tempdir().unwrap();
    let more = ["--vectors", folder().to_str().unwrap(), "--state", state.path().to_str().unwrap()].map(str::to_owned);
    run(&python, &broker, "write", topic, &more).finish().await;
    for form in ["events", "timeseries"]
        .into_iter()
        .flat_map(|of| [format!("dataframe-{of}"), format!("dataframe-{of}-headers")])
    {
        let expected: Vec<_> =
            vector(&format!("v3-{form}"))["read_by_v3"].as_array().unwrap().iter().map(row).collect();
        let found = page.packages_of(&form, expected.len()).await;
        let found: Vec<_> = found.iter().flat_map(callbacks::of_package).flat_map(|one| rows(&one)).collect();
        assert_eq!(found.iter().map(numbers_as_floats).collect::<Vec<_>>(), expected, "{form}");
    }
    for (form, type_name) in [("dataframe-json", "System.String"), ("text", "System.String")] {
        let messages = vector(&format!("v3-{form}"))["messages"].as_array().unwrap().clone();
        for (message, package) in messages.iter().zip(page.packages_of(form, messages.len()).await) {
            assert_eq!(package["type"], type_name);
            let shown = package["value"].as_str().unwrap();
            let text = message["value_text"].as_str().unwrap();
            let is_json = serde_json::from_str::<Value>(text).is_ok();
            assert_eq!(shown, if is_json { text.to_owned() } else { json!(text).to_string() });
        }
    }
    let bytes = page.packages_of("bytes", 2).await;
    assert_eq!((&bytes[0]["type"], &bytes[1]["value"]), (&json!("System.Byte[]"), &json!("\"\"")));
    let value = vector("v3-bytes")["messages"][0]["value"].clone();
    assert_eq!(bytes[0]["value"], json!(value.to_string()));
}

async fn what_pages_write_is_called_back_by_both_generations_without_error_handlers(mut broker: Broker) {
    let topic = "written-by-pages";
    let page = Page::of(&mut broker, topic).await;
    let mut expected: Vec<_> = scenarios("json").into_iter().filter(|one| one.name != "large").collect();
    let blank = json!({ "callback": "event", "timestamp": 0, "id": "", "value": "", "tags": {} });
    let end = json!({ "callback": "closed", "end": "Closed" });
    expected.push(Scenario { name: "blank".to_owned(), callbacks: vec![blank, end] });
    let mut of_3 = BTreeMap::new();
    for scenario in &expected {
        let callbacks: Vec<_> = scenario.callbacks.iter().cloned().map(as_pages_can).collect();
        for callback in &callbacks {
            page.write(&scenario.name, callback).await;
        }
        of_3.insert(scenario.name.clone(), callbacks.iter().flat_map(rows).collect::<Vec<_>>());
    }

    let streams = ["--streams".to_owned(), expected.len().to_string()];
    let read = run(&Python::quix_0_5().await, &broker, "read", topic, &streams).finish().await;
    let mut found = BTreeMap::<String, Vec<Value>>::new();
    for callback in read {
        found.entry(callback["stream"].as_str().unwrap().to_owned()).or_default().push(without_stream(callback));
    }
    for scenario in &expected {
        let wanted: Vec<_> = scenario.callbacks.iter().cloned().map(as_pages_can).collect();
        assert_eq!(found[&scenario.name], wanted, "{} by 0.5.7", scenario.name);
    }

    let state = tempfile::tempdir().unwrap();
    let count: usize = of_3.values().map(Vec::len).sum();
    let more = ["--state", state.path().to_str().unwrap(), "--rows", &count.to_string()].map(str::to_owned);
    let read = run(&Python::quix_3().await, &broker, "read", topic, &more).finish().await;
    let mut found = BTreeMap::<String, Vec<Value>>::new();
    for row in read {
        found.entry(row["stream"].as_str().unwrap().to_owned()).or_default().push(row["value"].clone());
    }
    of_3.retain(|_, rows| !rows.is_empty());
    assert_eq!(found, of_3, "by 3");
}

/// What a page can say of a callback: times are absolute, JSON has no infinities, and a stream is closed in one way.
fn as_pages_can(callback: Value) -> Value {
    let mut callback = absolute(callback);
    if callback["callback"] == "closed" {
        callback["end"] = json!("Closed");
    }
    if let Some(columns) = callback.get_mut("numeric").and_then(Value::as_object_mut) {
        let numbers = columns.values_mut().flat_map(|values| values.as_array_mut().unwrap());
        numbers.filter(|number| number.is_string()).for_each(|number| *number = Value::Null);
    }
    callback
}

fn is(name: &'static str) -> impl Fn(&&Value) -> bool {
    move |callback| callback["callback"] == name
}

fn row(row: &Value) -> Value {
    numbers_as_floats(&row["value"])
}

/// Values of parameters are doubles, however the row was spelt.
fn numbers_as_floats(row: &Value) -> Value {
    let values = row.as_object().unwrap().iter();
    let as_float = |(name, value): (&String, &Value)| match value.as_f64() {
        Some(number) if name != "Timestamp" => (name.clone(), json!(number)),
        _ => (name.clone(), value.clone()),
    };
    values.map(as_float).collect()
}

fn run(python: &Python, broker: &Broker, action: &str, topic: &str, more: &[String]) -> Process {
    let mut command: Command = python.command("vectors.py");
    command.args([action, "--bootstrap", &broker.bootstrap(), "--topic", topic]).args(more);
    Process::start(&format!("vectors.py {action} {topic}"), command)
}

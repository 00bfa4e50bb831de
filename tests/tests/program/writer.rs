//! The Writer's hub methods as Quix's clients call them. Traps are those of the Writer and Reader APIs.

use std::time::Duration;

use e2e::client::{HubClient, PendingCall};
use e2e::program::{Program, printed};
use e2e::python::Python;
use e2e::wait::within;
use serde_json::{Value, json};

use crate::support::{metric, packages, records, texts};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_made_written_updated_and_closed() {
    let (program, client) = start().await;
    let created = call(&client, "CreateStream", json!(["t", { "Name": "Car A", "metadata": { "n": 7 } }])).await;
    let stream = created["streamId"].as_str().unwrap().to_owned();
    assert_eq!(created, json!({ "streamId": stream }));
    let lengths: Vec<_> = stream.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{stream}");
    assert!(stream.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')), "{stream}");

    let data = json!({ "timestamps": [1], "numericValues": { "speed": [7] } });
    for (method, arguments) in [
        ("SendParameterData", json!(["t", stream, data])),
        ("SendEventData", json!(["t", stream, [{ "id": "e", "timestamp": 2, "value": "v" }]])),
        ("UpdateStream", json!(["t", stream, { "name": "B" }])),
        ("UpdateParameterDefinitions", json!(["t", stream, [{ "id": "speed", "location": "/car" }]])),
        ("UpdateEventDefinitions", json!(["t", stream, [{ "id": "e", "level": 4 }]])),
        ("closestream", json!(["local-t", stream])),
    ] {
        assert_eq!(call(&client, method, arguments).await, Value::Null, "{method}");
    }
    let kept = records(&program, "t", 7).await;
    let stored: Vec<_> = kept.iter().map(texts).collect();
    assert!(stored.iter().all(|(key, _)| *key == stream));
    for ((_, value), expected) in stored.iter().zip([
        r#"{"C":"JT","K":"StreamProperties","V":{"Name":"Car A","Metadata":{"n":"7"},"Parents":[]},"S":37,"E":"#,
        r#"{"C":"JT","K":"ParameterData","V":{"Timestamps":[1],"NumericValues":{"speed":[7.0]},"StringValues":{},"BinaryValues":{},"TagValues":{}},"#,
        r#"{"C":"JT","K":"EventData[]","V":[{"Timestamp":2,"Tags":{},"Id":"e","Value":"v"}],"#,
        r#"{"C":"JT","K":"StreamProperties","V":{"Name":"B","Metadata":{},"Parents":[]},"#,
        r#"{"C":"JT","K":"ParameterDefinitions","V":{"ParameterGroups":[{"Name":"car","ChildGroups":[],"Parameters":[{"Id":"speed"}]}],"Parameters":[]},"#,
        r#"{"C":"JT","K":"EventDefinitions","V":{"EventGroups":[],"Events":[{"Id":"e","Level":"Error"}]},"#,
        r#"{"C":"JT","K":"StreamEnd","V":{},"S":30,"E":32}"#,
    ]) {
        assert!(value.starts_with(expected), "{value}\n{expected}");
    }

    let shown = printed(&["tail", "t", "--until-end", "--url", &program.url], "").await;
    let contents: Vec<_> = shown.lines().filter_map(|line| line.splitn(4, ' ').nth(3)).collect();
    let expected = [
        r#"StreamProperties Metadata={"n":"7"} Name="Car A""#,
        "TimeseriesData 1 speed=7.0",
        "EventData e v",
        r#"StreamProperties Name="B""#,
        "ParameterDefinitions /car/speed",
        "EventDefinitions /e Level=Error",
        "StreamEnd Closed",
    ];
    assert_eq!(contents, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_3_one_stream_id_in_two_topics_is_two_streams() {
    let (program, client) = start().await;
    call(&client, "UpdateStream", json!(["a", "s", { "name": "of a" }])).await;
    call(&client, "UpdateStream", json!(["b", "s", { "name": "of b" }])).await;
    call(&client, "CloseStream", json!(["a", "s"])).await;
    let kinds = |packages: Vec<Value>| -> Vec<String> {
        packages
            .iter()
            .map(|package| package["type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds(packages(&program.url, "a").await), ["StreamProperties", "StreamEnd"]);
    assert_eq!(kinds(packages(&program.url, "b").await), ["StreamProperties"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_5_names_in_either_case_give_the_same_stored_bytes() {
    let (program, client) = start().await;
    let calls = [
        ("SendEventData", json!([{ "id": "E", "timestamp": 1, "value": "v", "tags": { "aB": "c" } }])),
        (
            "SendParameterData",
            json!({ "epoch": 5, "timestamps": [1], "numericValues": { "aB": [1] }, "stringValues": { "s": ["x"] },
                    "binaryValues": { "b": ["AA=="] }, "tagValues": { "t": [null] } }),
        ),
        (
            "UpdateStream",
            json!({ "name": "n", "location": "/l", "metadata": { "mM": "v" }, "parents": ["p"],
                    "timeOfRecording": "2022-04-08T09:00:39Z" }),
        ),
        (
            "UpdateParameterDefinitions",
            json!([{ "id": "aB", "name": "n", "minimumValue": 1, "maximumValue": 2, "unit": "u", "format": "f",
                     "customProperties": "c", "description": "d", "location": "/l" }]),
        ),
        (
            "UpdateEventDefinitions",
            json!([{ "id": "aB", "name": "n", "level": "Trace", "customProperties": "c", "description": "d" }]),
        ),
    ];
    for (method, model) in &calls {
        call(&client, method, json!(["t", "s", model])).await;
        call(&client, method, json!(["t", "s", pascal_case(model)])).await;
    }
    let kept = records(&program, "t", 10).await;
    for (pair, (method, _)) in kept.chunks(2).zip(&calls) {
        assert_eq!(texts(&pair[0]), texts(&pair[1]), "{method}");
    }
    assert!(texts(&kept[2]).1.contains(r#""NumericValues":{"aB":[1.0]}"#), "ids keep their case");
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_6_one_event_is_an_array_of_one_with_the_number_that_was_sent() {
    let (program, client) = start().await;
    let event = json!({ "timestamp": 1_700_000_000_123_i64, "tags": {}, "id": "mouse position", "value": "{}" });
    call(&client, "SendEventData", json!(["t", "s", [event]])).await;
    call(&client, "SendEventData", json!(["t", "s", event])).await;
    for package in packages(&program.url, "t").await {
        let value: Value = serde_json::from_str(package["value"].as_str().unwrap()).unwrap();
        let expected =
            json!([{ "Timestamp": 1_700_000_000_123_i64, "Tags": {}, "Id": "mouse position", "Value": "{}" }]);
        assert_eq!(value, expected, "in an array or alone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_7_digits_survive_to_kafka_and_to_readers() {
    let (program, client) = start().await;
    const TIMES: [i64; 4] = [1_697_025_689_418_406_001, i64::MIN, i64::MAX, 0];
    for time in TIMES {
        call(&client, "SendEventData", json!(["t", "s", [{ "timestamp": time, "id": "e" }]])).await;
    }
    call(&client, "SendParameterData", json!(["t", "s", { "timestamps": TIMES }])).await;
    let kept = records(&program, "t", 5).await;
    for (record, time) in kept.iter().zip(TIMES) {
        assert!(texts(record).1.contains(&format!(r#"[{{"Timestamp":{time},"#)), "{record:?}");
    }
    let all = TIMES.map(|time| time.to_string()).join(",");
    assert!(texts(&kept[4]).1.contains(&format!(r#""Timestamps":[{all}]"#)), "{:?}", kept[4]);
    let packages = packages(&program.url, "t").await;
    assert!(packages[0]["value"].as_str().unwrap().contains("1697025689418406001"));
    assert!(packages[4]["value"].as_str().unwrap().contains(&all));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_8_a_null_stream_id_is_an_error_of_the_call_and_nothing_more() {
    let (program, client) = start().await;
    let event = json!([{ "timestamp": 1, "id": "e", "value": "v" }]);
    for (method, arguments, said) in [
        ("SendEventData", json!(["t", null, event]), "Error binding arguments"),
        ("SendParameterData", json!(["t", null, { "timestamps": [] }]), "Error binding arguments"),
        ("CloseStream", json!(["t", null]), "Error binding arguments"),
        ("CreateStream", json!([null, {}]), "Error binding arguments"),
        ("UpdateStream", json!(["t", { "name": "n" }]), "Invocation provides 2 argument(s) but target expects 3."),
        ("CloseStream", json!(["t"]), "Invocation provides 1 argument(s) but target expects 2."),
        (
            "SendParameterData",
            json!(["t", "s", { "timestamps": [1, 2], "tagValues": { "LapNumber": ["2"] } }]),
            "`tagValues.LapNumber` has 1 values for 2 timestamps",
        ),
        ("SendParameterData", json!(["t", "s", { "timestamps": [0.5] }]), "a 64-bit integer, not 0.5"),
        ("SendParameterData", json!(["t", "s", { "numericValues": {} }]), "no `timestamps`"),
        ("SendEventData", json!(["t", "s", [{ "id": "e" }]]), "no `timestamp`"),
        ("SendEventData", json!(["t", "s", [{ "id": "e", "timestamp": 1, "value": 7 }]]), "`value`"),
        (
            "SendParameterData",
            json!(["t", "s", { "timestamps": [1], "numericValues": { "Timestamp": [1] } }]),
            "NotWritten: This cannot be written: the parameter id `Timestamp` is reserved",
        ),
        (
            "SendParameterData",
            json!(["t", "s", { "epoch": i64::MAX, "timestamps": [1] }]),
            "add up to more than a 64-bit integer",
        ),
        (
            "UpdateEventDefinitions",
            json!(["t", "s", [{ "id": "a" }, { "id": "a" }]]),
            "two definitions have the id `a`",
        ),
        ("SendEventData", json!(["t", "___KA___", event]), "NotWritten: The stream id '___KA___' is reserved"),
        ("SendEventData", json!(["no topic", "s", event]), "'no topic' is not a topic name"),
    ] {
        let error = client.invoke(method, &arguments).await.expect_err(method).to_string();
        assert!(error.contains(said), "{method} {arguments}: {error}");
    }
    call(&client, "SendEventData", json!(["t", "s", event])).await;
    assert_eq!(records(&program, "t", 1).await.len(), 1, "nothing of the others is stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_8_signalrcore_goes_on_after_a_null_stream_id() {
    let program = Program::serve(&["--memory"]).await;
    let hub = format!("{}/hub", program.url.replace("http://", "ws://"));
    let output = Python::signalr().await.run("quix_writer.py", &[&hub, "t"], Duration::from_secs(50)).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused: Vec<_> = answers.iter().map(|answer| answer.as_str().map(|error| error.contains("binding"))).collect();
    assert_eq!(refused, [Some(true), None, Some(true), None], "{lines}");
    assert_eq!(packages(&program.url, "t").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_11_relative_timestamps_become_absolute_with_epoch_0() {
    let (program, client) = start().await;
    let data = json!({ "epoch": 1_697_025_689_418_406_000_i64, "timestamps": [0, 1, -6], "numericValues": {} });
    call(&client, "SendParameterData", json!(["t", "s", data])).await;
    let value: Value = serde_json::from_str(packages(&program.url, "t").await[0]["value"].as_str().unwrap()).unwrap();
    let absolute = json!([1_697_025_689_418_406_000_i64, 1_697_025_689_418_406_001_i64, 1_697_025_689_418_405_994_i64]);
    assert_eq!((&value["Epoch"], &value["Timestamps"]), (&json!(0), &absolute));
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_12_two_thousand_sends_that_nobody_awaits_arrive_in_order_each_completed() {
    let (program, client) = start().await;
    let send = |number: i64| -> PendingCall {
        // Of both kinds: they share one order.
        let started = if number % 2 == 0 {
            client.start("SendEventData", &json!(["t", "s", [{ "timestamp": number, "id": "e" }]]))
        } else {
            client.start("SendParameterData", &json!(["t", "s", { "timestamps": [number] }]))
        };
        started.unwrap()
    };
    let calls: Vec<_> = (0..2000).map(send).collect();
    for sent in calls {
        within("a completion", sent).await.unwrap();
    }
    for (record, number) in records(&program, "t", 2000).await.iter().zip(0..) {
        let expected = if number % 2 == 0 { format!(r#""Timestamp":{number},"#) } else { format!("[{number}]") };
        assert!(texts(record).1.contains(&expected), "{number}: {record:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_too_long_are_refused_and_counted() {
    let program = Program::serve_with_settings("[limits]\nname_size = 512\n", &["--memory"]).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let (fits, long) = ("x".repeat(512), "x".repeat(513));
    let data = |kind: &str, name: &str| json!({ "timestamps": [1], kind: { name: [null] } });
    let event = |id: &str, tag: &str| json!([{ "timestamp": 1, "id": id, "tags": { tag: "v" } }]);
    let mut refused = 0.0;
    for (method, arguments, what) in [
        ("SendEventData", json!(["t", long, event("e", "t")]), "stream id"),
        ("SendEventData", json!(["t", "s", event(&long, "t")]), "event id"),
        ("SendEventData", json!(["t", "s", event("e", &long)]), "name of a tag"),
        ("SendParameterData", json!(["t", "s", data("numericValues", &long)]), "parameter id"),
        ("SendParameterData", json!(["t", "s", data("tagValues", &long)]), "name of a tag"),
        ("UpdateParameterDefinitions", json!(["t", "s", [{ "id": long }]]), "parameter id"),
        ("CloseStream", json!(["t", long]), "stream id"),
    ] {
        let error = client.invoke(method, &arguments).await.expect_err(method).to_string();
        assert!(error.contains(&format!("NotWritten: The {what} is longer than 512 bytes.")), "{error}");
        refused += 1.0;
    }
    let sample = "streamgate_limit_hits_total{limit=\"names\"}";
    assert_eq!(metric(&program.management(), sample).await, refused);
    call(&client, "SendEventData", json!(["t", fits, event(&fits, &fits)])).await;
    let topic = "t".repeat(250);
    let error = client.invoke("CloseStream", &json!([topic, "s"])).await.expect_err("249 at most").to_string();
    assert!(error.contains("a name has 1 to 249 characters"), "{error}");
}

async fn start() -> (Program, HubClient) {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    (program, client)
}

async fn call(client: &HubClient, method: &str, arguments: Value) -> Value {
    within(method, client.invoke_as(method, &arguments)).await.unwrap_or_else(|error| panic!("{method}: {error}"))
}

/// The same with the first letter of each member's name upper-cased, but for the keys of dictionaries.
fn pascal_case(model: &Value) -> Value {
    let member =
        |(name, value): (&String, &Value)| (format!("{}{}", name[..1].to_uppercase(), &name[1..]), value.clone());
    match model {
        Value::Array(items) => items.iter().map(pascal_case).collect(),
        Value::Object(members) => Value::Object(members.iter().map(member).collect()),
        other => other.clone(),
    }
}

//! The active streams of a topic, to a hub client and to the command.

use e2e::client::HubClient;
use e2e::program::{Command, Program, failed, printed};
use e2e::wait::within;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Trap 13 of the Quix APIs.
#[tokio::test(flavor = "multi_thread")]
async fn active_streams_changed_has_two_arguments_the_second_a_bare_string() {
    let program = Program::serve(&["--memory"]).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let list: Value = client.invoke_as("SubscribeToActiveStreams", &("local-f1",)).await.unwrap();
    assert_eq!(list, json!([]));
    printed(&["produce", "f1", "--stream", "car", "--id", "lap", "--url", &program.url], "1\n").await;
    let call = within("the change", client.next_call_of("ActiveStreamsChanged")).await.unwrap();
    let arguments: Vec<Value> = serde_json::from_str(&call.arguments).unwrap();
    assert_eq!(arguments.len(), 2);
    assert_eq!(arguments[1], "AddUpdate");
    let stream = &arguments[0];
    assert_eq!(
        (&stream["streamId"], &stream["topicName"], &stream["topicId"]),
        (&json!("car"), &json!("f1"), &json!("local-f1"))
    );
    assert_eq!((&stream["events"], &stream["status"]), (&json!({ "lap": {} }), &json!("Receiving")));
    let again: Value = client.invoke_as("SubscribeToActiveStreams", &("f1",)).await.unwrap();
    assert_eq!(again[0]["streamId"], "car", "the list holds the same objects");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_before_the_start_are_found_again_and_without_a_server_too() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap();
    let program = Program::serve(&["--data", data]).await;
    printed(&["topic", "create", "f1", "--partitions", "3", "--url", &program.url], "").await;
    for stream in ["a", "b", "c", "d"] {
        printed(&["produce", "f1", "--stream", stream, "--url", &program.url], "x\n").await;
    }
    program.kill().await;
    let listed = async |place: &[&str]| {
        let lines = printed(&[&["streams", "f1", "--json"], place].concat(), "").await;
        let mut ids: Vec<_> = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect();
        ids.sort_by_key(|stream| stream["streamId"].to_string());
        ids
    };
    let program = Program::serve(&["--data", data]).await;
    let streams = listed(&["--url", &program.url]).await;
    assert_eq!(streams.iter().map(|stream| stream["streamId"].clone()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert!(
        streams.iter().all(|stream| stream["firstSeen"] == stream["lastData"]),
        "by the broker's time: {streams:?}"
    );
    program.kill().await;
    let alone = listed(&["--data", data]).await;
    let times = |streams: &[Value]| streams.iter().map(|stream| stream["lastData"].clone()).collect::<Vec<_>>();
    assert_eq!(times(&alone), times(&streams));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_lists_streams_and_follows_their_changes() {
    let program = Program::serve(&["--memory"]).await;
    let url = ["--url", program.url.as_str()];
    let unknown = failed(&[&["streams", "f2"], &url[..]].concat(), "").await;
    assert!(unknown.starts_with("topic 'f2' does not exist"), "{unknown}");
    assert_eq!(printed(&[&["topic", "list", "--json"], &url[..]].concat(), "").await, "[]\n", "looking makes none");

    printed(&[&["produce", "f1", "--stream", "car \u{1b}", "--id", "lap"], &url[..]].concat(), "1\n").await;
    let table = printed(&[&["streams", "local-f1"], &url[..]].concat(), "").await;
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["STREAM", "NAME", "STATUS", "PARAMETERS", "EVENTS", "LAST", "DATA"]);
    assert_eq!(rows[1][..6], ["car", "\\u{1b}", "-", "Receiving", "0", "1"]);
    assert!(rows[1][6].ends_with('Z') && rows.len() == 2, "{table}");

    let mut people = Command::start(&[&["streams", "f1", "--follow"], &url[..]].concat());
    let mut programs = Command::start(&[&["streams", "f1", "--follow", "--json"], &url[..]].concat());
    assert!(people.next_line().await.unwrap().starts_with("  STREAM "));
    assert!(people.next_line().await.unwrap().starts_with("  car "));
    let mut change = async || serde_json::from_str::<Value>(&programs.next_line().await.unwrap()).unwrap();
    assert_eq!(change().await["stream"]["streamId"], "car \u{1b}");
    printed(&[&["produce", "f1", "--stream", "bike"], &url[..]].concat(), "1\n").await;
    assert!(people.next_line().await.unwrap().starts_with("+ bike "));
    let bike = change().await;
    assert_eq!((&bike["action"], &bike["stream"]["streamId"]), (&json!("AddUpdate"), &json!("bike")));
    people.interrupt();
    assert_eq!(people.wait().await, (Some(0), String::new()), "Ctrl-C is how it is meant to end");
    program.terminate();
    let (code, said) = programs.wait().await;
    assert_eq!(code, Some(1));
    assert!(said.starts_with("error: the server ended the stream"), "{said}");
}

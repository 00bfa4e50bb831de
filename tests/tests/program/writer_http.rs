//! The Writer's HTTP API as Quix's clients use it.

use std::process::Stdio;

use e2e::program::Program;
use e2e::wait::within;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::http::send;
use crate::support::{packages, problem, records, texts};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_200_without_a_body_and_stores_what_the_hub_would() {
    let program = Program::serve(&["--kafka-listen", "127.0.0.1:0"]).await;
    let created = send(Method::POST, &format!("{}/topics/local-t/streams", program.url), JSON, r#"{"Name":"A"}"#).await;
    assert_eq!(created.status(), 200);
    let created: Value = created.json().await.unwrap();
    let stream = created["streamId"].as_str().unwrap().to_owned();
    assert_eq!(created, json!({ "streamId": stream }));
    for (method, route, body, stored) in [
        (Method::PUT, "", r#"{"name":"B"}"#, r#""StreamProperties","V":{"Name":"B","#),
        (Method::POST, "/parameters/data", r#"{"Timestamps":[7]}"#, r#""ParameterData","V":{"Timestamps":[7],"#),
        (Method::POST, "/events/data", r#"[{"Id":"e","Timestamp":7}]"#, r#""EventData[]","V":[{"Timestamp":7,"#),
        (Method::POST, "/events/data", r#"{"id":"e","timestamp":8}"#, r#""EventData[]","V":[{"Timestamp":8,"#),
        (Method::PUT, "/parameters", r#"[{"id":"p"}]"#, r#""ParameterDefinitions","V":{"#),
        (Method::PUT, "/events", r#"[{"id":"e"}]"#, r#""EventDefinitions","V":{"#),
        (Method::POST, "/parameters/definitions", "[]", r#""ParameterDefinitions","V":{"#),
        (Method::POST, "/events/definitions", "[]", r#""EventDefinitions","V":{"#),
        (Method::POST, "/close", "", r#""StreamEnd","V":{}"#),
    ]
    .map(|(method, route, body, stored)| (method, format!("/topics/t/streams/{stream}{route}"), body, stored))
    {
        let answer = send(method, &format!("{}{route}", program.url), JSON, body).await;
        assert_eq!((answer.status().as_u16(), answer.content_length()), (200, Some(0)), "{route}");
        let count = packages(&program.url, "t").await.len();
        let kept = records(&program, "t", count).await;
        let (key, value) = texts(kept.last().unwrap());
        assert!(key == stream && value.contains(stored), "{route}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_10_close_with_any_content_type_and_the_statuses_of_bad_requests() {
    let program = Program::serve(&["--memory"]).await;
    let close = format!("{}/topics/t/streams/s/close", program.url);
    for headers in [JSON, &[], &[("content-type", "text/plain")], &[("content-length", "0")]] {
        let answer = send(Method::POST, &close, headers, "").await;
        assert_eq!((answer.status().as_u16(), answer.content_length()), (200, Some(0)), "{headers:?}");
    }
    let version = [("X-Version", "2.0"), ("content-type", "application/json;charset=UTF-8")];
    let events = format!("{}/topics/t/streams/s/events/data", program.url);
    assert_eq!(send(Method::POST, &format!("{events}?X-Version=1.0"), &version, "[]").await.status(), 200);

    let long = "x".repeat(1025);
    for (method, path, headers, body, status, said) in [
        // In the order of the checks: each of these is wrong in what comes later too.
        (Method::POST, "/topics/no%20topic/nowhere", &[][..], "", 404, "nothing at this address"),
        (Method::PUT, "/topics/no%20topic/streams/s/close", &[], "", 405, "does not take this method"),
        (Method::GET, "/topics/t/streams/s/events/data", &[], "", 405, "does not take this method"),
        (Method::GET, "/topics/t/streams", &[], "", 405, "does not take this method"),
        (Method::DELETE, "/topics/t/streams/s", &[], "", 405, "does not take this method"),
        (Method::POST, "/topics/no%20topic/streams/s/events/data", &[], "{", 415, "application/json"),
        (Method::POST, "/topics/t/streams/s/parameters/data", &[("content-type", "text/plain")], "{", 415, "json"),
        (
            Method::POST,
            "/topics/t/streams",
            &[("content-type", "application/x-www-form-urlencoded")],
            "{}",
            415,
            "json",
        ),
        (Method::PUT, "/topics/t/streams/s", &[], "{}", 415, "application/json"),
        (Method::POST, "/topics/t/streams/s/parameters/data", JSON, "{", 400, "The body: EOF"),
        (Method::POST, "/topics/t/streams/s/parameters/data", JSON, "", 400, "The body: EOF"),
        (Method::POST, "/topics/t/streams", JSON, "", 400, "The body: EOF"),
        (Method::POST, "/topics/t/streams/s/events/data", JSON, "[{}]", 400, "no `timestamp`"),
        (
            Method::POST,
            "/topics/t/streams/s/parameters/data",
            JSON,
            r#"{"timestamps":[1,2],"numericValues":{"a":[1,2,3]}}"#,
            400,
            "`numericValues.a` has 3 values for 2 timestamps",
        ),
        (
            Method::POST,
            "/topics/t/streams/s/parameters/data",
            JSON,
            r#"{"timestamps":[1],"numericValues":{"Tags":[1]}}"#,
            400,
            "the parameter id `Tags` is reserved",
        ),
        (Method::PUT, "/topics/t/streams/s/parameters", JSON, r#"[{"name":"n"}]"#, 400, "no `id`"),
        (Method::POST, "/topics/no%20topic/streams/s/close", &[], "", 400, "is not a topic name"),
        (Method::POST, "/topics/t/streams/%ff/close", &[], "", 400, "UTF-8"),
        (Method::POST, "/topics/t/streams/___KA___/close", &[], "", 400, "reserved"),
        (Method::POST, "/topics/__consumer_offsets/streams", JSON, "{}", 400, "internal"),
        (Method::POST, &format!("/topics/t/streams/{long}/close"), &[], "", 400, "longer than 1024 bytes"),
    ] {
        let answer = send(method.clone(), &format!("{}{path}", program.url), headers, body.to_owned()).await;
        if status == 405 {
            assert!(answer.headers().contains_key("allow"), "{path}");
        }
        let problem = problem(answer, status).await;
        assert!(problem["detail"].as_str().unwrap().contains(said), "{method} {path}: {problem}");
        assert_eq!(problem["kind"] == "NotWritten", !matches!(status, 404 | 405), "{method} {path}: {problem}");
    }
    assert_eq!(packages(&program.url, "t").await.len(), 5, "the closes and the empty events");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_topic_is_404_where_topics_are_not_made_by_use() {
    let program = Program::serve(&["--memory", "--create-topics=false"]).await;
    let problem =
        problem(send(Method::POST, &format!("{}/topics/t/streams", program.url), JSON, "{}").await, 404).await;
    assert_eq!(problem["detail"], "Topic 't' does not exist or may not be written.");
    assert_eq!(problem["kind"], "NotWritten");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_or_a_record_that_is_too_large_is_413() {
    let settings = "[limits]\nbody_size = \"8KiB\"\n[topics.t]\nmax_message_size = \"2KiB\"\n";
    let program = Program::serve_with_settings(settings, &["--memory"]).await;
    let body = |bytes: usize| format!(r#"[{{"id":"e","timestamp":1,"value":"{}"}}]"#, "x".repeat(bytes));
    for (bytes, said) in [(9000, "The body is longer than 8192 bytes"), (3000, "exceeds the topic's limit of 2048")] {
        let url = format!("{}/topics/t/streams/s/events/data", program.url);
        let problem = problem(send(Method::POST, &url, JSON, body(bytes)).await, 413).await;
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
        assert_eq!(problem["kind"], "NotWritten");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trap_15_stream_ids_in_urls_are_any_text() {
    let program = Program::serve(&["--memory"]).await;
    let ids = [
        ("a%2Fb", "a/b"),
        ("a%20b", "a b"),
        ("a+b", "a+b"),
        ("100%25", "100%"),
        ("a%252Fb", "a%2Fb"),
        ("%C5%BElu%C5%A5%20%F0%9F%9A%80", "žluť 🚀"),
        ("%2e%2e", ".."),
        ("q%3Fx%23y", "q?x#y"),
        ("%00", "\0"),
    ];
    for (encoded, _) in ids {
        // Not by a library that would tidy the URL up.
        let request = format!(
            "POST /topics/t/streams/{encoded}/close HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
             content-length: 0\r\n\r\n",
            program.address()
        );
        let answer = exchange(&program, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{encoded}: {answer}");
    }
    let packages = packages(&program.url, "t").await;
    let stored: Vec<_> = packages.iter().map(|package| package["streamId"].as_str().unwrap()).collect();
    assert_eq!(stored, ids.map(|(_, id)| id));
}

/// What people have copied from Quix's pages for years: curl, fetch and `http` of Node, `urllib` and `http.client` of Python.
/// Tokens are sent and not looked at; a single event stands without an array; the scheme is in lower case.
#[tokio::test(flavor = "multi_thread")]
async fn programs_of_the_http_api_run_as_they_stand_but_for_the_url() {
    let program = Program::serve(&["--memory"]).await;
    let data = r#"{"timestamps":[1],"numericValues":{"ParameterA":[5]},"tagValues":{"tag1":["tagValue"]}}"#;
    let url = |rest: &str| format!("{}/topics/t/streams/s/{rest}", program.url);
    let curl = ["-sS", "--fail-with-body", "-X", "POST", "-H", "Authorization: bearer token"];
    let content = ["-H", "Content-Type: application/json"];
    run("curl", &[&curl[..], &content, &["-d", data, &url("parameters/data")]].concat()).await;
    run("curl", &[&curl[..], &content, &[&url("close")]].concat()).await;
    run("curl", &[&curl[..], &[&url("close")]].concat()).await;
    let script = r#"
        const { request } = require("node:http");
        const url = process.argv[1];
        const headers = { Authorization: "bearer token", "Content-Type": "application/json; charset=utf-8" };
        const event = { id: "EventA", timestamp: Date.now() * 1e6, value: "from node", tags: { tag1: "val1" } };
        fetch(url + "events/data", { method: "POST", headers, body: JSON.stringify([event]) }).then((answer) => {
            if (answer.status !== 200) throw new Error(answer.status);
            const sent = request(url + "events/data", { method: "POST", headers }, (answer) => {
                if (answer.statusCode !== 200) throw new Error(answer.statusCode);
            });
            sent.write(JSON.stringify(event));
            sent.end();
        });
    "#;
    run("node", &["-e", script, &url("")]).await;
    let script = r#"
import http.client, json, sys, urllib.request
url = sys.argv[1]
headers = {"Authorization": "bearer token", "Content-Type": "application/json"}
data = {"Timestamps": [1697025689418406001], "NumericValues": {"speed": [1.5]}, "StringValues": None}
request = urllib.request.Request(url + "parameters/data", json.dumps(data).encode(), headers, method="POST")
assert urllib.request.urlopen(request).status == 200
host, path = url.removeprefix("http://").split("/", 1)
connection = http.client.HTTPConnection(host)
for route in "properties", "close":
    body = json.dumps({"name": "from Python"}) if route == "properties" else None
    method, target = ("PUT", path.rstrip("/")) if body else ("POST", path + "close")
    connection.request(method, "/" + target, body, headers)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b""), answer.status
"#;
    run("python3", &["-c", script, &url("")]).await;
    let kinds: Vec<_> = packages(&program.url, "t")
        .await
        .iter()
        .map(|package| package["type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned())
        .collect();
    let expected = [
        "TimeseriesDataRaw",
        "StreamEnd",
        "StreamEnd",
        "EventDataRaw[]",
        "EventDataRaw[]",
        "TimeseriesDataRaw",
        "StreamProperties",
        "StreamEnd",
    ];
    assert_eq!(kinds, expected);
}

async fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = within(program, output).await.unwrap_or_else(|error| panic!("{program} does not run: {error}"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&said));
}

/// Sends these bytes and reads the answer to its end.
async fn exchange(program: &Program, bytes: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(program.address()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the answer's end", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

//! The client commands against a small server that plays its part of the HTTP API.

#![allow(clippy::unwrap_used)]

use std::{
    io::{self, Cursor, Read},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use clap::Parser;
use serde_json::{Value, json};
use streamgate::{
    args::{Args, Command},
    commands::{self, CommandError},
};

#[tokio::test]
async fn topics_are_created_and_listed() {
    let server = FakeServer::start().await;
    assert_eq!(
        server.run(&["topic", "create", "new", "--partitions", "3"]).await.unwrap(),
        "topic 'new' is there: 3 partitions, id 'local-new'\n"
    );
    assert_eq!(
        server.run(&["topic", "create", "local-new"]).await.unwrap(),
        "topic 'local-new' is there: 1 partition, id 'local-local-new'\n"
    );
    assert_eq!(server.requests(), [r#"PUT new {"partitions":3}"#, "PUT local-new {}"]);
    assert_eq!(
        server.run(&["topic", "list"]).await.unwrap(),
        "NAME     PARTITIONS  ID\nf1-data           2  local-f1-data\nchat              1  local-chat\n"
    );
    let listed: Value = serde_json::from_str(&server.run(&["topic", "list", "--json"]).await.unwrap()).unwrap();
    assert_eq!(listed, topics());
}

#[tokio::test]
async fn what_the_server_refuses_is_said_in_one_sentence() {
    let server = FakeServer::start().await;
    for (command, sentence) in [
        (&["topic", "create", "chat", "--partitions", "9"][..], "the server refused: Topic 'chat' has 1 partition"),
        (&["topic", "create", "unreachable"], "the server refused: The broker cannot be reached"),
        (&["topic", "create", "hostile"], "the server refused: a\\nb\\u{1b}[31m"),
        (
            &["tail", "f1-dta"],
            "topic 'f1-dta' does not exist at URL; did you mean 'f1-data'?; `streamgate topic create f1-dta` makes it",
        ),
        (&["tail", "weather"], "topic 'weather' does not exist at URL; `streamgate topic create weather` makes it"),
        (
            &["tail", "proxy"],
            "what answers at URL is no Streamgate server (HTTP status 502 Bad Gateway): is --url right?",
        ),
        (
            &["tail", "page"],
            "what answers at URL is no Streamgate server (a line that is no package: expected value at line 1 column 1): is --url right?",
        ),
    ] {
        assert_eq!(server.refusal(command).await, sentence, "{command:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_what_to_do() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}/");
    for command in [&["topic", "list"][..], &["topic", "create", "t"], &["tail", "t"]] {
        let error = run_at(&url, command, "").await.1.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "no server answers at {url} (Connection refused): start one with `streamgate serve`, or name another with --url"
            )
        );
    }
    let error = run_at(&url, &["produce", "t"], "a\n").await.1.unwrap_err();
    assert!(error.to_string().ends_with("or name another with --url (0 lines are durable, none after)"), "{error}");
}

#[tokio::test]
async fn tail_prints_packages_as_they_are_or_for_people() {
    let server = FakeServer::start().await;
    let printed = server.run(&["tail", "f1-data", "--until-end", "--json"]).await.unwrap();
    assert_eq!(printed, format!("{}\n{}\n", package(0, "one"), package(1, "t\u{1b}wo")));
    let printed = server.run(&["tail", "f1-data", "--until-end", "--from", "5"]).await.unwrap();
    assert_eq!(
        printed,
        "2026-11-25T03:30:57Z 0:0 cli EventData line one\n2026-11-25T03:30:57Z 0:1 cli EventData line t\\u{1b}wo\n"
    );
    for from in ["-10m", "2026-01-31T12:00:00+01:00"] {
        server.run(&["tail", "f1-data", "--until-end", "--from", from]).await.unwrap();
    }
    let asked = ["earliest", "5", "-10m", "2026-01-31T12%3A00%3A00%2B01%3A00"];
    assert_eq!(server.requests(), asked.map(|from| format!("GET f1-data from={from}&until_end=true")));
}

#[tokio::test]
async fn tail_tells_why_a_stream_ended() {
    let server = FakeServer::start().await;
    for (topic, printed, sentence) in [
        ("chat", 1, "the server ended the stream: it is stopping, or the topic is gone"),
        ("broken", 1, "the server ended the stream: Records 5 to 9 are gone"),
        ("cut", 1, "the server ended the stream: in the middle of a package"),
    ] {
        let (out, result) = run_at(&server.url, &["tail", topic], "").await;
        assert_eq!(out.lines().count(), printed, "{topic}");
        assert_eq!(result.unwrap_err().to_string(), sentence);
    }
    assert_eq!(server.requests()[0], "GET chat from=end");
    // With --until-end the end is what was asked for, but not a broken one.
    assert!(server.run(&["tail", "chat", "--until-end"]).await.is_ok());
    assert!(server.run(&["tail", "broken", "--until-end"]).await.is_err());
    let (_, result) = run_at(&server.url, &["tail", "reset", "--until-end"], "").await;
    assert!(matches!(result, Err(CommandError::Broken { .. })), "{result:?}");
}

#[tokio::test]
async fn produce_sends_every_line_in_order_and_counts() {
    let server = FakeServer::start().await;
    let input: String = (0..2_500).map(|number| format!("line {number}\n")).collect();
    let (out, result) = run_at(&server.url, &["produce", "f1-data", "--stream", "s", "--id", "i"], &input).await;
    result.unwrap();
    assert_eq!(out, "2500 lines acknowledged\n");
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.lines().count() <= 1_001), "at most 1000 lines and our own first");
    let values: Vec<String> = server.events().iter().map(|event| event["value"].as_str().unwrap().to_owned()).collect();
    assert_eq!(values, (0..2_500).map(|number| format!("line {number}")).collect::<Vec<_>>());
    assert!(
        server
            .events()
            .iter()
            .all(|event| event["streamId"] == "s" && event["id"] == "i" && event["timestamp"].is_u64())
    );

    let (out, _) = run_at(&server.url, &["produce", "f1-data"], "one").await;
    assert_eq!(out, "1 line acknowledged\n");
    let (out, _) = run_at(&server.url, &["produce", "f1-data"], "").await;
    assert_eq!(out, "0 lines acknowledged\n");
}

#[tokio::test]
async fn produce_says_what_is_durable_when_it_fails() {
    let server = FakeServer::start().await;
    for (topic, lines, sentence) in [
        (
            "full",
            3,
            "the server refused: The server's write backlog is full. Nothing was written; try again later (2 lines are durable, none after)",
        ),
        (
            "full",
            2_500,
            "the server refused: The server's write backlog is full. Nothing was written; try again later (1002 lines are durable, none after)",
        ),
        (
            "slow",
            3,
            "the server refused: The write was not confirmed in time (1 line is durable; the next 2 may be stored or not)",
        ),
        (
            "nowhere",
            3,
            "topic 'nowhere' does not exist at URL; `streamgate topic create nowhere` makes it (0 lines are durable, none after)",
        ),
        (
            "proxy",
            1,
            "what answers at URL is no Streamgate server (HTTP status 502 Bad Gateway): is --url right? (0 lines are durable; the next one may be stored or not)",
        ),
        (
            "less",
            3,
            "what answers at URL is no Streamgate server (it acknowledged 2 of 3 lines): is --url right? (0 lines are durable; the next 3 may be stored or not)",
        ),
    ] {
        let (_, result) = run_at(&server.url, &["produce", topic], &"x\n".repeat(lines)).await;
        assert_eq!(result.unwrap_err().to_string().replace(&server.url, "URL"), sentence);
    }
    let (_, result) = run_with(&server.url, &["produce", "f1-data"], Cursor::new(b"good\n\xff\n")).await;
    assert_eq!(
        result.unwrap_err().to_string(),
        "standard input, line 2: not UTF-8, so it cannot be sent unchanged (1 line is durable, none after)"
    );
}

#[test]
fn addresses_and_topics_are_checked_before_anything_is_sent() {
    for (arguments, problem) in [
        (&["tail", "t", "--url", "ftp://a"][..], "write it like http://127.0.0.1:8080"),
        (&["tail", "t", "--url", "localhost:8080"], "write it like http://127.0.0.1:8080"),
        (&["tail", "t", "--url", "a b"], "write it like http://127.0.0.1:8080"),
        (&["tail", ".."], "a topic has 1 to 249 letters, digits, '.', '_' or '-'"),
        (&["tail", "a/b"], "a topic has 1 to 249 letters, digits, '.', '_' or '-'"),
        (
            &["tail", "t", "--from=-1"],
            "write earliest, end, an offset, a time such as 2026-01-31T12:00:00Z, or how long ago, such as -10m",
        ),
        (
            &["tail", "t", "--from", "latest"],
            "write earliest, end, an offset, a time such as 2026-01-31T12:00:00Z, or how long ago, such as -10m",
        ),
        (
            &["tail", "t", "--from", "-10x"],
            "write earliest, end, an offset, a time such as 2026-01-31T12:00:00Z, or how long ago, such as -10m",
        ),
        (
            &["tail", "t", "--from", "99999999999999999999"],
            "write earliest, end, an offset, a time such as 2026-01-31T12:00:00Z, or how long ago, such as -10m",
        ),
        (&["topic", "create", "t", "--partitions", "0"], "--partitions"),
    ] {
        let error = Args::try_parse_from(["streamgate"].iter().chain(arguments)).unwrap_err().to_string();
        assert!(error.contains(problem), "{arguments:?}: {error}");
    }
}

/// Answers by the topic's name, and remembers what it was asked.
struct FakeServer {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    async fn start() -> Self {
        let requests = Arc::default();
        let router = Router::new()
            .route("/topics", get(|| async { Json(topics()) }))
            .route("/topics/{topic}", put(create))
            .route("/topics/{topic}/packages", post(write).get(read))
            .with_state(Arc::clone(&requests));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn events(&self) -> Vec<Value> {
        let lines = self
            .requests()
            .into_iter()
            .flat_map(|request| request.lines().skip(1).map(str::to_owned).collect::<Vec<_>>());
        lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
    }

    async fn run(&self, command: &[&str]) -> Result<String, CommandError> {
        let (out, result) = run_at(&self.url, command, "").await;
        result.map(|()| out)
    }

    async fn refusal(&self, command: &[&str]) -> String {
        self.run(command).await.expect_err("this must fail").to_string().replace(&self.url, "URL")
    }
}

async fn create(State(log): State<Arc<Mutex<Vec<String>>>>, Path(topic): Path<String>, body: String) -> Response {
    log.lock().unwrap().push(format!("PUT {topic} {body}"));
    match topic.as_str() {
        "chat" => problem(409, json!({ "detail": "Topic 'chat' has 1 partition." })),
        "unreachable" => {
            problem(503, json!({ "title": "Service Unavailable", "detail": "The broker cannot be reached." }))
        }
        "hostile" => problem(400, json!({ "detail": "a\nb\u{1b}[31m" })),
        _ => {
            let partitions = serde_json::from_str::<Value>(&body).unwrap()["partitions"].as_i64().unwrap_or(1);
            Json(json!({ "name": topic, "id": format!("local-{topic}"), "partitions": partitions })).into_response()
        }
    }
}

async fn read(
    State(log): State<Arc<Mutex<Vec<String>>>>,
    Path(topic): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    log.lock().unwrap().push(format!("GET {topic} {}", query.unwrap_or_default()));
    let one = format!("{}\n", package(0, "one"));
    match topic.as_str() {
        "f1-data" => format!("{one}\n{}\n", package(1, "t\u{1b}wo")).into_response(),
        "chat" => one.into_response(),
        "broken" => format!("{one}{{\"error\":\"Records 5 to 9 are gone.\"}}\n").into_response(),
        "cut" => format!("{one}{{\"topicId\":").into_response(),
        "reset" => {
            let chunks = [Ok(Bytes::from(one)), Err(std::io::Error::other("gone"))];
            Body::from_stream(futures::stream::iter(chunks)).into_response()
        }
        "proxy" => (StatusCode::BAD_GATEWAY, "<html>").into_response(),
        "page" => "<html>\n".into_response(),
        _ => problem(404, json!({ "detail": "Topic does not exist." })),
    }
}

async fn write(State(log): State<Arc<Mutex<Vec<String>>>>, Path(topic): Path<String>, body: String) -> Response {
    let lines = body.lines().count();
    log.lock().unwrap().push(format!("POST {topic}\n{body}"));
    match topic.as_str() {
        "f1-data" => Json(json!({ "written": lines })).into_response(),
        "full" if lines == 1_000 && log.lock().unwrap().len() % 2 == 0 => {
            Json(json!({ "written": lines })).into_response()
        }
        "full" => problem(
            503,
            json!({ "detail": "The server's write backlog is full. Nothing was written; try again later.", "written": 2 }),
        ),
        "slow" => problem(
            504,
            json!({ "detail": "The write was not confirmed in time.", "written": 1, "kind": "OutcomeUnknown" }),
        ),
        "less" => Json(json!({ "written": lines - 1 })).into_response(),
        "proxy" => (StatusCode::BAD_GATEWAY, "<html>").into_response(),
        _ => problem(404, json!({ "detail": "Topic does not exist." })),
    }
}

fn problem(status: u16, document: Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "application/problem+json")], document.to_string()).into_response()
}

fn topics() -> Value {
    json!([
        { "name": "f1-data", "id": "local-f1-data", "partitions": 2 },
        { "name": "chat", "id": "local-chat", "partitions": 1 },
    ])
}

fn package(offset: i64, value: &str) -> String {
    let value = json!([{ "Timestamp": 1, "Tags": {}, "Id": "line", "Value": value }]).to_string();
    json!({
        "topicId": "local-f1-data", "topicName": "f1-data", "streamId": "cli", "dateTime": "2026-11-25T03:30:57Z",
        "type": "QuixStreams.Telemetry.Models.EventDataRaw[]", "value": value, "partition": 0, "offset": offset,
    })
    .to_string()
}

async fn run_at(url: &str, command: &[&str], input: &str) -> (String, Result<(), CommandError>) {
    run_with(url, command, Cursor::new(input.to_owned())).await
}

/// Runs a command line and gives what it printed, of `produce` what it printed to standard error.
async fn run_with(
    url: &str,
    command: &[&str],
    input: impl Read + Send + 'static,
) -> (String, Result<(), CommandError>) {
    let args = Args::parse_from(["streamgate"].iter().chain(command).chain(&["--url", url]));
    let mut out = Vec::new();
    let result = match args.command {
        Command::Topic(args) => commands::topic::run_to(&args, &mut out).await,
        Command::Tail(args) => commands::tail::run_to(&args, &mut out, &mut io::sink()).await,
        Command::Produce(args) => commands::produce::run_with(&args, input, &mut out).await,
        other => panic!("{other:?} is no client command"),
    };
    (String::from_utf8(out).unwrap(), result)
}

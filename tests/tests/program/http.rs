//! The HTTP API as `curl` sees it, and the checks at the door.

use e2e::program::{Program, printed};
use e2e::wait::within;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{metric, problem};

#[tokio::test(flavor = "multi_thread")]
async fn packages_go_in_and_come_out_as_lines() {
    let program = Program::serve(&["--memory"]).await;
    let packages = format!("{}/topics/t/packages", program.url);
    let event = |number: usize| json!({ "streamId": "s", "id": "E", "timestamp": number, "value": number.to_string() });
    let body = format!("{}\n\n{}\r\n{}", event(0), event(1), event(2));
    let written = send(Method::POST, &packages, &[("content-type", "application/x-ndjson")], body).await;
    assert_eq!(written.json::<Value>().await.unwrap(), json!({ "written": 3 }));

    let read = send(Method::GET, &format!("{packages}?from=1&until_end=true"), &[], "").await;
    assert_eq!(read.headers()["content-type"], "application/x-ndjson");
    let text = read.text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["offset"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert!(text.ends_with('\n'));

    // Live: the answer begins at once, and goes on with what is written.
    let mut live = send(Method::GET, &packages, &[], "").await;
    send(Method::POST, &packages, &[], event(3).to_string()).await;
    let line: Value = serde_json::from_slice(&live.chunk().await.unwrap().unwrap()).unwrap();
    assert_eq!(line["offset"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn until_the_end_is_the_end_when_it_began_whatever_is_written_meanwhile() {
    let program = Program::serve(&["--memory"]).await;
    // More than waits on the way to a client that does not read yet.
    let line = format!("{}\n", "x".repeat(100_000));
    printed(&["produce", "t", "--url", &program.url], &line.repeat(200)).await;
    let url = format!("{}/topics/t/packages?from=earliest&until_end=true", program.url);
    let answer = send(Method::GET, &url, &[], "").await;
    printed(&["produce", "t", "--url", &program.url], "after\n").await;
    let text = within("the end", answer.text()).await.unwrap();
    let offsets = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["offset"].as_u64().unwrap());
    assert!(offsets.eq(0..200), "all of it, and nothing that came after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_is_named_and_what_came_before_it_counted() {
    let program = Program::serve(&["--memory"]).await;
    let packages = format!("{}/topics/t/packages", program.url);
    let good = r#"{"streamId":"s","id":"E","timestamp":1,"value":"v"}"#;
    for (bad, said) in [
        ("{", "Line 4: EOF while parsing an object, at column 1"),
        (r#"{"id":"E","timestamp":1}"#, "Line 4: missing field `streamId`, at column 24"),
        (r#"{"streamId":"s","timestamp":1}"#, "Line 4: the event has no `id`"),
        (r#"{"streamId":"s","id":"E"}"#, "Line 4: the event has no `timestamp`"),
        (
            r#"{"streamId":7,"id":"E","timestamp":1}"#,
            "Line 4: invalid type: integer `7`, expected a string, at column 13",
        ),
        ("\u{feff}", "Line 4: expected value, at column 1"),
    ] {
        let body = format!("{good}\n\n{good}\n{bad}\n{good}\n");
        let problem = problem(send(Method::POST, &packages, &[], body).await, 400).await;
        assert_eq!((&problem["written"], &problem["kind"]), (&json!(2), &json!("NotWritten")), "{bad}");
        assert!(problem["detail"].as_str().unwrap().starts_with(said), "{problem}");
    }
    let text = send(Method::GET, &format!("{packages}?from=earliest&until_end=true"), &[], "").await.text().await;
    assert_eq!(text.unwrap().lines().count(), 12, "what was counted as written is there, and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_request_is_told_by_a_problem_document() {
    let program = Program::serve(&["--memory"]).await;
    let put = send(Method::PUT, &format!("{}/topics/t", program.url), &[], r#"{"partitions":2}"#).await;
    assert_eq!(put.json::<Value>().await.unwrap(), json!({ "name": "t", "id": "local-t", "partitions": 2 }));
    for (method, path, body, status) in [
        (Method::GET, "/nowhere", "", 404),
        (Method::GET, "/topics/t", "", 405),
        (Method::DELETE, "/topics", "", 405),
        (Method::PUT, "/topics/t", r#"{"partitions":3}"#, 409),
        (Method::PUT, "/topics/u", r#"{"partitions":0}"#, 400),
        (Method::PUT, "/topics/u", r#"{"partitoins":1}"#, 400),
        (Method::PUT, "/topics/u", "[", 400),
        (Method::PUT, "/topics/no%20topic", "", 400),
        (Method::PUT, "/topics/__consumer_offsets", "", 400),
        (Method::GET, "/topics/%ff/packages", "", 400),
        (Method::GET, "/topics/no%20topic/packages", "", 400),
        (Method::GET, "/topics/__consumer_offsets/packages?until_end=true", "", 400),
        (Method::GET, "/topics/unknown/packages?until_end=true", "", 404),
        (Method::GET, "/topics/t/packages?from=-1", "", 400),
        (Method::GET, "/topics/t/packages?from=x", "", 400),
        (Method::GET, "/topics/t/packages?until_end=perhaps", "", 400),
        (Method::POST, "/topics/no%20topic/packages", "{}", 400),
    ] {
        let response = send(method.clone(), &format!("{}{path}", program.url), &[], body).await;
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let problem = problem(response, status).await;
        assert_eq!(problem["kind"] == "NotWritten", method == Method::POST, "{method} {path}: {problem}");
    }
    let compressed = [("content-encoding", "gzip")];
    let response = send(Method::POST, &format!("{}/topics/t/packages", program.url), &compressed, "x").await;
    problem(response, 415).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_and_if_it_says_so_unread() {
    let program = Program::serve_with_settings("[limits]\nbody_size = \"1KiB\"\n", &["--memory"]).await;
    let head = |more: &str| format!("POST /topics/t/packages HTTP/1.1\r\nhost: {}\r\n{more}\r\n", program.address());
    // Nothing of the body is sent: the answer must come all the same.
    let announced = exchange(&program, &head("content-length: 1025\r\n")).await;
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    assert!(
        announced.contains("The body is longer than 1024 bytes") && announced.contains("NotWritten"),
        "{announced}"
    );
    let chunks = format!("{}401\r\n{}\r\n", head("transfer-encoding: chunked\r\n"), " ".repeat(0x401));
    let unannounced = exchange(&program, &chunks).await;
    assert!(unannounced.starts_with("HTTP/1.1 413 "), "{unannounced}");
    let put = head("content-length: 1025\r\n").replace("POST /topics/t/packages", "PUT /topics/t");
    assert!(exchange(&program, &put).await.starts_with("HTTP/1.1 413 "));
    assert_eq!(metric(&program.management(), "streamgate_limit_hits_total{limit=\"body_size\"}").await, 3.0);
    let fits = send(Method::POST, &format!("{}/topics/t/packages", program.url), &[], "\n".repeat(1024)).await;
    assert_eq!(fits.json::<Value>().await.unwrap(), json!({ "written": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_are_misdirected_on_both_listeners() {
    let program = Program::serve(&["--memory"]).await;
    let port = program.address().rsplit(':').next().unwrap().to_owned();
    for path in ["/topics", "/hub", "/hub/negotiate", "/demo/", "/health/live", "/nowhere"] {
        for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:80"] {
            let response = send(Method::POST, &format!("{}{path}", program.url), &[("host", host)], "").await;
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            problem(response, 421).await;
        }
    }
    let metrics = format!("{}/metrics", program.management());
    problem(send(Method::GET, &metrics, &[("host", "evil.example")], "").await, 421).await;
    for host in ["localhost", &format!("localhost:{port}"), "ws.localhost", "[::1]:80"] {
        let response = send(Method::GET, &format!("{}/topics", program.url), &[("host", host)], "").await;
        assert_eq!(response.status(), 200, "{host}");
    }
    program.logs("evil.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_are_refused_and_those_of_this_machine_are_not() {
    let program = Program::serve(&["--memory"]).await;
    let asks = |path: &str, method: Method, origin: &'static str| {
        let url = format!("{}{path}", program.url);
        async move { send(method, &url, &[("origin", origin)], "").await }
    };
    for (path, method) in [("/topics", Method::GET), ("/topics/t", Method::PUT), ("/hub/negotiate", Method::POST)] {
        for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
            let refused = asks(path, method.clone(), origin).await;
            assert_eq!(refused.status(), 403, "{path} {origin}");
            assert!(!refused.headers().contains_key("access-control-allow-origin"), "{path} {origin}");
        }
        let allowed = asks(path, method, "http://localhost:3000").await;
        assert_eq!(allowed.status(), 200, "{path}");
        assert_eq!(allowed.headers()["access-control-allow-origin"], "http://localhost:3000");
        assert_eq!(allowed.headers()["access-control-allow-credentials"], "true");
        assert_eq!(allowed.headers()["vary"], "Origin");
    }
    program.logs("allowed_origins").await;

    // Images, frames and links say no origin, only that they are of elsewhere.
    for site in ["cross-site", "same-origin", "none"] {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")];
        let answer =
            send(Method::GET, &format!("{}/topics/t/packages?until_end=true", program.url), &headers, "").await;
        assert_eq!(answer.status(), if site == "cross-site" { 403 } else { 200 }, "{site}");
    }

    let asked = [("origin", "http://localhost:1"), ("access-control-request-method", "PUT")];
    let preflight = send(Method::OPTIONS, &format!("{}/topics/t", program.url), &asked, "").await;
    assert_eq!(preflight.status(), 204);
    assert!(preflight.headers()["access-control-allow-methods"].to_str().unwrap().contains("PUT"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_may_be_sniffed() {
    let program = Program::serve(&["--memory"]).await;
    for path in ["/", "/demo/", "/demo/nowhere", "/topics", "/hub", "/hub/negotiate", "/health/ready", "/livez", "/x"] {
        let response = send(Method::GET, &format!("{}{path}", program.url), &[], "").await;
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
    }
    for path in ["/metrics", "/health/live", "/nowhere"] {
        let response = send(Method::GET, &format!("{}{path}", program.management()), &[], "").await;
        assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{path}");
    }
}

pub async fn send(method: Method, url: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request =
        headers.iter().fold(client.request(method, url), |request, (name, value)| request.header(*name, *value));
    request.body(body).send().await.expect("an answer")
}

/// Sends these bytes and no more; gives the answer up to where the server closes or waits for more.
async fn exchange(program: &Program, bytes: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(program.address()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("the answer's end", async {
        while !String::from_utf8_lossy(&answer).ends_with('}') && stream.read_buf(&mut answer).await.unwrap() > 0 {}
    })
    .await;
    String::from_utf8(answer).unwrap()
}

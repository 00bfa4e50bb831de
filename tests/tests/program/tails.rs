//! Topics read over plain HTTP: `curl` cut off and resumed again and again, and a reader that asks for page after page.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use e2e::http2::Http2;
use e2e::program::Program;
use e2e::wait::{until, within};
use http_body_util::BodyExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::http::send;

#[tokio::test(flavor = "multi_thread")]
async fn curl_cut_off_and_resumed_50_times_under_load_misses_nothing_and_repeats_nothing() {
    let program = Program::serve(&[]).await;
    send(Method::PUT, &format!("{}/topics/t", program.url), &[], r#"{"partitions":3}"#).await;
    let packages = format!("{}/topics/t/packages", program.url);
    let load = Load::start(&packages);

    let mut got: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut last_event_id = Some("0:0,1:0,2:0".to_owned());
    for round in 0..50 {
        let mut curl = Curl::start(&packages, last_event_id.as_deref());
        for _ in 0..1 + round * 7 % 40 {
            curl.next(&mut got).await;
        }
        last_event_id = curl.kill().await;
    }
    assert!(!load.task.is_finished(), "written all the time");
    load.is_over.store(true, Ordering::Relaxed);
    let written = within("the last write", load.task).await.unwrap();
    assert!(written > 100, "{written}");
    let mut curl = Curl::start(&packages, last_event_id.as_deref());
    while got.values().map(Vec::len).sum::<usize>() < (written * STREAMS) as usize {
        curl.next(&mut got).await;
    }
    curl.kill().await;
    let expected: Vec<u64> = (0..written).collect();
    assert_eq!(got.len() as u64, STREAMS);
    assert!(got.values().all(|numbers| *numbers == expected), "each once, and in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_answer_ends_with_a_reason_and_page_after_page_goes_on_after_a_restart() {
    let folder = tempfile::TempDir::new().unwrap();
    let arguments = ["--data", folder.path().to_str().unwrap()];
    let program = Program::serve(&arguments).await;
    let packages = format!("{}/topics/t/packages", program.url);
    let event = |number: u64| json!({ "streamId": "s", "id": "e", "timestamp": number }).to_string();
    for number in 0..5 {
        send(Method::POST, &packages, &[], event(number)).await;
    }
    let page = send(Method::GET, &format!("{packages}?from=earliest&max=3&event=e"), &[], "").await;
    let cursor = page.headers()["streamgate-cursor"].to_str().unwrap().to_owned();
    assert_eq!(page.text().await.unwrap().lines().count(), 3);
    let live = send(Method::GET, &packages, &[("accept", "text/event-stream")], "").await;
    program.terminate();
    let said = within("its end", live.text()).await.unwrap();
    assert!(said.ends_with("event: problem\ndata: {\"error\":\"The server is stopping.\"}\n\n"), "{said}");
    assert_eq!(program.wait().await, Some(0));

    let program = Program::serve(&arguments).await;
    let page =
        send(Method::GET, &format!("{}/topics/t/packages?cursor={cursor}&max=9&event=e", program.url), &[], "").await;
    assert_eq!(page.headers()["link"], "<?cursor=0:5&max=9&event=e>; rel=\"next\"");
    let lines = page.text().await.unwrap();
    let offsets: Vec<_> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["offset"].clone()).collect();
    assert_eq!(offsets, [3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_http2_that_nobody_reads_gives_its_replay_back_and_is_told() {
    let settings = "[limits]\nwrite_stall = \"5s\"\nreplays_per_client = 1\n";
    let program = Program::serve_with_settings(settings, &["--memory"]).await;
    let packages = format!("{}/topics/t/packages", program.url);
    let event = json!({ "streamId": "s", "id": "e", "timestamp": 1, "value": "x".repeat(100_000) });
    let lines = format!("{event}\n").repeat(20);
    for _ in 0..6 {
        send(Method::POST, &packages, &[("content-type", "application/x-ndjson")], lines.clone()).await;
    }
    let stream = TcpStream::connect(program.address()).await.unwrap();
    let mut http2 = Http2::over(stream, program.address()).await;
    let all = "GET /topics/t/packages?from=earliest";
    let begun = Instant::now();
    let unread = http2.ask(all, &[("accept", "text/event-stream")], "").await;
    // One more waits until there is a place: 10 s at most, then it is to ask again.
    until("its replay", async || http2.told(&format!("{all}&max=1"), "").await.0 == 200).await;
    assert!(begun.elapsed() >= Duration::from_secs(5), "it had been taken");
    let said = within("its end", unread.into_body().collect()).await.unwrap().to_bytes();
    assert!(said.ends_with(b"\n\nevent: problem\ndata: {\"error\":\"The subscriber is too slow.\"}\n\n"));
    assert!(said.len() > 100_000, "what it could take was there for it: {}", said.len());
}

/// Writers that go on until told to stop: rounds of one event for each stream, and one that nobody wants.
struct Load {
    is_over: Arc<AtomicBool>,
    /// Rounds written.
    task: tokio::task::JoinHandle<u64>,
}

impl Load {
    fn start(url: &str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (url, over) = (url.to_owned(), is_over.clone());
        let task = tokio::spawn(async move {
            let client = reqwest::Client::new();
            let rounds = AtomicU64::new(0);
            while !over.load(Ordering::Relaxed) {
                let round = rounds.load(Ordering::Relaxed);
                let line = |stream| {
                    format!("{}\n", json!({ "streamId": format!("s{stream}"), "id": "e", "timestamp": round }))
                };
                let unwanted = json!({ "streamId": "s0", "id": "f", "timestamp": round });
                let body: String = (0..STREAMS).map(line).chain([unwanted.to_string()]).collect();
                let answer =
                    client.post(&url).header("content-type", "application/x-ndjson").body(body).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                rounds.fetch_add(1, Ordering::Relaxed);
            }
            rounds.into_inner()
        });
        Self { is_over, task }
    }
}

/// A running `curl`.
struct Curl {
    child: tokio::process::Child,
    output: BufReader<tokio::process::ChildStdout>,
    last_event_id: Option<String>,
}

impl Curl {
    fn start(url: &str, last_event_id: Option<&str>) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--no-buffer", "--header", "Accept: text/event-stream"]);
        if let Some(id) = last_event_id {
            curl.args(["--header", &format!("Last-Event-ID: {id}")]);
        }
        let mut child = curl.arg(format!("{url}?event=e")).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, last_event_id: last_event_id.map(str::to_owned) }
    }

    /// Takes the next whole event that has data.
    async fn next(&mut self, got: &mut BTreeMap<u64, Vec<u64>>) {
        while !self.next_block(got).await {}
    }

    /// Whether it had data. As a browser does, an id counts when its event is whole.
    async fn next_block(&mut self, got: &mut BTreeMap<u64, Vec<u64>>) -> bool {
        let (mut id, mut data) = (None, None);
        loop {
            let mut line = String::new();
            let read = within("a line", self.output.read_line(&mut line)).await.unwrap();
            assert!(read > 0, "curl ended");
            let line = line.trim_end();
            match line.split_once(": ") {
                Some(("id", text)) => id = Some(text.to_owned()),
                Some(("data", text)) => data = Some(serde_json::from_str::<Value>(text).unwrap()),
                Some(("event", kind)) => panic!("an event {kind}"),
                _ => {}
            }
            if line.is_empty() {
                break;
            }
        }
        self.last_event_id = id.or(self.last_event_id.take());
        let Some(data) = data else { return false };
        let stream = data["streamId"].as_str().unwrap()[1..].parse().unwrap();
        got.entry(stream).or_default().push(data["timestamp"].as_u64().unwrap());
        true
    }

    /// Kills it by its process id, wherever it is; what it wrote and nobody took is lost.
    async fn kill(mut self) -> Option<String> {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-KILL", &pid]).status().await.unwrap().success());
        until("its end", async || matches!(self.child.try_wait(), Ok(Some(_)))).await;
        self.last_event_id
    }
}

const STREAMS: u64 = 7;

//! Stopping: SIGTERM under load, calls under way, what clients see, and coming back on the same port.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use e2e::client::HubClient;
use e2e::kafka::Kafka;
use e2e::node::{CLIENTS, Script};
use e2e::ports::lasting_ports;
use e2e::program::{Command, Program, failed, printed};
use e2e::stage::{Stage, shared_kafka};
use e2e::wait::{own_topic, until, within};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{metric, packages, status, value};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_under_load_loses_nothing_acknowledged_and_official_clients_come_back() {
    for stage in Stage::ALL {
        restart_under_load(stage).await;
    }
}

async fn restart_under_load(stage: Stage) {
    let listen = format!("127.0.0.1:{}", lasting_ports::<1>()[0]);
    let kafka = if stage == Stage::Kafka { shared_kafka().await } else { String::new() };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let broker = match stage {
        Stage::Memory => vec!["--memory"],
        Stage::Embedded => vec!["--data", data, "--kafka-listen", "off"],
        Stage::Kafka => vec!["--kafka", &kafka],
    };
    let ports = ["--listen", &listen, "--admin-listen", "127.0.0.1:0", "--create-topics"];
    let arguments = [&ports[..], &broker].concat();
    let program = Program::serve_as_told(&arguments).await;
    let (url, topic) = (program.url.clone(), own_topic("restart"));
    printed(&["topic", "create", &topic, "--url", &url], "").await;

    let mut returning = Vec::new();
    for client in CLIENTS {
        let mut script = Script::start("transports.mjs", &url, &["--drain", "--client", client]);
        script.until("connected").await;
        returning.push(script);
    }
    let load = |mode: &'static str| Script::start("mouse-load.mjs", &url, &["--topic", &topic, "--mode", mode]);
    let reader = Told::by(load("reader"));
    until("the reader has subscribed", async || reader.numbers("subscribed") == 1).await;
    let writer = Told::by(load("writer"));
    until("much is acknowledged", async || writer.numbers("acknowledged") > 1000).await;

    let held = websocket_without_handshake(&program).await;
    program.terminate();
    let told_to_stop = Instant::now();
    until("not ready", async || status(&format!("{}/health/ready", program.management())).await == Some(503)).await;
    assert_eq!(status(&format!("{url}/health/live")).await, Some(200), "live all the same");
    let negotiate = reqwest::Client::new().post(format!("{url}/hub/negotiate?negotiateVersion=1"));
    let refused = negotiate.send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let stopping = failed(&["topic", "list", "--url", &url], "").await;
    assert_eq!(stopping, "the server refused: The server is stopping; try again");
    drop(held);
    assert_eq!(program.wait().await, Some(0));
    assert!(told_to_stop.elapsed() < Duration::from_secs(15), "{:?}", told_to_stop.elapsed());
    let before = writer.numbers("acknowledged");

    let program = Program::serve_as_told(&arguments).await;
    for mut script in returning {
        let good_bye = script.until("reconnecting").await;
        assert_eq!(good_bye, Value::Null, "the server ended it without an error");
        script.until("reconnected").await;
        script.until("ok").await;
        script.finish().await;
    }
    until("the writer goes on", async || writer.numbers("acknowledged") > before + 100).await;
    until("the reader is back", async || reader.numbers("subscribed") == 2).await;
    let (lines, received) = (writer.finish().await, reader.list("received"));
    reader.finish().await;
    for error in lines.iter().filter_map(|line| line.get("error")?.as_str()) {
        assert!(!error.contains("An unexpected error occurred"), "nothing is answered with an error: {error}");
    }

    let stored = match stage {
        // Gone with the first server. A reader that was told goodbye before the writer may have missed the last of it.
        Stage::Memory => received,
        Stage::Embedded | Stage::Kafka => {
            packages(&url, &topic).await.iter().map(|package| value(package).parse().unwrap()).collect()
        }
    };
    let mut sorted = stored.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), stored.len(), "{stage:?}: nothing twice");
    if stage == Stage::Memory {
        return;
    }
    let acknowledged = list(&lines, "acknowledged");
    let lost: Vec<_> = acknowledged.iter().filter(|number| sorted.binary_search(number).is_err()).collect();
    assert!(lost.is_empty(), "{stage:?}: acknowledged and lost: {lost:?}");
    drop(program);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_are_answered_before_the_end() {
    let kafka = Kafka::start().await;
    let program = Program::serve(&["--kafka", &kafka.bootstrap(), "--create-topics"]).await;
    until("ready", async || status(&format!("{}/health/ready", program.url)).await == Some(200)).await;
    let client = HubClient::connect(&format!("{}/hub", program.url)).await.unwrap();
    let event = |number: usize| json!([{ "timestamp": number, "id": "E", "value": number.to_string() }]);
    within("the first call", client.invoke("SendEventData", &("t", "s", event(0)))).await.unwrap();

    kafka.freeze();
    let calls: Vec<_> =
        (1..=100).map(|number| client.start("SendEventData", &("t", "s", event(number))).unwrap()).collect();
    let mut produce = Command::start(&["produce", "t", "--url", &program.url]);
    produce.write_line("by HTTP").await;
    let backlog = "streamgate_write_backlog_messages";
    until("all are under way", async || metric(&program.management(), backlog).await >= 101.0).await;
    program.terminate();
    until("not ready", async || status(&format!("{}/health/ready", program.url)).await == Some(503)).await;
    // A second line comes too late; the first is still awaited.
    produce.write_line("too late").await;
    kafka.thaw();
    for call in calls {
        within("an answer", call).await.unwrap();
    }
    let (code, said) = produce.wait().await;
    assert_eq!(code, Some(1));
    let expected = "error: the server refused: The server is stopping; try again (1 line is durable, none after)\n";
    assert_eq!(said, expected);
    let closed = within("the goodbye", client.closed()).await;
    assert!(closed.allow_reconnect, "{closed:?}");
    assert_eq!(program.wait().await, Some(0));

    let again = Program::serve(&["--kafka", &kafka.bootstrap()]).await;
    until("ready", async || status(&format!("{}/health/ready", again.url)).await == Some(200)).await;
    assert_eq!(packages(&again.url, "t").await.len(), 102, "what was acknowledged, once, and nothing else");

    // And with a broker that stays away: a second signal ends at once what would take its time.
    let client = HubClient::connect(&format!("{}/hub", again.url)).await.unwrap();
    kafka.freeze();
    let _call = client.start("SendEventData", &("t", "s", event(101))).unwrap();
    until("it is under way", async || metric(&again.management(), backlog).await >= 1.0).await;
    again.terminate();
    again.logs("stopping").await;
    again.terminate();
    let asked_again = Instant::now();
    assert_eq!(again.wait().await, Some(143));
    assert!(asked_again.elapsed() < Duration::from_secs(2), "{:?}", asked_again.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_tails_and_idle_connections_at_once() {
    let program = Program::serve(&["--memory"]).await;
    printed(&["produce", "t", "--url", &program.url], "line\n").await;
    let mut tail = Command::start(&["tail", "t", "--from", "earliest", "--url", &program.url]);
    assert!(tail.next_line().await.is_some());
    // Kept open by a client that may want more.
    let http = reqwest::Client::new();
    http.get(format!("{}/topics", program.url)).send().await.unwrap().bytes().await.unwrap();
    program.interrupt();
    let asked = Instant::now();
    assert_eq!(program.wait().await, Some(0), "Ctrl-C is how a server on a terminal is meant to end");
    assert!(asked.elapsed() < Duration::from_secs(2), "nobody is waited for: {:?}", asked.elapsed());
    let (code, said) = tail.wait().await;
    assert_eq!((code, said.as_str()), (Some(1), "error: the server ended the stream: The server is stopping\n"));
}

/// Keeps a stopping server from ending, so that there is time to look at it.
async fn websocket_without_handshake(program: &Program) -> TcpStream {
    let mut stream = TcpStream::connect(program.address()).await.unwrap();
    let request = format!(
        "GET /hub HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        program.address()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    within("the upgrade", stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    stream
}

/// What a script prints, kept while it runs.
struct Told {
    lines: Arc<Mutex<Vec<Value>>>,
    stop: tokio::sync::oneshot::Sender<()>,
    running: tokio::task::JoinHandle<()>,
}

impl Told {
    fn by(mut script: Script) -> Self {
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let told = lines.clone();
        let running = tokio::spawn(async move {
            let mut is_stopped = false;
            loop {
                tokio::select! {
                    line = script.next_line() => match line {
                        Some(line) => told.lock().unwrap().push(line),
                        None => break,
                    },
                    _ = &mut stopped, if !is_stopped => {
                        is_stopped = true;
                        script.close_input();
                    }
                }
            }
            script.finish().await;
        });
        Self { lines, stop, running }
    }

    fn numbers(&self, member: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.get(member).is_some()).count()
    }

    fn list(&self, member: &str) -> Vec<u64> {
        list(&self.lines.lock().unwrap(), member)
    }

    async fn finish(self) -> Vec<Value> {
        let _ = self.stop.send(());
        within("the script's end", self.running).await.unwrap();
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

fn list(lines: &[Value], member: &str) -> Vec<u64> {
    // Its last line counts, and has members of the same names.
    lines.iter().filter(|line| line.get("ok").is_none()).filter_map(|line| line.get(member)?.as_u64()).collect()
}

//! Scripts of the official client that run until they are told to stop.

use std::sync::{Arc, Mutex};

use e2e::node::Script;
use e2e::wait::within;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::hub_reader::Connection;
use crate::marks::Mark;

/// What became of a writer's calls; the rest is unknown.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) acknowledged: Vec<Mark>,
    /// Answered that nothing was written.
    pub(crate) refused: Vec<Mark>,
    pub(crate) unknown: usize,
    /// What was said last of the connection.
    connection: String,
}

/// `mouse-load.mjs` as a writer: many calls in flight, through any number of connections.
pub(crate) struct ScriptWriter {
    calls: Arc<Mutex<Calls>>,
    running: Running,
}

/// `mouse-load.mjs` as a reader: what each of its connections saw.
pub(crate) struct ScriptReader {
    connections: Arc<Mutex<Vec<Connection>>>,
    running: Running,
}

impl ScriptWriter {
    /// A writer of the stream `js-VERSION`, by the client `signalr-VERSION`.
    pub(crate) fn start(version: &str, url: &str, topic: &str) -> Self {
        let (stream, client) = (format!("js-{version}"), format!("signalr-{version}"));
        let arguments = ["--mode", "writer", "--in-flight", "100", "--stream", &stream, "--client", &client];
        let calls = Arc::<Mutex<Calls>>::default();
        let (notes, name) = (calls.clone(), stream.clone());
        let note = move |line: &Value| note_call(&mut notes.lock().unwrap(), &name, line);
        let running = Running::start(url, topic, &arguments, note);
        Self { calls, running }
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.calls.lock().unwrap().acknowledged.len() as u64
    }

    /// What it said last of its connection.
    pub(crate) fn connection(&self) -> String {
        self.calls.lock().unwrap().connection.clone()
    }

    /// Lets the calls on their way end.
    pub(crate) async fn stop(self) -> Calls {
        self.running.stop().await;
        std::mem::take(&mut self.calls.lock().unwrap())
    }
}

impl ScriptReader {
    pub(crate) fn start(url: &str, topic: &str) -> Self {
        let connections = Arc::<Mutex<Vec<Connection>>>::default();
        let notes = connections.clone();
        let note = move |line: &Value| {
            let mut connections = notes.lock().unwrap();
            if line.get("connected").is_some() {
                connections.push(Connection::default());
            } else if let (Some(number), Some(stream)) = (line["received"].as_u64(), line["stream"].as_str()) {
                connections.last_mut().expect("connected before").seen.push(Mark::new(stream, number));
            }
        };
        let running = Running::start(url, topic, &["--mode", "reader"], note);
        Self { connections, running }
    }

    /// Packages seen on all connections.
    pub(crate) fn seen(&self) -> u64 {
        self.connections.lock().unwrap().iter().map(|connection| connection.seen.len() as u64).sum()
    }

    pub(crate) async fn stop(self) -> Vec<Connection> {
        self.running.stop().await;
        std::mem::take(&mut self.connections.lock().unwrap())
    }
}

fn note_call(calls: &mut Calls, stream: &str, line: &Value) {
    if line.get("ok").is_some() {
        return; // its sums
    }
    if line.get("connected").or(line.get("disconnected")).is_some() {
        calls.connection = line.to_string();
    }
    let number = |member: &str| line[member].as_u64().map(|number| Mark::new(stream, number));
    if let Some(mark) = number("acknowledged") {
        calls.acknowledged.push(mark);
    }
    if let Some(mark) = number("failed") {
        let error = line["error"].as_str().unwrap_or_default();
        assert!(!error.contains("An unexpected error occurred"), "{mark}: {error}");
        if error.contains("NotWritten") { calls.refused.push(mark) } else { calls.unknown += 1 }
    }
}

/// A script, and the task that takes its lines.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(url: &str, topic: &str, arguments: &[&str], mut note: impl FnMut(&Value) + Send + 'static) -> Self {
        let common = ["--topic", topic, "--timeout", "7200"];
        let mut script = Script::start("mouse-load.mjs", url, &[&common, arguments].concat());
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut is_stopped = false;
            loop {
                tokio::select! {
                    line = script.next_line() => match line {
                        Some(line) => note(&line),
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
        Self { stop, task }
    }

    async fn stop(self) {
        let _ = self.stop.send(()); // it may have ended, which its task tells
        within("the script's end", self.task).await.expect("a script that ends well");
    }
}

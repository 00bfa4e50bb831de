//! A client as a process: it prints lines of JSON, and stops when its input closes.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use e2e::wait::until;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

/// A running client; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<Value>>>,
    output: JoinHandle<()>,
    errors: JoinHandle<String>,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.kill_on_drop(true).spawn().unwrap_or_else(|error| panic!("{name} does not run: {error}"));
        let mut output = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut errors = child.stderr.take().expect("piped");
        let lines = Arc::<Mutex<Vec<Value>>>::default();
        let read = lines.clone();
        let output = tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                // What is no JSON is a library's chatter.
                if let Ok(line) = serde_json::from_str(&line) {
                    read.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            }
        });
        let errors = tokio::spawn(async move {
            let mut said = Vec::new();
            let _ = errors.read_to_end(&mut said).await;
            String::from_utf8_lossy(&said).into_owned()
        });
        Self { name: name.to_owned(), input: child.stdin.take(), child, lines, output, errors }
    }

    /// What it has printed.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the condition holds of what it has printed.
    ///
    /// # Panics
    /// If it ends before; with what it said.
    pub(crate) async fn until(&mut self, what: &str, mut holds: impl FnMut(&[Value]) -> bool) {
        let what = format!("{} {what}", self.name);
        until(&what, async || {
            if holds(&self.lines.lock().unwrap_or_else(PoisonError::into_inner)) {
                return true;
            }
            if self.child.try_wait().expect("it can be waited for").is_some() {
                panic!("{what}: it has ended: {}", self.said().await);
            }
            false
        })
        .await;
    }

    /// Freezes it (SIGSTOP) until [`Process::thaw`].
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Ends [`Process::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Kills it (SIGKILL) and gives all that it had printed.
    pub(crate) async fn kill(mut self) -> Vec<Value> {
        self.child.kill().await.expect("it can be killed");
        let _ = (&mut self.output).await;
        self.lines()
    }

    /// Tells it to stop, and gives all that it has printed; the last is its verdict.
    ///
    /// # Panics
    /// If it fails, or does not end in time; with what it said.
    pub(crate) async fn stop(mut self) -> Vec<Value> {
        self.input = None;
        self.finish().await
    }

    /// Waits for its end otherwise as [`Process::stop`].
    pub(crate) async fn finish(mut self) -> Vec<Value> {
        match tokio::time::timeout(LIMIT, self.child.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => {
                let _ = (&mut self.output).await;
                self.lines()
            }
            Ok(status) => {
                let said = self.said().await;
                panic!("{} failed, {status:?}: {said}", self.name)
            }
            Err(_) => {
                let _ = self.child.kill().await;
                let said = self.said().await;
                panic!("{} has not ended within {LIMIT:?}: {said}", self.name)
            }
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args([signal, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{} can be sent {signal}", self.name);
    }

    /// What it wrote to standard error; at its end only.
    async fn said(&mut self) -> String {
        (&mut self.errors).await.unwrap_or_default()
    }
}

/// For all that a client has to do at once.
const LIMIT: Duration = Duration::from_secs(90);

//! `Script`: a Python program of somebody's, and all that it says.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use e2e::python::Python;
use e2e::wait::until;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// Running in a folder of its own; killed when dropped.
pub(crate) struct Script {
    name: String,
    child: Child,
    said: [Arc<Mutex<Vec<u8>>>; 2],
    reading: [JoinHandle<()>; 2],
    _home: TempDir,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct End {
    /// `None` if it was killed.
    pub(crate) code: Option<i32>,
    /// Both of its outputs, one behind the other.
    pub(crate) said: String,
}

impl Script {
    /// Starts one of `tests/clients` with these variables and none of ours.
    pub(crate) fn start(python: &Python, program: &str, arguments: &[&str], environment: &[(&str, String)]) -> Self {
        let home = TempDir::new().unwrap();
        let mut command = python.command(program);
        command.args(arguments).current_dir(&home).env_clear();
        command.env("HOME", home.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        // Else Python and .NET keep what they say until there is more of it.
        command.env("PYTHONUNBUFFERED", "1").envs(environment.iter().map(|(name, value)| (name, value)));
        Self::spawn(program, command, home)
    }

    fn spawn(name: &str, mut command: Command, home: TempDir) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.kill_on_drop(true).spawn().expect("python runs");
        let said = <[Arc<Mutex<Vec<u8>>>; 2]>::default();
        let output = tokio::spawn(copy(child.stdout.take().expect("piped"), said[0].clone()));
        let errors = tokio::spawn(copy(child.stderr.take().expect("piped"), said[1].clone()));
        Self { name: name.to_owned(), child, said, reading: [output, errors], _home: home }
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        let said = self.said.each_ref().map(|said| said.lock().unwrap_or_else(PoisonError::into_inner).clone());
        String::from_utf8_lossy(&said.join(&b'\n')).into_owned()
    }

    /// Waits until it has said this.
    ///
    /// # Panics
    /// If it ends before.
    pub(crate) async fn says(&mut self, text: &str) {
        let what = format!("{} says {text:?}", self.name);
        until(&what, async || {
            let ended = self.child.try_wait().expect("it can be waited for");
            let has_said = self.said().contains(text);
            assert!(has_said || ended.is_none(), "{what}: it has ended: {}", self.said());
            has_said
        })
        .await;
    }

    /// Waits until it has seen to its topic, as a server tells.
    ///
    /// # Panics
    /// If it ends before.
    pub(crate) async fn until_there(&mut self, url: &str, topic: &str) {
        let (url, what) = (format!("{url}/topics"), format!("{topic} is there"));
        until(&what, async || {
            let topics: Vec<Value> = reqwest::get(&url).await.unwrap().json().await.unwrap();
            let ended = self.child.try_wait().expect("it can be waited for");
            assert!(ended.is_none(), "{what}: {} has ended: {}", self.name, self.said());
            topics.iter().any(|known| known["name"] == topic)
        })
        .await;
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{} can be sent SIGINT", self.name);
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Waits for its end, whatever it is.
    ///
    /// # Panics
    /// If it does not come in time: a program that hangs is worse than one that fails.
    pub(crate) async fn end(mut self) -> End {
        let Ok(status) = tokio::time::timeout(LIMIT, self.child.wait()).await else {
            panic!("{} has not ended within {LIMIT:?}: {}", self.name, self.said());
        };
        for reading in &mut self.reading {
            let _ = reading.await;
        }
        End { code: status.expect("it can be waited for").code(), said: self.said() }
    }

    /// The same for one that succeeds; its lines of JSON.
    ///
    /// # Panics
    /// If it fails; with what it said.
    pub(crate) async fn succeed(self) -> Vec<Value> {
        let name = self.name.clone();
        let end = self.end().await;
        assert_eq!(end.code, Some(0), "{name}: {}", end.said);
        lines(&end.said)
    }
}

/// What Python reads before a program that stands beside it.
pub(crate) fn beside(folder: &str) -> (&'static str, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(folder);
    ("PYTHONPATH", folder.to_str().expect("a text").to_owned())
}

fn lines(said: &str) -> Vec<Value> {
    said.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
}

async fn copy(mut from: impl AsyncRead + Unpin, to: Arc<Mutex<Vec<u8>>>) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        to.lock().unwrap_or_else(PoisonError::into_inner).extend(&piece[..count]);
    }
}

/// For all that a program has to do.
const LIMIT: Duration = Duration::from_secs(90);

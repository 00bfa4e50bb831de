//! `Server`: the program on a folder and ports that stay its own, however it ends.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use e2e::ports::lasting_ports;
use e2e::program::{Program, process};
use e2e::wait::within;
use tokio::process::Command;

/// A server that can be ended and started again. Its folder is kept where the test fails.
pub(crate) struct Server {
    folder: Option<tempfile::TempDir>,
    data: PathBuf,
    ports: [u16; 3],
    settings: Vec<(&'static str, &'static str)>,
    program: Option<Program>,
}

impl Server {
    /// On a new folder, with these environment variables; not started.
    pub(crate) fn new(settings: &[(&'static str, &'static str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let mut server = Self::in_folder(data, settings);
        server.folder = Some(folder);
        server
    }

    /// The same in a folder that somebody else sees to.
    pub(crate) fn in_folder(data: PathBuf, settings: &[(&'static str, &'static str)]) -> Self {
        Self { folder: None, data, ports: lasting_ports(), settings: settings.to_vec(), program: None }
    }

    /// Starts it and waits until it is up; how long that took.
    pub(crate) async fn start(&mut self) -> Duration {
        let begun = Instant::now();
        self.program = Some(Program::start(self.command()).await);
        begun.elapsed()
    }

    /// Starts it, and kills it (SIGKILL) after so long, up or not.
    pub(crate) async fn start_and_kill(&self, after: Duration) {
        let mut command = self.command();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
        tokio::time::sleep(after).await; // the instant is what is random; nothing is waited for
        child.kill().await.expect("it can be killed");
    }

    /// SIGKILL; it is gone afterwards.
    pub(crate) async fn kill(&mut self) {
        let program = self.program.take().expect("it runs");
        signal("-KILL", program.pid());
        assert_eq!(program.wait().await, None, "it was killed, and had not ended before");
    }

    /// SIGTERM, and SIGKILL if it has not ended after so long.
    pub(crate) async fn terminate_and_kill(&mut self, after: Duration) {
        let program = self.program.take().expect("it runs");
        let pid = program.pid();
        program.terminate();
        let ended = program.wait();
        tokio::pin!(ended);
        if tokio::time::timeout(after, &mut ended).await.is_err() {
            signal("-KILL", pid);
            ended.await;
        }
    }

    /// SIGTERM; it ends by itself, and without an error.
    pub(crate) async fn terminate(&mut self) {
        let program = self.program.take().expect("it runs");
        program.terminate();
        assert_eq!(program.wait().await, Some(0), "it stops politely");
    }

    pub(crate) fn program(&self) -> &Program {
        self.program.as_ref().expect("it runs")
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    pub(crate) fn hub(&self) -> String {
        format!("{}/hub", self.url())
    }

    /// Where Kafka clients go.
    pub(crate) fn kafka(&self) -> String {
        format!("127.0.0.1:{}", self.ports[2])
    }

    /// Status of `/health/ready`.
    pub(crate) async fn ready(&self) -> u16 {
        let answer = reqwest::get(format!("{}/health/ready", self.url())).await;
        answer.expect("it runs").status().as_u16()
    }

    fn command(&self) -> Command {
        let [public, management, kafka] = self.ports.map(|port| format!("127.0.0.1:{port}"));
        let mut command = process();
        command.envs(self.settings.iter().copied());
        command.args(["serve", "--listen", &public, "--admin-listen", &management, "--kafka-listen", &kafka, "--data"]);
        command.arg(&self.data);
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let (true, Some(folder)) = (std::thread::panicking(), self.folder.take()) {
            eprintln!("the data folder is kept: {}", folder.keep().display());
        }
    }
}

/// The answer of a URL.
pub(crate) async fn text(url: &str) -> String {
    let answer = async { reqwest::get(url).await.expect("an answer").text().await.expect("all of it") };
    within("the answer's end", answer).await
}

fn signal(signal: &str, pid: u32) {
    let sent = std::process::Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "it can be sent {signal}");
}

//! `Program`: the `streamgate` binary as people run it, `Command`: its commands.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command as Process};

use crate::wait::{until, within};

/// A running `streamgate serve`; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// What it printed when it was up.
    pub banner: String,
    /// `http://127.0.0.1:PORT`, with TLS `https://…`
    pub url: String,
    log: Arc<Mutex<String>>,
    /// Its working directory, if it is its own: what it keeps where nothing else is said goes with it.
    _home: Option<TempDir>,
}

impl Program {
    /// Starts `streamgate serve` on free ports with further arguments, and waits for its banner. Without others it keeps its
    /// topics in a folder of its own, and serves no Kafka clients.
    ///
    /// # Panics
    /// If it does not come up; with what it said.
    pub async fn serve(arguments: &[&str]) -> Self {
        let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let kafka: &[&str] = if arguments.contains(&"--kafka-listen") { &[] } else { &["--kafka-listen", "off"] };
        Self::serve_as_told(&[&ports, kafka, arguments].concat()).await
    }

    /// The same with the addresses among the arguments.
    ///
    /// # Panics
    /// As [`Program::serve`].
    pub async fn serve_as_told(arguments: &[&str]) -> Self {
        let home = TempDir::new().expect("a folder");
        let mut serve = process();
        serve.arg("serve").args(arguments).current_dir(&home);
        Self { _home: Some(home), ..Self::start(serve).await }
    }

    /// The same with a settings file of this text.
    ///
    /// # Panics
    /// As [`Program::serve`].
    pub async fn serve_with_settings(settings: &str, arguments: &[&str]) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), settings).expect("it can be written");
        // Read before the banner comes.
        Self::serve(&[&["--config", file.path().to_str().expect("a text")], arguments].concat()).await
    }

    /// Starts it by a command line of one's own, such as a shell that sets limits first.
    ///
    /// # Panics
    /// As [`Program::serve`].
    pub async fn start(mut serve: Process) -> Self {
        crate::trust();
        let mut child =
            serve.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().expect("the program runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut banner = String::new();
        while !banner.contains("next:") {
            match within("the banner", lines.next_line()).await.expect("its output can be read") {
                Some(line) => banner += &format!("{line}\n"),
                None => panic!("it did not come up: {}", errors(&mut child).await),
            }
        }
        let hub = banner.split_whitespace().find(|word| word.ends_with("/hub")).expect("the banner names the hub");
        let url = hub.trim_end_matches("/hub").to_owned();
        let log = Arc::<Mutex<String>>::default();
        let mut log_lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let written = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = log_lines.next_line().await {
                *written.lock().unwrap_or_else(PoisonError::into_inner) += &format!("{line}\n");
            }
        });
        Self { child, banner, url, log, _home: None }
    }

    /// URL of the management listener.
    pub fn management(&self) -> String {
        let metrics = self.banner.split_whitespace().find(|word| word.ends_with("/metrics"));
        metrics.expect("the banner names the metrics").trim_end_matches("/metrics").to_owned()
    }

    /// Address for Kafka clients.
    ///
    /// # Panics
    /// If it serves none.
    pub fn kafka(&self) -> String {
        let row = self.banner.lines().find_map(|line| line.trim().strip_prefix("kafka "));
        row.and_then(|row| row.split_whitespace().next()).expect("the banner names the listener").to_owned()
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> &str {
        self.url.rsplit('/').next().expect("a URL")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until its log contains this.
    pub async fn logs(&self, text: &str) {
        until(&format!("{text:?} in the log"), async || self.log().contains(text)).await;
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        signal(&self.child, "-TERM");
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        signal(&self.child, "-INT");
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        signal(&self.child, "-HUP");
    }

    /// Kills it, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// Waits for its end and gives its exit code.
    pub async fn wait(mut self) -> Option<i32> {
        within("its end", self.child.wait()).await.expect("it can be waited for").code()
    }
}

/// A running command, line by line; killed when dropped.
#[derive(Debug)]
pub struct Command {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<Lines<BufReader<ChildStdout>>>,
}

impl Command {
    /// Starts it.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = process()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program runs");
        let output = child.stdout.take().map(|output| BufReader::new(output).lines());
        Self { input: child.stdin.take(), child, output }
    }

    /// Writes a line to its standard input.
    pub async fn write_line(&mut self, line: &str) {
        let input = self.input.as_mut().expect("open");
        input.write_all(format!("{line}\n").as_bytes()).await.expect("it takes input");
    }

    /// The next line of its standard output; `None` at the end.
    pub async fn next_line(&mut self) -> Option<String> {
        let output = self.output.as_mut().expect("open");
        within("a line", output.next_line()).await.expect("text")
    }

    /// Closes our end of its standard output, as `head` does when it has enough.
    pub fn close_output(&mut self) {
        self.output = None;
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub fn interrupt(&self) {
        signal(&self.child, "-INT");
    }

    /// Process id, as long as it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end. Cancel safe.
    pub async fn ended(&mut self) {
        within("its end", self.child.wait()).await.expect("it can be waited for");
    }

    /// Kills it, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it runs");
    }

    /// Closes its input and waits for its end; its exit code and its standard error.
    pub async fn wait(mut self) -> (Option<i32>, String) {
        self.input = None;
        let errors = errors(&mut self.child).await;
        (within("its end", self.child.wait()).await.expect("it can be waited for").code(), errors)
    }
}

/// Runs a command of the program with this on its standard input.
pub async fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = process()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("piped");
    let write = async {
        // A command that ends early does not read its input.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
    };
    // Its output is read meanwhile: neither may wait for the other.
    let (output, ()) = within("the command", futures::future::join(child.wait_with_output(), write)).await;
    output.expect("it can be waited for")
}

/// Runs a command that succeeds, and gives what it printed.
///
/// # Panics
/// If it fails; with what it said.
pub async fn printed(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a command that fails with exit code 1, prints nothing, and says why in one line, which this gives.
///
/// # Panics
/// If it does otherwise.
pub async fn failed(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input).await;
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments:?}");
    assert!(said.starts_with("error: ") && said.trim_end().lines().count() == 1, "{arguments:?}: {said}");
    said.trim_end().trim_start_matches("error: ").to_owned()
}

/// The program without any of our environment, in a folder without settings.
pub fn process() -> Process {
    let mut process = Process::new(path());
    process.env_clear().env("RUST_LOG", "info").current_dir(std::env::temp_dir());
    process
}

/// Where the binary stands: beside the folder of this test's.
pub fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows itself");
    let path = test.ancestors().nth(2).expect("target/debug/deps/test").join("streamgate");
    assert!(path.exists(), "{} is not built: cargo build --bins", path.display());
    path
}

fn signal(child: &Child, signal: &str) {
    let pid = child.id().expect("it runs").to_string();
    let sent = std::process::Command::new("kill").args([signal, &pid]).status();
    assert!(sent.is_ok_and(|status| status.success()), "it can be sent {signal}");
}

async fn errors(child: &mut Child) -> String {
    let mut errors = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = within("the end of its errors", stderr.read_to_string(&mut errors)).await;
    }
    errors
}

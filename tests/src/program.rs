//! `Program`: the `streamgate` binary as people run it.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// A running `streamgate serve`; killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// What it printed when it was up.
    pub banner: String,
    /// `http://127.0.0.1:PORT`
    pub url: String,
}

impl Program {
    /// Starts `streamgate serve` on free ports with further arguments, and waits for its banner.
    ///
    /// # Panics
    /// If it does not come up; with what it said.
    pub async fn serve(arguments: &[&str]) -> Self {
        let mut child = command()
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut banner = String::new();
        while !banner.contains("next:") {
            match lines.next_line().await.expect("its output can be read") {
                Some(line) => banner += &format!("{line}\n"),
                None => panic!("it did not come up: {}", errors(&mut child).await),
            }
        }
        let hub = banner.split_whitespace().find(|word| word.ends_with("/hub")).expect("the banner names the hub");
        let url = hub.trim_end_matches("/hub").to_owned();
        // Its log must not fill the pipe and stop it.
        if let Some(mut stderr) = child.stderr.take() {
            tokio::spawn(async move { tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await });
        }
        Self { child, banner, url }
    }

    /// URL of the management listener.
    pub fn management(&self) -> String {
        let metrics = self.banner.split_whitespace().find(|word| word.ends_with("/metrics"));
        metrics.expect("the banner names the metrics").trim_end_matches("/metrics").to_owned()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "it can be told to stop");
    }

    /// Waits for its end and gives its exit code.
    pub async fn wait(mut self) -> Option<i32> {
        self.child.wait().await.expect("it can be waited for").code()
    }
}

/// Runs a command of the program with this on its standard input.
pub async fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = command()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("piped");
    // A command that ends early does not read its input.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    child.wait_with_output().await.expect("it can be waited for")
}

fn command() -> Command {
    let mut command = Command::new(path());
    command.env_clear().env("RUST_LOG", "info").current_dir(std::env::temp_dir());
    command
}

/// The binary stands beside the folder of this test's.
fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows itself");
    let path = test.ancestors().nth(2).expect("target/debug/deps/test").join("streamgate");
    assert!(path.exists(), "{} is not built: cargo build --bins", path.display());
    path
}

async fn errors(child: &mut Child) -> String {
    let mut errors = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut errors).await;
    }
    errors
}

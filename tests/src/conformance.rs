//! `signalr-server`'s conformance server as a process: the hubs that clients in any language are tried on.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::wait::within;

/// A running server on a free port; killed when dropped.
#[derive(Debug)]
pub struct ConformanceServer {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    child: Child,
    _output: Lines<BufReader<ChildStdout>>,
}

impl ConformanceServer {
    /// Starts it and waits until it listens. What it says on standard error goes to the test's.
    ///
    /// # Panics
    /// If it does not come up.
    pub async fn start() -> Self {
        let mut server = Command::new(path());
        server.args(["--http", "127.0.0.1:0"]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = server.spawn().expect("the conformance server runs");
        let mut output = BufReader::new(child.stdout.take().expect("piped")).lines();
        loop {
            let line = within("the server to listen", output.next_line()).await.expect("text");
            let line = line.expect("the server listens before it ends");
            if let Some(url) = line.strip_prefix("Now listening on: ") {
                return Self { url: url.trim().to_owned(), child, _output: output };
            }
        }
    }

    /// Ends it as an operator does, and gives its exit code.
    ///
    /// # Panics
    /// If it does not end within a minute.
    pub async fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "it can be sent SIGTERM");
        within("the server to end", self.child.wait()).await.expect("it can be waited for").code()
    }
}

/// Where the binary stands: among the examples beside the folder of this test's.
fn path() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows itself");
    let path = test.ancestors().nth(2).expect("target/debug/deps/test").join("examples/conformance-server");
    let build = "cargo build -p signalr-server --example conformance-server";
    assert!(path.exists(), "{} is not built: {build}", path.display());
    path
}

//! `Mosquitto`: an MQTT broker with a password, and its clients.

use std::fs;
use std::process::Stdio;

use e2e::ports::lasting_ports;
use e2e::wait::{until, within};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

/// Killed when dropped.
pub struct Mosquitto {
    port: u16,
    folder: TempDir,
    _child: Child,
}

impl Mosquitto {
    /// Starts one at a free port, and waits until it listens.
    pub async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let [port] = lasting_ports();
        let (passwords, settings) = (folder.path().join("passwords"), folder.path().join("settings"));
        run(Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&passwords).args([USER, PASSWORD]), "").await;
        let mut lines =
            format!("listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\n", passwords.display());
        if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            // Another user could not read the file.
            lines += "user root\n";
        }
        fs::write(&settings, lines).unwrap();
        let mut broker = Command::new("/usr/sbin/mosquitto");
        broker.arg("-v").arg("-c").arg(&settings).stdin(Stdio::null()).kill_on_drop(true);
        broker.stderr(fs::File::create(folder.path().join(LOG)).unwrap());
        let child = broker.spawn().expect("mosquitto is there: scripts/prepare recipes");
        until("mosquitto listens", async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        Self { port, folder, _child: child }
    }

    /// Its port.
    pub fn port(&self) -> String {
        self.port.to_string()
    }

    /// Waits until a client has subscribed.
    pub async fn has_subscriber(&self, client_id: &str) {
        let line = format!("Sending SUBACK to {client_id}");
        let log = self.folder.path().join(LOG);
        until(&line, async || fs::read_to_string(&log).unwrap().contains(&line)).await;
    }

    /// Publishes each line with QoS 1.
    pub async fn publish(&self, topic: &str, lines: &[String]) {
        run(self.client("mosquitto_pub").args(["-q", "1", "-t", topic, "-l"]), &lines.join("\n")).await;
    }

    /// Follows these topics, from now on.
    pub async fn watch(&self, filter: &str) -> Watcher {
        let session = ["-c", "-i", "watcher", "-q", "1", "-t", filter];
        // Ends once it is subscribed; from then on the broker keeps what comes for the session.
        run(self.client("mosquitto_sub").args(session).arg("-E"), "").await;
        let mut client = self.client("mosquitto_sub");
        client.args(session).args(["-F", "%t %p"]).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = client.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Watcher { lines, _child: child }
    }

    fn client(&self, program: &str) -> Command {
        let mut client = Command::new(program);
        client.args(["-h", "127.0.0.1", "-p", &self.port(), "-u", USER, "-P", PASSWORD]);
        client
    }
}

/// Killed when dropped.
pub struct Watcher {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Watcher {
    /// The next message: its topic, a space and its payload.
    pub async fn next(&mut self) -> String {
        within("an MQTT message", self.lines.next_line()).await.unwrap().expect("it goes on")
    }
}

/// Who may use it.
pub const USER: &str = "recipe";
/// With what.
pub const PASSWORD: &str = r#"a "pass";word\$1"#;

const LOG: &str = "log";

/// Runs a program with this input, and gives what it printed.
async fn run(command: &mut Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("mosquitto-clients are there: scripts/prepare recipes");
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = within("an MQTT client", child.wait_with_output()).await.unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

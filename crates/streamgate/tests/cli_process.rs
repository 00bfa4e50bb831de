//! The program as a shell sees it: exit codes, streams, signals and closed pipes.

#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

#[test]
fn failures_are_one_line_on_standard_error_and_a_non_zero_exit() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    for (arguments, named) in [
        (&["topic", "list", "--url", &url][..], "streamgate serve"),
        (&["tail", "t", "--url", &url], &url),
        (&["config", "check", "--listen", "0.0.0.0:1"], "`listen`"),
        (&["config", "show", "--config", "missing.toml"], "missing.toml"),
        (&["serve", "--kafka", "a:1", "--memory"], "`kafka.brokers`"),
    ] {
        let output = streamgate().args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(named), "{said}");
    }
}

#[test]
fn the_environment_and_the_file_of_the_working_directory_count() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("streamgate.toml"), "[limits]\nconnections = 5\nnegotiated = 6\n").unwrap();
    let run = |variable: &str, value: &str| {
        let mut command = streamgate();
        command.current_dir(&folder).env(variable, value).args(["config", "show", "--origin"]).output().unwrap()
    };
    let shown = text(&run("STREAMGATE_LIMITS__CONNECTIONS", "7"));
    let line = |name: &str| {
        shown.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("connections"), "connections = 7 # environment STREAMGATE_LIMITS__CONNECTIONS");
    assert_eq!(line("negotiated"), "negotiated = 6 # streamgate.toml:3");
    assert_eq!(line("subscriptions"), "subscriptions = 4096 # default");

    let refused = run("STREAMGATE_LIMITS__CONECTIONS", "7");
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("did you mean `STREAMGATE_LIMITS__CONNECTIONS`?"));
    let other = run("STREAMGATE_CONFIG", "other.toml");
    assert!(String::from_utf8(other.stderr).unwrap().contains("other.toml cannot be read"));
}

#[test]
fn config_check_and_version_answer() {
    assert_eq!(
        text(&streamgate().args(["config", "check"]).output().unwrap()),
        "the configuration is good (no settings file)\n"
    );
    let version = text(&streamgate().arg("version").output().unwrap());
    assert!(version.starts_with(&format!("streamgate {} (", env!("CARGO_PKG_VERSION"))), "{version}");
    let json: serde_json::Value =
        serde_json::from_str(&text(&streamgate().args(["version", "--json"]).output().unwrap())).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn tail_ends_quietly_when_its_reader_is_gone() {
    let server = package_server(i64::MAX);
    let mut tail = Running::start(&["tail", "t", "--json", "--url", &server]);
    let (first, out) = tail.first_line();
    assert!(first.contains("\"offset\":"), "{first}");
    // From here on a line has nowhere to go.
    drop(out);
    tail.ends_quietly();
}

#[cfg(unix)]
#[test]
fn tail_ends_quietly_on_ctrl_c() {
    // One package and then silence: it must be shown before anything else comes.
    let server = package_server(1);
    let mut tail = Running::start(&["tail", "t", "--url", &server]);
    // The pipe stays open, so that only the signal can end it.
    let (first, _out) = tail.first_line();
    assert_eq!(first, "T 0:1 s StreamEnd {}\n");
    tail.interrupt();
    tail.ends_quietly();
}

#[test]
fn an_interactive_line_goes_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut produce = Running::start(&["produce", "t", "--url", &url]);
    let mut input = produce.0.stdin.take().unwrap();
    input.write_all(b"hello\n").unwrap();
    // Standard input stays open: the request must come without its end.
    let (mut connection, request) = in_time(move || accept(&listener));
    assert!(request.contains("\"value\":\"hello\""), "{request}");
    answer(&mut connection, "{\"written\":1}");
    drop(input);
    let output = produce.wait();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "1 line acknowledged\n");
}

#[cfg(unix)]
#[test]
fn an_interrupted_produce_says_what_is_durable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut produce = Running::start(&["produce", "t", "--url", &url]);
    let mut input = produce.0.stdin.take().unwrap();
    input.write_all(b"one\n").unwrap();
    let (mut connection, _) = in_time(move || accept(&listener));
    answer(&mut connection, "{\"written\":1}");
    // The second request comes only when the first is counted, and is left without an answer.
    input.write_all(b"two\nthree\n").unwrap();
    let _connection = in_time(move || {
        read_request(&mut connection);
        connection
    });
    produce.interrupt();
    let output = produce.wait();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: interrupted (1 line is durable; the next 2 may be stored or not)\n"
    );
    drop(input);
}

#[test]
fn a_sample_goes_to_the_server_that_the_environment_names() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/below/", listener.local_addr().unwrap());
    let mut command = streamgate();
    command.args(["webhook", "send", "none", "-"]).env("STREAMGATE_URL", &url).stdin(Stdio::null());
    let sender = thread::spawn(move || command.output().unwrap());
    let (mut connection, request) = in_time(move || accept(&listener));
    assert!(request.starts_with("POST /below/webhooks/none HTTP/1.1"), "{request}");
    answer(&mut connection, "");
    assert_eq!(text(&sender.join().unwrap()), "200 OK\n");
}

fn streamgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_streamgate"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STREAMGATE_")) {
        command.env_remove(name);
    }
    command
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A child that does not outlive its test.
struct Running(Child);

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let pipes = || Stdio::piped();
        Self(streamgate().args(arguments).stdin(pipes()).stdout(pipes()).stderr(pipes()).spawn().unwrap())
    }

    #[cfg(unix)]
    fn interrupt(&self) {
        let sent = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn first_line(&mut self) -> (String, BufReader<ChildStdout>) {
        let mut out = BufReader::new(self.0.stdout.take().unwrap());
        in_time(move || {
            let mut first = String::new();
            out.read_line(&mut first).unwrap();
            (first, out)
        })
    }

    fn ends_quietly(&mut self) {
        let output = self.wait();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{output:?}");
    }

    fn wait(&mut self) -> Output {
        let deadline = Instant::now() + PATIENCE;
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the command did not end");
            thread::sleep(Duration::from_millis(10));
        }
        let mut output = Output { status: self.0.wait().unwrap(), stdout: Vec::new(), stderr: Vec::new() };
        self.0.stderr.take().unwrap().read_to_end(&mut output.stderr).unwrap();
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails if it has ended, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What blocks for ever when the program is broken fails the test instead.
fn in_time<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(wait()));
    receiver.recv_timeout(PATIENCE).expect("this should have come by now")
}

/// Serves one connection with so many packages, and keeps it open until the client hangs up.
fn package_server(packages: i64) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut connection, _) = accept(&listener);
        let mut next = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n".to_vec();
        for offset in 1..=packages {
            let package = format!(
                "{{\"topicId\":\"i\",\"topicName\":\"t\",\"streamId\":\"s\",\"type\":\"StreamEnd\",\"value\":\"{{}}\",\"dateTime\":\"T\",\"partition\":0,\"offset\":{offset}}}\n"
            );
            next.extend_from_slice(package.as_bytes());
            if connection.write_all(&next).is_err() {
                return;
            }
            next.clear();
            thread::sleep(Duration::from_millis(1));
        }
        // Ends when the client does, with or without an error.
        let _ = connection.read(&mut [0]);
    });
    url
}

fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let (mut connection, _) = listener.accept().unwrap();
    let request = read_request(&mut connection);
    (connection, request)
}

/// Head and body of a request.
fn read_request(connection: &mut TcpStream) -> String {
    let mut reader = BufReader::new(connection);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        request.push_str(&line);
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

fn answer(connection: &mut TcpStream, body: &str) {
    write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
}

const PATIENCE: Duration = Duration::from_secs(20);

//! A process under test: started on a free port, known by its process id, stopped when dropped.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use loadtest::load::target::{Dialect, Target};
use loadtest::process::CpuClock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const KEPT_LINES: usize = 20;

/// A running server or floor.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    child: Child,
    said: Lines,
}

/// The last lines a process has written, on either output.
type Lines = Arc<Mutex<VecDeque<String>>>;

impl Subject {
    /// Starts streamgate without storage, on free ports.
    pub(crate) fn server(program: &Path) -> anyhow::Result<Self> {
        let free = "127.0.0.1:0";
        let arguments = ["serve", "--memory", "--listen", free, "--admin-listen", free];
        Self::start("server", program, &arguments, Dialect::SignalR)
    }

    /// Starts a floor whose subscribers get frames of `frame_bytes`.
    pub(crate) fn floor(program: &Path, frame_bytes: usize, gather: bool) -> anyhow::Result<Self> {
        let size = frame_bytes.to_string();
        let mut arguments = vec!["--frame-bytes", &size];
        arguments.extend(gather.then_some("--gather"));
        Self::start("floor", program, &arguments, Dialect::Bare)
    }

    fn start(name: &'static str, program: &Path, arguments: &[&str], dialect: Dialect) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let said = Lines::default();
        let (found, urls) = mpsc::channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|output| Box::new(output) as _),
            child.stderr.take().map(|output| Box::new(output) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let (said, found) = (Arc::clone(&said), found.clone());
            std::thread::spawn(move || listen(output, &said, &found));
        }
        drop(found);
        let url = urls.recv_timeout(START_TIMEOUT);
        let target = match &url {
            Ok(url) => Target::new(url, dialect, "bench", None).map_err(anyhow::Error::from),
            Err(_) => Err(anyhow::anyhow!("it told no hub url")),
        };
        let subject = match target {
            Ok(target) => Self { name, target, child, said },
            Err(error) => {
                stop(&mut child);
                let last = last_lines(&said);
                return Err(error.context(format!("{} did not start: {last}", program.display())));
            }
        };
        Ok(subject)
    }

    /// Whether this is the server, not the floor.
    pub(crate) fn is_server(&self) -> bool {
        self.target.dialect == Dialect::SignalR
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn clock(&self) -> anyhow::Result<CpuClock> {
        let clock = CpuClock::of(self.pid());
        clock.with_context(|| format!("the {} has ended: {}", self.name, last_lines(&self.said)))
    }

    /// Waits until the process does nothing, so that its work on what is over is not counted for what comes.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        let clock = self.clock()?;
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut before = clock.read()?;
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(40));
            let now = clock.read()?;
            if now - before < Duration::from_micros(800) {
                return Ok(());
            }
            before = now;
        }
        bail!("the {} is busy though nothing happens", self.name)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

/// Asks the process to end, and ends it if it does not. It is a child of ours that has not been waited for, so its id is
/// its own.
fn stop(child: &mut Child) {
    // Failures mean that it has ended already.
    let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
    let deadline = Instant::now() + STOP_TIMEOUT;
    while Instant::now() < deadline {
        if let Ok(Some(_)) = child.try_wait() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Reads an output to its end, so that the process never waits for it; keeps the last lines, hands out hub urls.
fn listen(output: impl Read, said: &Lines, found: &mpsc::Sender<String>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some(url) = hub_url(&line) {
            // Only the first one is waited for.
            let _ = found.send(url.to_owned());
        }
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() == KEPT_LINES {
            said.pop_front();
        }
        said.push_back(line);
    }
}

fn last_lines(said: &Lines) -> String {
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    said.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// The hub url in a line of a server's banner.
fn hub_url(line: &str) -> Option<&str> {
    let url = &line[line.find("http://")?..];
    let end = url.find("/hub")? + "/hub".len();
    (!url[..end].contains(char::is_whitespace)).then(|| &url[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hub_url_is_found_in_a_banner() {
        let url = Some("http://127.0.0.1:4711/hub");
        assert_eq!(hub_url("floor listens on http://127.0.0.1:4711/hub"), url);
        assert_eq!(hub_url("  Hub: \u{1b}[1mhttp://127.0.0.1:4711/hub\u{1b}[0m (SignalR)"), url);
        assert_eq!(hub_url("admin at http://127.0.0.1:1/metrics, see /hub"), None);
        assert_eq!(hub_url("nothing"), None);
    }

    #[test]
    fn a_program_that_ends_at_once_is_reported_with_its_words() {
        let program = Path::new("/bin/sh");
        let arguments = ["-c", "echo no such flag >&2; exit 2"];
        let started = Subject::start("server", program, &arguments, Dialect::Bare);
        let error = format!("{:#}", started.err().unwrap());
        assert!(error.contains("no such flag"), "{error}");
    }
}

//! A program below a shell that ends it as soon as our end of its input closes, so that none outlives this one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// A running program; stopped when dropped.
pub(crate) struct Process {
    shell: Child,
    pid: u32,
}

impl Process {
    /// Starts `command`, whose output goes to `log`.
    pub(crate) fn start(command: &Command, log: &Path) -> anyhow::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", WATCHDOG, "sh"]).arg(log).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        if let Some(folder) = command.get_current_dir() {
            shell.current_dir(folder);
        }
        let program = command.get_program().to_string_lossy().into_owned();
        let mut shell = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let mut pid = String::new();
        BufReader::new(shell.stdout.take().context("piped")?).read_line(&mut pid)?;
        let pid = pid.trim().parse().context("the shell names the process")?;
        Ok(Self { shell, pid })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it is there and no zombie: its shell collects it only at the end.
    pub(crate) fn runs(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, state)| !state.trim_start().starts_with(['Z', 'X']))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take()); // the shell stops it, collects it, and ends
        let _ = self.shell.wait();
    }
}

/// The last lines of a log, for messages.
pub(crate) fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Arguments: log file, program, its arguments. Data folders are deleted afterwards, so nobody waits for a polite end.
const WATCHDOG: &str = r#"log=$1; shift
"$@" </dev/null >>"$log" 2>&1 &
pid=$!
echo $pid
read -r _
kill -9 $pid
wait $pid 2>/dev/null"#;

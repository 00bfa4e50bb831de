//! `Engine`: a recipe that runs in a folder of its own, as its page says.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use e2e::program::{self, Program, printed};
use e2e::wait::within;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{kafka_connect, telegraf};

/// Killed when dropped.
pub struct Engine {
    folder: TempDir,
    command: String,
    child: Child,
}

impl Engine {
    /// Does what the page of a recipe says: prints its files, writes these values into `.env`, and starts it.
    pub async fn start(recipe: &str, program: &Program, variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let page = printed(&["recipes", "show", recipe, "--file", "README.md"], "").await;
        for line in page.lines().filter(|line| line.starts_with("streamgate recipes show ")) {
            let line = match line.contains(KAFKA) {
                true => line.replace(KAFKA, &program.kafka()),
                false => line.to_owned(),
            };
            let shown = shell(&line, folder.path(), program::path().parent().unwrap()).status().await.unwrap();
            assert!(shown.success(), "{line}");
        }
        let settings = folder.path().join(".env");
        fs::write(&settings, environment(&fs::read_to_string(&settings).unwrap(), variables)).unwrap();
        let command = page.lines().find(|line| line.starts_with("(set -a;")).expect("its page has a command");
        // Without a shell of its own around it: what is killed is to be the engine.
        let command = command.trim_matches(['(', ')']).to_owned();
        let child = spawn(&command, folder.path()).await;
        Self { folder, command, child }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Kills it, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Ends it in good order, as a service manager does.
    pub async fn stop(&mut self) {
        let pid = self.child.id().expect("it runs").to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(within("its end", self.child.wait()).await.unwrap().success());
    }

    /// Starts it once more, in the same folder.
    pub async fn start_again(&mut self) {
        self.child = spawn(&self.command, self.folder.path()).await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the engine's log: {}", fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default());
        }
    }
}

async fn spawn(command: &str, folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join(LOG)).unwrap();
    let binaries = match command.contains("telegraf") {
        true => telegraf::folder().await,
        false => kafka_connect::folder(folder).await,
    };
    shell(command, folder, &binaries).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

/// A line of a page, with these programs.
fn shell(line: &str, folder: &Path, programs: &Path) -> Command {
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(folder).env("PATH", path).stdin(Stdio::null()).kill_on_drop(true);
    shell
}

/// The example with these values.
fn environment(example: &str, variables: &[(&str, &str)]) -> String {
    let mut lines: Vec<_> = example.lines().map(str::to_owned).collect();
    for (name, value) in variables {
        let line = lines.iter_mut().find(|line| line.starts_with(&format!("{name}=")));
        *line.unwrap_or_else(|| panic!("the example has no {name}")) = format!("{name}='{value}'");
    }
    lines.join("\n")
}

/// As pages name the listener.
const KAFKA: &str = "127.0.0.1:9092";
const LOG: &str = "log";

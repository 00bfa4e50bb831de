//! Programs of `tests/clients` in Python, each kind in an environment of its own with libraries of exact versions.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// An environment with its programs.
#[derive(Debug)]
pub struct Python {
    programs: PathBuf,
    interpreter: PathBuf,
}

impl Python {
    /// confluent-kafka, kafka-python and aiokafka, the newest.
    ///
    /// # Panics
    /// When the environment cannot be made; with a sentence that says why.
    pub async fn modern() -> Self {
        Self::of("modern").await
    }

    /// quixstreams 3, the newest. It wants a confluent-kafka of its own.
    ///
    /// # Panics
    /// As [`Python::modern`].
    pub async fn quix_3() -> Self {
        Self::of("quix-3").await
    }

    /// quixstreams 0.5.7, the wrapper of the .NET library.
    ///
    /// # Panics
    /// As [`Python::modern`].
    pub async fn quix_0_5() -> Self {
        Self::of("quix-0.5").await
    }

    /// pysignalr and signalrcore, the newest.
    ///
    /// # Panics
    /// As [`Python::modern`].
    pub async fn signalr() -> Self {
        Self::of("signalr-python").await
    }

    /// schemathesis, the newest.
    ///
    /// # Panics
    /// As [`Python::modern`].
    pub async fn schemathesis() -> Self {
        Self::of("schemathesis").await
    }

    /// signalrcore 0.9.5, which Quix's documentation and dashboards name. Its programs are those of [`Python::signalr`].
    ///
    /// # Panics
    /// As [`Python::modern`].
    pub async fn signalrcore_0_9() -> Self {
        let python = Self::of("signalrcore-0.9").await;
        Self { programs: python.programs.with_file_name("signalr-python"), ..python }
    }

    /// Folder of its interpreter and of the commands that came with its libraries, for a `PATH`.
    pub fn commands_folder(&self) -> PathBuf {
        self.interpreter.parent().expect("it is in a folder").to_owned()
    }

    /// A command that runs one of the programs; it is killed when dropped.
    pub fn command(&self, program: &str) -> Command {
        // A shell has what it runs in the background ignore Ctrl-C, and Python would go on doing so.
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(&self.interpreter);
        // Compiled files have no place among the sources.
        command.arg("-B").arg(self.programs.join(program)).kill_on_drop(true);
        command
    }

    /// Runs a program to its end, which must come within this time.
    ///
    /// # Panics
    /// If it does not, or it cannot be started.
    pub async fn run(&self, program: &str, arguments: &[impl AsRef<OsStr>], limit: Duration) -> Output {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("python runs");
        match tokio::time::timeout(limit, child.wait_with_output()).await {
            Ok(output) => output.expect("it can be waited for"),
            Err(_) => panic!("{program} has not ended within {limit:?}"),
        }
    }

    async fn of(kind: &'static str) -> Self {
        match tokio::task::spawn_blocking(move || Self::make(kind)).await.expect("no panic") {
            Ok(python) => python,
            Err(error) => panic!("the Python environment for tests/clients/{kind} cannot be made: {error:#}"),
        }
    }

    /// Makes the environment the first time. A lock keeps tests that start at once from racing; a marker, written last,
    /// tells a whole environment from a broken one.
    fn make(kind: &str) -> Result<Self> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let programs = tests.join("clients").join(kind);
        let requirements = programs.join("requirements.txt");
        let mut hasher = DefaultHasher::new();
        fs::read(&requirements)?.hash(&mut hasher);
        let root = tests.parent().context("the tests stand in the workspace")?.join("target/python");
        fs::create_dir_all(&root)?;
        let name = format!("{kind}-{:016x}", hasher.finish());
        let environment = root.join(&name);
        let python = Self { programs, interpreter: environment.join("bin/python") };

        let lock = File::create(root.join(format!("{name}.lock")))?;
        lock.lock()?; // given back with the file
        let marker = environment.join("complete");
        if marker.exists() {
            return Ok(python);
        }
        if environment.exists() {
            fs::remove_dir_all(&environment)?;
        }
        let mut venv = std::process::Command::new("python3");
        venv.args(["-m", "venv"]).arg(&environment);
        succeed(venv, "`python3 -m venv` failed (on Debian it needs the package python3-venv)")?;
        let mut pip = std::process::Command::new(&python.interpreter);
        pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--requirement"]);
        pip.arg(&requirements);
        succeed(
            pip,
            "pip did not bring the libraries; the first time it needs the network, or what PIP_INDEX_URL names",
        )?;
        fs::write(&marker, "")?;
        Ok(python)
    }
}

fn succeed(mut command: std::process::Command, otherwise: &str) -> Result<()> {
    let output = command.output().with_context(|| otherwise.to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    bail!("{otherwise}: {}", lines[lines.len().saturating_sub(2)..].join("; "))
}

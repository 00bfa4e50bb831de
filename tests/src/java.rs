//! Programs of `tests/clients` in Java: one file each, with the jars of the client they drive.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::maven;

/// A compiled program.
#[derive(Debug)]
pub struct Java {
    class: &'static str,
    class_path: String,
}

impl Java {
    /// The scenarios of every Kafka client, with Apache Kafka's own from the broker's jars.
    ///
    /// # Panics
    /// When they cannot be compiled, or the jars are not to be had; with a sentence that says why.
    pub async fn scenarios() -> Self {
        Self::of("java", "Scenarios", "kafka", "kafka/pom.xml").await
    }

    /// The kinds of call of every SignalR client, with the official one.
    ///
    /// # Panics
    /// As [`Java::scenarios`].
    pub async fn matrix() -> Self {
        Self::of("signalr-java", "Matrix", "signalr-java", "clients/signalr-java/pom.xml").await
    }

    /// A command that runs it; it is killed when dropped.
    pub fn command(&self) -> Command {
        let mut command = Command::new("java");
        command
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error")
            .args(["-cp", &self.class_path, self.class])
            .kill_on_drop(true);
        command
    }

    async fn of(folder: &'static str, class: &'static str, jars: &'static str, pom: &'static str) -> Self {
        let compiled = tokio::task::spawn_blocking(move || Self::compile(folder, class, jars, pom));
        match compiled.await.expect("no panic") {
            Ok(java) => java,
            Err(error) => panic!("no Java client: {error:#}"),
        }
    }

    /// Compiles it the first time; `java File.java` would compile at every start. Lock and marker as in [`crate::python`].
    fn compile(folder: &str, class: &'static str, jars: &str, pom: &str) -> Result<Self> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = tests.parent().context("the tests stand in the workspace")?.join("target");
        let libs = maven::jars(jars, pom)?;
        let source = tests.join(format!("clients/{folder}/{class}.java"));
        let mut hasher = DefaultHasher::new();
        (fs::read(&source)?, fs::read(tests.join(pom))?).hash(&mut hasher);
        let root = target.join("java");
        fs::create_dir_all(&root)?;
        let name = format!("{class}-{:016x}", hasher.finish());
        let classes = root.join(&name);
        let class_path = format!("{}:{}/*", classes.display(), libs.display());

        let lock = File::create(root.join(format!("{name}.lock")))?;
        lock.lock()?;
        let marker = classes.join("complete");
        if !marker.exists() {
            let mut javac = std::process::Command::new("javac");
            javac.args(["-encoding", "UTF-8", "-cp", &class_path, "-d"]).arg(&classes).arg(&source);
            let compiled = javac.output().context("javac does not run")?;
            ensure!(compiled.status.success(), "javac: {}", String::from_utf8_lossy(&compiled.stderr));
            fs::write(&marker, "")?;
        }
        Ok(Self { class, class_path })
    }
}

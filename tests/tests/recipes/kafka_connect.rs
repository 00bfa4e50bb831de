//! Where Kafka Connect is: its jars by Maven the first time, behind the script that a Kafka download has for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::maven;

/// Puts the connector into `plugins` of this folder, as the recipe's page asks, and gives the folder of the script.
///
/// # Panics
/// When the jars are not to be had; with a sentence that says why.
pub async fn folder(beside: &Path) -> PathBuf {
    let beside = beside.to_owned();
    match tokio::task::spawn_blocking(move || install(&beside)).await.unwrap() {
        Ok(folder) => folder,
        Err(error) => panic!("no Kafka Connect: {error:#}"),
    }
}

fn install(beside: &Path) -> Result<PathBuf> {
    let libs = maven::jars("kafka-connect", "kafka-connect/pom.xml")?;
    let (plugins, programs) = (beside.join("plugins"), beside.join("bin"));
    if programs.exists() {
        return Ok(programs);
    }
    fs::create_dir(&plugins)?;
    fs::create_dir(&programs)?;
    let mut archives = fs::read_dir(&libs)?.filter_map(|entry| Some(entry.ok()?.path()));
    let archive = archives.find(|path| path.extension().is_some_and(|name| name == "gz")).context("no archive")?;
    let status = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(&plugins).status()?;
    ensure!(status.success(), "tar: {status}");
    let script = programs.join("connect-standalone.sh");
    fs::write(&script, format!("#!/bin/sh\nexec java {OPTIONS} -cp '{}/*' {CLASS} \"$@\"\n", libs.display()))?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))?;
    Ok(programs)
}

const CLASS: &str = "org.apache.kafka.connect.cli.ConnectStandalone";
const OPTIONS: &str = "-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1";

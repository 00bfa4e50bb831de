//! Where Telegraf is: built by `tests/telegraf/build` the first time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The folder of the binary.
///
/// # Panics
/// When it cannot be built; with a sentence that says why.
pub async fn folder() -> PathBuf {
    match tokio::task::spawn_blocking(build).await.unwrap() {
        Ok(folder) => folder,
        Err(error) => panic!("no Telegraf: {error:#}"),
    }
}

/// A lock keeps tests that start at once from racing; a marker, written last, is the script that has built it.
fn build() -> Result<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tests.parent().context("the tests stand in the workspace")?.join("target/telegraf");
    let (script, marker) = (tests.join("telegraf/build"), folder.join("complete"));
    let wanted = fs::read_to_string(&script)?;
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?; // given back with the file
    if fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return Ok(folder);
    }
    let status = Command::new(&script).arg(&folder).status().context("tests/telegraf/build does not run")?;
    ensure!(status.success(), "tests/telegraf/build failed: {status}");
    fs::write(&marker, wanted)?;
    Ok(folder)
}

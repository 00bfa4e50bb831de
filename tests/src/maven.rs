//! Jars by Maven, for programs in Java.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The folder with what `tests/POM` names and what that needs: `target/NAME/libs`, filled the first time. A lock keeps
/// tests that start at once from racing; a marker, written last, tells a whole download from a broken one.
///
/// # Errors
/// When Maven does not run or does not bring them.
pub fn jars(name: &str, pom: &str) -> Result<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = tests.parent().context("the tests stand in the workspace")?.join("target").join(name);
    let (libs, marker, pom) = (root.join("libs"), root.join("complete"), tests.join(pom));
    let wanted = fs::read_to_string(&pom)?;
    fs::create_dir_all(&root)?;
    let lock = File::create(root.join("lock"))?;
    lock.lock()?; // given back with the file
    if fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return Ok(libs);
    }
    if libs.exists() {
        fs::remove_dir_all(&libs)?;
    }
    let mut maven = Command::new("mvn");
    maven.args(["-B", "-q", "-f"]).arg(&pom).args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    let status = maven.arg(format!("-DoutputDirectory={}", libs.display())).status().context("mvn does not run")?;
    if !status.success() {
        bail!("mvn did not bring the jars: {status}");
    }
    fs::write(&marker, wanted)?;
    Ok(libs)
}

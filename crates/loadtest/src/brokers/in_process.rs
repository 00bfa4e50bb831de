//! The log without a server: an example program of its crate, which measures itself.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use loadtest::load::latency::Summary;
use serde::Deserialize;

use super::results::Measured;

/// What the program prints.
#[derive(Debug, Deserialize)]
struct Printed {
    per_second: f64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
}

/// Appends, so many in flight, over so many topics.
pub(crate) fn append(
    program: &Path,
    folder: &Path,
    (in_flight, topics): (usize, usize),
    value_bytes: usize,
    (warm_up, time): (Duration, Duration),
) -> anyhow::Result<Measured> {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    let arguments = [
        ("--in-flight", in_flight.to_string()),
        ("--topics", topics.to_string()),
        ("--value-bytes", value_bytes.to_string()),
        ("--warm-up-ms", milliseconds(warm_up)),
        ("--time-ms", milliseconds(time)),
    ];
    run(program, "append", folder, &arguments)
}

/// Appends so many records, and reads them from the first on.
pub(crate) fn read(program: &Path, folder: &Path, records: usize, value_bytes: usize) -> anyhow::Result<Measured> {
    run(program, "read", folder, &[("--records", records.to_string()), ("--value-bytes", value_bytes.to_string())])
}

fn run(program: &Path, what: &str, folder: &Path, arguments: &[(&str, String)]) -> anyhow::Result<Measured> {
    let folder = folder.join("in-process");
    let mut command = Command::new(program);
    command.arg(what).arg(&folder);
    for (name, value) in arguments {
        command.args([*name, value]);
    }
    let output = command.output().with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    std::fs::remove_dir_all(&folder)?;
    let printed: Printed = serde_json::from_slice(&output.stdout).context("the program prints JSON")?;
    let latency = printed.p50_us.zip(printed.p99_us);
    let latency = latency.map(|(p50_us, p99_us)| Summary { p50_us, p99_us, ..Summary::default() });
    Ok(Measured::new(printed.per_second, latency))
}

//! Where results go: a table for people, JSON for programs.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use serde::Serialize;

/// A file, or standard output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum JsonTarget {
    File(PathBuf),
    StandardOutput,
}

impl FromStr for JsonTarget {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "-" => Self::StandardOutput,
            path => Self::File(path.into()),
        })
    }
}

/// Prints `table`, and `report` as JSON where asked to. JSON on standard output has it to itself.
pub(crate) fn put(table: &str, report: &impl Serialize, json: Option<&JsonTarget>) -> anyhow::Result<()> {
    match json {
        None => print!("{table}"),
        Some(JsonTarget::StandardOutput) => {
            eprint!("{table}");
            println!("{}", serde_json::to_string_pretty(report)?);
        }
        Some(JsonTarget::File(path)) => {
            print!("{table}");
            let text = serde_json::to_string_pretty(report)?;
            std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

//! `streamgate version`.

use std::{
    env::consts,
    io::{self, Write},
};

use serde_json::json;

use super::{CommandError, quiet_on_closed_pipe};
use crate::args::VersionArgs;

/// Prints to standard output.
pub fn run(args: &VersionArgs) -> Result<(), CommandError> {
    quiet_on_closed_pipe(run_to(args, &mut io::stdout()))
}

/// The same with an output of choice.
pub fn run_to(args: &VersionArgs, out: &mut impl Write) -> Result<(), CommandError> {
    if args.json {
        let version = json!({ "name": NAME, "version": VERSION, "os": consts::OS, "arch": consts::ARCH });
        writeln!(out, "{version}")?;
    } else {
        writeln!(out, "{NAME} {VERSION} ({} {})", consts::OS, consts::ARCH)?;
    }
    Ok(())
}

const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

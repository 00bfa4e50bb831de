//! `streamgate config show` and `config check`.

use std::io::{self, Write};

use super::{CommandError, quiet_on_closed_pipe};
use crate::{
    args::{ConfigArgs, ConfigCommand, ConfigFlags},
    config::{Loaded, show},
    server::{Certificate, Credentials, check_webhooks},
};

/// Prints to standard output; warnings go to standard error.
pub fn run(args: &ConfigArgs) -> Result<(), CommandError> {
    quiet_on_closed_pipe(run_to(args, &mut io::stdout(), &mut io::stderr()))
}

/// The same with outputs of choice.
pub fn run_to(args: &ConfigArgs, out: &mut impl Write, warnings: &mut impl Write) -> Result<(), CommandError> {
    match &args.command {
        ConfigCommand::Show { origin, flags } => {
            let loaded = load(flags, warnings)?;
            out.write_all(show(&loaded, *origin).as_bytes())?;
        }
        ConfigCommand::Check { flags } => {
            let loaded = load(flags, warnings)?;
            Certificate::load(&loaded)?;
            Credentials::load(&loaded)?;
            check_webhooks(&loaded.config)?;
            match &loaded.file {
                Some(path) => writeln!(out, "the configuration is good (settings file {})", path.display())?,
                None => writeln!(out, "the configuration is good (no settings file)")?,
            }
        }
    }
    Ok(())
}

fn load(flags: &ConfigFlags, warnings: &mut impl Write) -> Result<Loaded, CommandError> {
    let loaded = flags.load()?;
    for warning in &loaded.warnings {
        writeln!(warnings, "warning: {warning}")?;
    }
    Ok(loaded)
}

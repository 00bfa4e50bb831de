//! The whole way from flags, environment and file to a configuration or to the sentence that refuses it.

mod precedence;
mod reach;
mod refusals;
mod secrets;
mod topics;

use clap::Parser;

use super::*;
use crate::args::{Args, Command};

/// A command line, an environment and a settings file `streamgate.toml`.
#[derive(Default)]
struct Setup<'a> {
    file: &'a str,
    environment: &'a [(&'a str, &'a str)],
    flags: &'a [&'a str],
}

impl Setup<'_> {
    fn load(&self) -> Result<Loaded, ConfigError> {
        let args = Args::try_parse_from(["streamgate", "serve"].iter().chain(self.flags)).unwrap();
        let Command::Serve(serve) = args.command else { panic!("serve was asked for") };
        let file = (!self.file.is_empty()).then(|| ("streamgate.toml".into(), self.file.to_owned()));
        let environment = self.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        sources::merge(file, environment, serve.flags.settings())
    }

    fn refusal(&self) -> String {
        self.load().expect_err("this must be refused").to_string()
    }
}

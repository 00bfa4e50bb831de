//! `streamgate sample`: a complete program that writes to a topic or reads one.

use std::io::{self, Write};

use super::{CommandError, quiet_on_closed_pipe};
use crate::args::SampleArgs;
use crate::samples::{Blanks, Sample, is_plain};

/// Prints to standard output.
pub fn run(args: &SampleArgs) -> Result<(), CommandError> {
    quiet_on_closed_pipe(run_to(args, &mut io::stdout()))
}

/// The same with an output of choice.
pub fn run_to(args: &SampleArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let (url, token) = (args.url.as_str().trim_end_matches('/'), args.token.as_deref().unwrap_or_default());
    for (what, text) in [("address", url), ("token", token)] {
        if !is_plain(text) {
            let trouble = format!("the {what} has letters that programs would not take as they are: is it right?");
            return Err(CommandError::Unusable(trouble));
        }
    }
    let sample = Sample::of(args.lang, args.direction);
    out.write_all(sample.filled(Blanks { url, topic: &args.topic, token }).as_bytes())?;
    Ok(())
}

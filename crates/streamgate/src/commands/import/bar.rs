//! `Bar`: how far a file has come, on a terminal.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Duration;

use indicatif::{
    HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressState, ProgressStyle,
};

use super::file::Contents;
use super::rejected;
use crate::commands::text::escape;

/// Gone from the terminal when dropped.
pub(super) struct Bar {
    bar: ProgressBar,
    /// Rows before this process.
    before: u64,
    rejected: String,
}

impl Bar {
    pub(super) fn new(file: &Path, contents: &Contents, before: u64) -> Self {
        let bar = if io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(contents.bytes), ProgressDrawTarget::stderr());
            bar.with_finish(ProgressFinish::AndClear)
        } else {
            ProgressBar::hidden()
        };
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        let eta = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // Nobody can be told if it fails.
            let _ = write!(out, "{:#}", HumanDuration(Duration::from_secs(state.eta().as_secs())));
        };
        if let Ok(style) = ProgressStyle::with_template("  {prefix}  {bar:20}  {percent:>3} %  {msg}  eta {left}") {
            bar.set_style(style.with_key("left", eta).progress_chars("█▉▊▋▌▍▎▏░"));
        }
        bar.set_prefix(escape(&name).into_owned());
        Self { bar, before, rejected: rejected::path(Path::new(&name)).display().to_string() }
    }

    /// So much of the file is done.
    pub(super) fn set(&self, position: u64, rows: u64, rejected: u64) {
        if self.bar.is_hidden() {
            return;
        }
        let rate = (rows - self.before) as f64 / self.bar.elapsed().as_secs_f64().max(0.001);
        let mut message = format!("{} rows  {} rows/s", HumanCount(rows), HumanCount(rate as u64));
        if rejected > 0 {
            message += &format!("  rejected {rejected} → {}", escape(&self.rejected));
        }
        self.bar.set_message(message);
        self.bar.set_position(position);
    }

    /// Beside the rest, until something else is to be said.
    pub(super) fn say(&self, text: &str) {
        self.bar.set_message(escape(text).into_owned());
    }
}

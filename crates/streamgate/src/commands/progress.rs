//! The progress of `produce`, on a terminal only, and only once it takes long enough to wonder.

use std::{
    io::{self, IsTerminal},
    sync::OnceLock,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that appears late or never.
pub(super) struct Progress {
    started: Instant,
    wanted: bool,
    total_bytes: Option<u64>,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// For standard input: not while a person types into it, and with a length if it is a file.
    pub(super) fn of_standard_input() -> Self {
        let wanted = io::stderr().is_terminal() && !io::stdin().is_terminal();
        Self { wanted, total_bytes: standard_input_bytes(), ..Self::none() }
    }

    /// Never shown.
    pub(super) fn none() -> Self {
        Self { started: Instant::now(), wanted: false, total_bytes: None, bar: OnceLock::new() }
    }

    /// So many more are acknowledged.
    pub(super) fn add(&self, lines: u64, input_bytes: u64) {
        if !self.wanted {
            return;
        }
        let bar = self.bar.get_or_init(|| self.hidden());
        bar.inc(if self.total_bytes.is_some() { input_bytes } else { lines });
        if bar.is_hidden() && self.started.elapsed() > PATIENCE {
            bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }

    fn hidden(&self) -> ProgressBar {
        let bar = ProgressBar::hidden();
        let template = match self.total_bytes {
            Some(total) => {
                bar.set_length(total);
                "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left"
            }
            None => "{spinner} {human_pos} lines in {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    }
}

#[cfg(unix)]
fn standard_input_bytes() -> Option<u64> {
    use std::os::fd::AsFd;
    let file = std::fs::File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
}

#[cfg(not(unix))]
fn standard_input_bytes() -> Option<u64> {
    None
}

/// What is done sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);

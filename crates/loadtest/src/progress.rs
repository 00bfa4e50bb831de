//! A progress bar for runs that take long, if somebody watches.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Runs shorter than this show no bar.
const PATIENCE: Duration = Duration::from_secs(3);

/// A bar on standard error that appears after three seconds, and only on a terminal.
#[derive(Debug)]
pub struct Progress {
    label: &'static str,
    length: u64,
    start: Instant,
    next_draw: Instant,
    bar: Option<ProgressBar>,
    watched: bool,
}

impl Progress {
    /// A bar of `length` steps.
    pub fn new(label: &'static str, length: u64) -> Self {
        let start = Instant::now();
        Self { label, length, start, next_draw: start + PATIENCE, bar: None, watched: std::io::stderr().is_terminal() }
    }

    /// No bar at all.
    pub fn hidden() -> Self {
        let mut hidden = Self::new("", 0);
        hidden.watched = false;
        hidden
    }

    /// Moves to `position`; cheap enough for every turn of a loop.
    pub fn set(&mut self, position: u64) {
        if !self.watched {
            return;
        }
        let now = Instant::now();
        if now < self.next_draw {
            return;
        }
        self.next_draw = now + Duration::from_millis(200);
        let bar = self.bar.get_or_insert_with(|| {
            let template = "{msg} [{bar:40}] {percent:>3} % {elapsed}, {eta} left";
            let bar = ProgressBar::new(self.length).with_message(self.label);
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.with_elapsed(now - self.start)
        });
        bar.set_position(position);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

//! `Steps`: what was done in a history, and when, for the reader of a failure.

use std::fmt;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

#[derive(Clone, Default)]
pub(crate) struct Steps(Arc<Mutex<Vec<Step>>>);

struct Step {
    at: Instant,
    what: &'static str,
    number: u64,
}

impl Steps {
    pub(crate) fn note(&self, what: &'static str, number: u64) {
        self.0.lock().unwrap().push(Step { at: Instant::now(), what, number });
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.0.lock().unwrap();
        let Some(first) = steps.first() else { return Ok(()) };
        for step in steps.iter() {
            writeln!(formatter, "{:>8} ms  {} {}", (step.at - first.at).as_millis(), step.what, step.number)?;
        }
        Ok(())
    }
}

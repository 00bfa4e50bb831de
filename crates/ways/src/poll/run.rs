//! A source's task: waits, polls, says how it went.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use super::timetable::Went;
use super::{PollError, PollMetrics, Polled, Source, Timetable};
use crate::append::Append;
use crate::chance::chance;
use crate::stopping::stopped;

/// Polls until `stopping` is true; a poll that has begun ends then, and what it has handed over is written.
pub async fn run(
    mut source: Source,
    append: Arc<dyn Append>,
    metrics: PollMetrics,
    mut stopping: watch::Receiver<bool>,
) {
    let mut timetable = Timetable::new(source.config().interval.clone());
    let mut wait = timetable.first(SystemTime::now(), chance());
    loop {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stopped(&mut stopping) => return,
        }
        let begun = Instant::now();
        let polled = tokio::select! {
            polled = source.poll(&*append) => polled,
            () = stopped(&mut stopping) => return,
        };
        let took = begun.elapsed();
        metrics.polled(&source.config().name, &polled, took);
        let went = went(&polled);
        wait = timetable.next(went, took, SystemTime::now(), chance());
        tell(&source.config().name, &polled, took, wait);
    }
}

fn went(polled: &Result<Polled, PollError>) -> Went {
    polled.as_ref().map_or_else(|error| Went::Wrong { retry_after: error.retry_after() }, |_| Went::Well)
}

fn tell(source: &str, polled: &Result<Polled, PollError>, took: Duration, wait: Duration) {
    match polled {
        Ok(Polled { written, unchanged, refused, .. }) => {
            tracing::debug!(source, written, unchanged, refused, ?took, "polled");
        }
        Err(error) => tracing::warn!(source, again_in = ?wait, "a poll failed: {error}"),
    }
}

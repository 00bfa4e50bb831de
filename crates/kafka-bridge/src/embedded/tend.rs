//! What is seen to now and then: answers for a disk that hangs, and what shows in the metrics.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use embedded_log::{CommitReport, Log, Observer};

use crate::metrics::Metrics;

/// Counts commits as the log reports them.
#[derive(Debug)]
pub(super) struct Commits(Metrics);

impl Commits {
    pub(super) fn new(metrics: Metrics) -> Arc<Self> {
        Arc::new(Self(metrics))
    }
}

impl Observer for Commits {
    fn committed(&self, report: &CommitReport) {
        let Self(metrics) = self;
        metrics.log_bytes.set(report.log_bytes as i64);
        metrics.log_sync_seconds.observe(report.sync.as_secs_f64());
        metrics.log_group_appends.observe(report.appends as f64);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        metrics.log_last_sync.set(now.as_secs_f64());
    }
}

/// Sees to it until dropped.
pub(super) async fn run(log: Log, metrics: Metrics, delivery_timeout: Duration) {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    metrics.log_bytes.set(log.bytes() as i64);
    loop {
        tick.tick().await;
        log.give_up_after(delivery_timeout);
        let (bytes, appends) = log.backlog();
        metrics.backlog_bytes.set(bytes as i64);
        metrics.backlog_messages.set(appends as i64);
        metrics.backlog_age_seconds.set(log.oldest().unwrap_or_default().as_secs_f64());
    }
}

/// Well below the second that an answer may be late (reliability W7).
const INTERVAL: Duration = Duration::from_millis(250);

//! What shows in the metrics: the log's own reports of its commits, and what waits, looked at now and then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use embedded_log::{CommitReport, Log, Observer};

use crate::metrics::Metrics;

/// Counts commits as the log reports them.
#[derive(Debug)]
pub(super) struct Commits {
    count: AtomicU64,
    metrics: Metrics,
}

impl Commits {
    pub(super) fn new(metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { count: AtomicU64::new(0), metrics })
    }
}

impl Observer for Commits {
    fn committed(&self, report: &CommitReport) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.metrics.log_bytes.set(report.log_bytes as i64);
        self.metrics.log_sync_seconds.observe(report.sync.as_secs_f64());
        self.metrics.log_group_appends.observe(report.appends as f64);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.metrics.log_last_sync.set(now.as_secs_f64());
    }
}

/// Keeps the gauges until dropped.
pub(super) async fn run(log: Log, commits: Arc<Commits>, metrics: Metrics) {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    metrics.log_bytes.set(log.bytes() as i64);
    let mut waiting = Waiting::default();
    loop {
        tick.tick().await;
        let (bytes, appends) = log.backlog();
        metrics.backlog_bytes.set(bytes as i64);
        metrics.backlog_messages.set(appends as i64);
        metrics.backlog_age_seconds.set(waiting.age(appends, commits.count.load(Ordering::Relaxed)).as_secs_f64());
    }
}

/// How long the oldest append has been waiting, at most: each commit takes all that waits at its beginning.
#[derive(Debug, Default)]
struct Waiting {
    commits: u64,
    since: Option<Instant>,
}

impl Waiting {
    fn age(&mut self, appends: usize, commits: u64) -> Duration {
        if appends == 0 {
            self.since = None;
        } else if self.since.is_none() || commits != self.commits {
            self.since = Some(Instant::now());
        }
        self.commits = commits;
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

const INTERVAL: Duration = Duration::from_secs(1);

//! All metrics of this crate: name, unit, labels. The registry that takes them adds the product's prefix.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::broker::{AckError, NotWritten};

/// Handles of all metrics; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Records the broker has stored.
    pub(crate) acknowledged: Counter,
    /// Records that were certainly not stored, by cause.
    pub(crate) refused: Family<Cause, Counter>,
    /// Records of which nobody knows, by cause.
    pub(crate) unknown: Family<Cause, Counter>,
    /// Bytes handed over and not answered yet.
    pub(crate) backlog_bytes: Gauge,
    /// Records handed over and not answered yet.
    pub(crate) backlog_messages: Gauge,
    /// Longest that a record may have been waiting for its answer (embedded log).
    pub(crate) backlog_age_seconds: Gauge<f64, AtomicU64>,
    /// Time from hand-over to acknowledgement.
    pub(crate) acknowledgement_seconds: Histogram,
    /// Records handed to readers.
    pub(crate) records_read: Counter,
    /// Gaps told to readers.
    pub(crate) gaps: Counter,
    /// Offsets skipped by gaps.
    pub(crate) records_lost: Counter,
    /// Offsets between what was read and the end.
    pub(crate) consumer_lag: Family<PartitionLabels, Gauge>,
    /// Errors the producer reported outside of single records, by code.
    pub(crate) producer_errors: Family<Cause, Counter>,
    /// Producers replaced after a fatal error.
    pub(crate) producers_replaced: Counter,
    /// Times that records in Kafka could not be read, by cause.
    pub(crate) read_errors: Family<Cause, Counter>,
    /// Topics whose settings weaken what an acknowledgement means.
    pub(crate) unsafe_topics: Gauge,
    /// Times a limit was met, by its name.
    pub(crate) limit_hits: LimitHits,
    /// Bytes of the embedded log's files.
    pub(crate) log_bytes: Gauge,
    /// Moment of the embedded log's last sync, in seconds since 1970.
    pub(crate) log_last_sync: Gauge<f64, AtomicU64>,
    /// Time of one `fdatasync` of the embedded log.
    pub(crate) log_sync_seconds: Histogram,
    /// Records and batches of one commit group of the embedded log.
    pub(crate) log_group_appends: Histogram,
    /// Reads that ended at damaged or unreadable bytes.
    pub(crate) unreadable: Counter,
    /// Running feeds.
    pub(crate) feeds: Gauge,
    /// Followers of all feeds.
    pub(crate) followers: Gauge,
}

/// Times a limit was met, with the label `limit`: one family for all crates of a process, see [`Metrics::limit_hits`].
pub type LimitHits = Family<[(&'static str, &'static str); 1], Counter>;

/// Label `cause`, from a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Cause {
    pub(crate) cause: &'static str,
}

/// Labels of a partition that exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct PartitionLabels {
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            acknowledged: Counter::default(),
            refused: Family::default(),
            unknown: Family::default(),
            backlog_bytes: Gauge::default(),
            backlog_messages: Gauge::default(),
            backlog_age_seconds: Gauge::default(),
            acknowledgement_seconds: Histogram::new(ACKNOWLEDGEMENT_BUCKETS),
            records_read: Counter::default(),
            gaps: Counter::default(),
            records_lost: Counter::default(),
            consumer_lag: Family::default(),
            producer_errors: Family::default(),
            producers_replaced: Counter::default(),
            read_errors: Family::default(),
            unsafe_topics: Gauge::default(),
            limit_hits: Family::default(),
            log_bytes: Gauge::default(),
            log_last_sync: Gauge::default(),
            log_sync_seconds: Histogram::new(ACKNOWLEDGEMENT_BUCKETS),
            log_group_appends: Histogram::new(GROUP_BUCKETS),
            unreadable: Counter::default(),
            feeds: Gauge::default(),
            followers: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Adds all metrics to `registry`, once per process.
    pub fn register(&self, registry: &mut Registry) {
        let mut add = Adder(registry);
        add.metric("appends_acknowledged", "Records stored by the broker", &self.acknowledged);
        add.metric("appends_refused", "Records certainly not stored, by cause", &self.refused);
        add.metric("appends_unknown", "Records that may or may not be stored, by cause", &self.unknown);
        add.metric("write_backlog_bytes", "Bytes handed to the broker and not answered yet", &self.backlog_bytes);
        add.metric(
            "write_backlog_messages",
            "Records handed to the broker and not answered yet",
            &self.backlog_messages,
        );
        add.metric(
            "write_backlog_age_seconds",
            "Longest that a record may be waiting for its answer (embedded log)",
            &self.backlog_age_seconds,
        );
        add.metric("acknowledgement_seconds", "Time from hand-over to acknowledgement", &self.acknowledgement_seconds);
        add.metric("records_read", "Records handed to readers", &self.records_read);
        add.metric("read_gaps", "Gaps told to readers", &self.gaps);
        add.metric("read_records_lost", "Offsets skipped by gaps", &self.records_lost);
        add.metric("consumer_lag", "Offsets between what was read and the end", &self.consumer_lag);
        add.metric("kafka_producer_errors", "Errors the producer reported, by code", &self.producer_errors);
        add.metric("kafka_producers_replaced", "Producers replaced after a fatal error", &self.producers_replaced);
        add.metric("kafka_read_errors", "Times that records could not be read, by cause", &self.read_errors);
        add.metric("kafka_unsafe_topics", "Topics whose settings weaken acknowledgements", &self.unsafe_topics);
        add.metric("log_bytes", "Bytes of the embedded log's files", &self.log_bytes);
        add.metric("log_last_sync_timestamp_seconds", "When the embedded log was last synced", &self.log_last_sync);
        add.metric("log_sync_seconds", "Time of one sync of the embedded log", &self.log_sync_seconds);
        add.metric("log_group_appends", "Records and batches synced together", &self.log_group_appends);
        add.metric("reads_ended_unreadable", "Reads that ended at damaged or unreadable bytes", &self.unreadable);
        add.metric("limit_hits", "Times a limit was met, by name", &self.limit_hits);
        add.metric("feeds", "Topics followed now", &self.feeds);
        add.metric("feed_followers", "Followers of all feeds", &self.followers);
    }

    /// Where limits are counted; other crates may count theirs there too, and are registered by this one.
    pub fn limit_hits(&self) -> LimitHits {
        self.limit_hits.clone()
    }

    pub(crate) fn count_refused(&self, error: &NotWritten) {
        self.refused.get_or_create(&Cause { cause: cause_of(error) }).inc();
        match error {
            NotWritten::BacklogFull => self.count_limit("write_backlog"),
            NotWritten::TooLarge { .. } => self.count_limit("message_size"),
            NotWritten::DiskFull => self.count_limit("log_reserve"),
            _ => {}
        }
    }

    pub(crate) fn count_answer<T>(
        &self,
        answer: &Result<T, AckError>,
        since_append: Duration,
        unknown_cause: &'static str,
    ) {
        match answer {
            Ok(_) => {
                self.acknowledged.inc();
                self.acknowledgement_seconds.observe(since_append.as_secs_f64());
            }
            Err(AckError::NotWritten(error)) => self.count_refused(error),
            Err(AckError::OutcomeUnknown) => {
                self.unknown.get_or_create(&Cause { cause: unknown_cause }).inc();
            }
        }
    }

    pub(crate) fn count_gap(&self, lost: i64) {
        self.gaps.inc();
        self.records_lost.inc_by(lost.max(0) as u64);
    }

    pub(crate) fn count_limit(&self, limit: &'static str) {
        self.limit_hits.get_or_create(&[("limit", limit)]).inc();
    }
}

struct Adder<'a>(&'a mut Registry);

impl Adder<'_> {
    fn metric<M: prometheus_client::registry::Metric + Clone>(&mut self, name: &str, help: &str, metric: &M) {
        self.0.register(name, help, metric.clone());
    }
}

fn cause_of(error: &NotWritten) -> &'static str {
    match error {
        NotWritten::TooLarge { .. } => "too_large",
        NotWritten::BacklogFull => "backlog_full",
        NotWritten::UnknownTopic(_) => "unknown_topic",
        NotWritten::Refused(_) => "refused",
        NotWritten::DiskFull => "disk_full",
        NotWritten::LogFailed => "log_failed",
        NotWritten::Unavailable => "unavailable",
    }
}

/// Seconds; from a log on the same machine to the delivery timeout.
const ACKNOWLEDGEMENT_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 30.0];

/// Appends of one commit group.
const GROUP_BUCKETS: [f64; 8] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_counted_by_cause_and_limit() {
        let metrics = Metrics::default();
        let mut registry = Registry::with_prefix("streamgate");
        metrics.register(&mut registry);
        metrics.count_refused(&NotWritten::BacklogFull);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        assert!(text.contains("streamgate_appends_refused_total{cause=\"backlog_full\"} 1"), "{text}");
        assert!(text.contains("streamgate_limit_hits_total{limit=\"write_backlog\"} 1"), "{text}");
    }
}

//! Every metric of polling sources. Their names are the operator's.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::{PollError, Polled};

/// Metrics of all sources. Cloning shares them.
#[derive(Debug, Clone)]
pub struct PollMetrics {
    polls: Family<Outcome, Counter>,
    records: Family<Fate, Counter>,
    seconds: Family<OfSource, Histogram, fn() -> Histogram>,
    last_success: Family<OfSource, Gauge<f64, AtomicU64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSource {
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    source: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    source: String,
    fate: &'static str,
}

impl Default for PollMetrics {
    fn default() -> Self {
        Self {
            polls: Family::default(),
            records: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.01, 2.0, 13))),
            last_success: Family::default(),
        }
    }
}

impl PollMetrics {
    /// Adds all of them to a registry, once.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "polls",
            "Polls of a source, by outcome: written, unchanged, unreachable, status, unexpected, not_written",
            self.polls.clone(),
        );
        registry.register(
            "poll_items",
            "Items that polls of a source brought, by fate: written, unchanged, refused",
            self.records.clone(),
        );
        registry.register("poll_seconds", "How long polls take, writing included", self.seconds.clone());
        registry.register(
            "poll_last_success_timestamp_seconds",
            "When a source was last polled well, in seconds since 1970",
            self.last_success.clone(),
        );
    }

    pub(super) fn polled(&self, source: &str, polled: &Result<Polled, PollError>, took: Duration) {
        let of_source = OfSource { source: source.to_owned() };
        self.seconds.get_or_create(&of_source).observe(took.as_secs_f64());
        let outcome = match polled {
            Ok(Polled { written: 0, .. }) => "unchanged",
            Ok(_) => "written",
            Err(error) => error.label(),
        };
        self.polls.get_or_create(&Outcome { source: source.to_owned(), outcome }).inc();
        let Ok(polled) = polled else { return };
        for (fate, count) in [("written", polled.written), ("unchanged", polled.unchanged), ("refused", polled.refused)]
        {
            self.records.get_or_create(&Fate { source: source.to_owned(), fate }).inc_by(count as u64);
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.last_success.get_or_create(&of_source).set(now.as_secs_f64());
    }
}

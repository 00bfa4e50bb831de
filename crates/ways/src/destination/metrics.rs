//! Every metric of destinations. Their names are the operator's.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Metrics of all destinations. Cloning shares them.
#[derive(Debug, Clone)]
pub struct DestinationMetrics {
    messages: Family<Fate, Counter>,
    attempts: Family<OfDestination, Counter>,
    seconds: Family<OfDestination, Histogram, fn() -> Histogram>,
    waiting: Family<OfDestination, Gauge>,
    paused: Family<OfDestination, Gauge>,
    lost: Family<OfDestination, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDestination {
    destination: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    destination: String,
    fate: &'static str,
}

/// The metrics of one destination, looked up once.
#[derive(Debug, Clone)]
pub(super) struct OwnMetrics {
    pub(super) delivered: Counter,
    pub(super) dead_lettered: Counter,
    pub(super) skipped: Counter,
    pub(super) attempts: Counter,
    pub(super) seconds: Histogram,
    pub(super) waiting: Gauge,
    pub(super) paused: Gauge,
    pub(super) lost: Counter,
}

impl Default for DestinationMetrics {
    fn default() -> Self {
        Self {
            messages: Family::default(),
            attempts: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.0, 13))),
            waiting: Family::default(),
            paused: Family::default(),
            lost: Family::default(),
        }
    }
}

impl DestinationMetrics {
    /// Adds all of them to a registry, once.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "destination_messages",
            "Messages of a destination, by fate: delivered, dead_letter, skipped",
            self.messages.clone(),
        );
        registry.register("destination_attempts", "Requests to a destination", self.attempts.clone());
        registry.register("destination_seconds", "How long those take", self.seconds.clone());
        registry.register(
            "destination_waiting",
            "Messages read for a destination and not sent yet; more is read when there is room",
            self.waiting.clone(),
        );
        registry.register(
            "destination_paused",
            "Whether a destination stands still, because its receiver said 410",
            self.paused.clone(),
        );
        registry.register(
            "destination_lost",
            "Records gone from the topic before a destination read them",
            self.lost.clone(),
        );
    }

    pub(super) fn of(&self, destination: &str) -> OwnMetrics {
        let own = OfDestination { destination: destination.to_owned() };
        let messages = |fate| self.messages.get_or_create(&Fate { destination: destination.to_owned(), fate }).clone();
        OwnMetrics {
            delivered: messages("delivered"),
            dead_lettered: messages("dead_letter"),
            skipped: messages("skipped"),
            attempts: self.attempts.get_or_create(&own).clone(),
            seconds: self.seconds.get_or_create(&own).clone(),
            waiting: self.waiting.get_or_create(&own).clone(),
            paused: self.paused.get_or_create(&own).clone(),
            lost: self.lost.get_or_create(&own).clone(),
        }
    }
}

//! Every metric of this crate, with unit and labels. Topics are labels only if they exist; client-made text never is.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::errors::WriteFailure;

/// Metrics of the gateway. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    packages: Family<OfTopic, Counter>,
    parses: Family<OfTopic, Counter>,
    encodings: Family<OfTopic, Counter>,
    delivered: Family<OfTopic, Counter>,
    delivered_bytes: Family<OfTopic, Counter>,
    pub(crate) delivery_seconds: Histogram,
    subscriptions: Family<OfTopic, Gauge>,
    skipped: Family<Reason, Counter>,
    writes_refused: Family<Cause, Counter>,
    portal_answers: Family<PortalAnswer, Counter>,
    limit_hits: LimitHits,
    limit_hits_are_shared: bool,
}

/// Times a limit was met, with the label `limit`.
pub type LimitHits = Family<[(&'static str, &'static str); 1], Counter>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTopic {
    topic: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PortalAnswer {
    route: &'static str,
    status: u16,
}

/// The metrics of one topic's audiences, looked up once.
#[derive(Debug, Clone)]
pub(crate) struct AudienceMetrics {
    pub(crate) packages: Counter,
    pub(crate) parses: Counter,
    pub(crate) encodings: Counter,
    pub(crate) delivered: Counter,
    pub(crate) delivered_bytes: Counter,
    pub(crate) members: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            packages: Family::default(),
            parses: Family::default(),
            encodings: Family::default(),
            delivered: Family::default(),
            delivered_bytes: Family::default(),
            delivery_seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 16)),
            subscriptions: Family::default(),
            skipped: Family::default(),
            writes_refused: Family::default(),
            portal_answers: Family::default(),
            limit_hits: LimitHits::default(),
            limit_hits_are_shared: false,
        }
    }
}

impl Metrics {
    /// Metrics that count limits where other parts of the program do; who made the family registers it.
    pub fn sharing(limit_hits: LimitHits) -> Self {
        Self { limit_hits, limit_hits_are_shared: true, ..Self::default() }
    }

    /// Adds all of them to a registry, once.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("packages", "Records read for subscribers, by topic", self.packages.clone());
        registry.register(
            "parses",
            "Bodies of records looked into for subscribers, by topic: once for those of packages, once for all others",
            self.parses.clone(),
        );
        registry.register(
            "encodings",
            "Callbacks encoded for subscribers, by topic: once for all who get the same and speak the same",
            self.encodings.clone(),
        );
        registry.register("deliveries", "Callbacks written or queued to subscribers, by topic", self.delivered.clone());
        registry.register("delivered_bytes", "The same in bytes on the wire", self.delivered_bytes.clone());
        registry.register(
            "delivery_seconds",
            "From the broker's time of a record to the sockets of its subscribers",
            self.delivery_seconds.clone(),
        );
        registry.register("subscriptions", "Connections that follow a topic", self.subscriptions.clone());
        registry.register(
            "records_odd",
            "Records skipped, or read in spite of a fault, by reason",
            self.skipped.clone(),
        );
        registry.register(
            "writes_refused",
            "Writes refused before they were handed to the broker, by cause",
            self.writes_refused.clone(),
        );
        registry.register(
            "portal_answers",
            "Answers to programs that ask where Kafka is, by route and HTTP status",
            self.portal_answers.clone(),
        );
        if !self.limit_hits_are_shared {
            registry.register("limit_hits", "Times a limit was met, by name", self.limit_hits.clone());
        }
    }

    pub(crate) fn audience(&self, topic: &str) -> AudienceMetrics {
        let label = OfTopic { topic: topic.to_owned() };
        AudienceMetrics {
            packages: self.packages.get_or_create(&label).clone(),
            parses: self.parses.get_or_create(&label).clone(),
            encodings: self.encodings.get_or_create(&label).clone(),
            delivered: self.delivered.get_or_create(&label).clone(),
            delivered_bytes: self.delivered_bytes.get_or_create(&label).clone(),
            members: self.subscriptions.get_or_create(&label).clone(),
        }
    }

    pub(crate) fn odd_record(&self, reason: &'static str) {
        self.skipped.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn write_refused(&self, failure: &WriteFailure) {
        if let Some(cause) = failure.cause() {
            self.writes_refused.get_or_create(&Cause { cause }).inc();
        }
    }

    pub(crate) fn portal_answered(&self, route: &'static str, status: u16) {
        self.portal_answers.get_or_create(&PortalAnswer { route, status }).inc();
    }

    pub(crate) fn limit_hits(&self, limit: &'static str, times: u64) {
        if times > 0 {
            self.limit_hits.get_or_create(&[("limit", limit)]).inc_by(times);
        }
    }

    pub(crate) fn limit_hit(&self, limit: &'static str) {
        self.limit_hits.get_or_create(&[("limit", limit)]).inc();
    }
}

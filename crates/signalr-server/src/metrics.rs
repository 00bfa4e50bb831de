//! Every metric of this crate, with unit and labels. Labels come from closed sets: registered methods, named reasons.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Metrics of one hub server. Cloning shares them.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) connections: Gauge,
    pub(crate) negotiated: Gauge,
    pub(crate) detached: Gauge,
    opened: Counter,
    closed: Family<Reason, Counter>,
    refused: Family<Reason, Counter>,
    invocations: Family<Call, Counter>,
    call_seconds: Family<Method, Histogram, fn() -> Histogram>,
    limit_hits: LimitHits,
    limit_hits_are_shared: bool,
    output_bytes: Gauge,
    pub(crate) streams: Gauge,
    pub(crate) uploads: Gauge,
    pub(crate) client_results: Gauge,
    pub(crate) panics: Counter,
}

/// Times a limit was met, with the label `limit`.
pub type LimitHits = Family<[(&'static str, &'static str); 1], Counter>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: String,
    outcome: &'static str,
}

/// Counters of one hub method, looked up once, so that a call touches no label set.
#[derive(Debug, Clone)]
pub(crate) struct MethodMetrics {
    pub(crate) ok: Counter,
    pub(crate) error: Counter,
    pub(crate) seconds: Histogram,
}

/// One of what a gauge counts, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn by(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            connections: Gauge::default(),
            negotiated: Gauge::default(),
            detached: Gauge::default(),
            opened: Counter::default(),
            closed: Family::default(),
            refused: Family::default(),
            invocations: Family::default(),
            call_seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_1, 4.0, 10))),
            limit_hits: LimitHits::default(),
            limit_hits_are_shared: false,
            output_bytes: Gauge::default(),
            streams: Gauge::default(),
            uploads: Gauge::default(),
            client_results: Gauge::default(),
            panics: Counter::default(),
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
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("negotiated_connections", "Negotiated connections not used yet", self.negotiated.clone());
        registry.register(
            "detached_connections",
            "Connections whose websocket has broken off and that wait for another",
            self.detached.clone(),
        );
        registry.register("connections_opened", "Connections whose handshake succeeded", self.opened.clone());
        registry.register("connections_closed", "Connections ended, by reason", self.closed.clone());
        registry.register(
            "connections_refused",
            "Requests refused before a connection, by reason",
            self.refused.clone(),
        );
        registry.register("invocations", "Calls answered, by method and outcome", self.invocations.clone());
        registry.register("call_seconds", "From a call's arrival to its completion", self.call_seconds.clone());
        if !self.limit_hits_are_shared {
            registry.register("limit_hits", "Times a limit was met, by name", self.limit_hits.clone());
        }
        registry.register(
            "output_queued_bytes",
            "Output waiting for sockets, shared frames counted for each",
            self.output_bytes.clone(),
        );
        registry.register("streams", "Server streams that run", self.streams.clone());
        registry.register("upload_streams", "Streams that clients upload", self.uploads.clone());
        registry.register("client_results", "Results that clients were asked for", self.client_results.clone());
        registry.register("panics", "Connections ended by a fault of ours", self.panics.clone());
    }

    pub(crate) fn method(&self, method: &str) -> MethodMetrics {
        let counter = |outcome| self.invocations.get_or_create(&Call { method: method.to_owned(), outcome }).clone();
        let seconds = self.call_seconds.get_or_create(&Method { method: method.to_owned() }).clone();
        MethodMetrics { ok: counter("ok"), error: counter("error"), seconds }
    }

    pub(crate) fn unanswerable(&self, outcome: &'static str) {
        self.invocations.get_or_create(&Call { method: String::new(), outcome }).inc();
    }

    pub(crate) fn opened(&self) {
        self.opened.inc();
    }

    pub(crate) fn closed(&self, reason: &'static str) {
        self.closed.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn refuse(&self, reason: &'static str) {
        self.refused.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn limit_hit(&self, limit: &'static str) {
        self.limit_hits.get_or_create(&[("limit", limit)]).inc();
    }

    pub(crate) fn output_waiting(&self) -> usize {
        self.output_bytes.get().max(0) as usize
    }

    pub(crate) fn output_queued(&self, bytes: usize) {
        self.output_bytes.inc_by(bytes as i64);
    }

    pub(crate) fn output_dequeued(&self, bytes: usize) {
        self.output_bytes.dec_by(bytes as i64);
    }

    #[cfg(test)]
    pub(crate) fn queued_output(&self) -> i64 {
        self.output_bytes.get()
    }
}

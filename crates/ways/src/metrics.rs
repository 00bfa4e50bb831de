//! Every metric of this crate, with labels. Labels come from the settings, never from what is sent.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Metrics of the ways. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    deliveries: Family<OfWebhook, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfWebhook {
    webhook: String,
    outcome: &'static str,
}

impl Metrics {
    /// Adds all of them to a registry, once.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "webhook_deliveries",
            "Deliveries to inbound webhooks, by path and what became of them",
            self.deliveries.clone(),
        );
    }

    pub(crate) fn delivery(&self, webhook: &str, outcome: &'static str) {
        self.deliveries.get_or_create(&OfWebhook { webhook: webhook.to_owned(), outcome }).inc();
    }
}

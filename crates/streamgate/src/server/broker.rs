//! Which broker a configuration means.

use std::sync::Arc;

use kafka_bridge::broker::Broker;
use kafka_bridge::kafka::{KafkaBroker, SettingsError};
use kafka_bridge::memory::{MemoryBroker, MemorySettings};
use kafka_bridge::metrics::Metrics;

use super::settings;
use crate::config::Config;

/// A broker, and the metrics it counts in.
#[derive(Debug, Clone)]
pub struct BrokerChoice {
    /// Where topics live.
    pub broker: Arc<dyn Broker>,
    /// Its metrics, not registered yet.
    pub metrics: Metrics,
}

/// Kafka where brokers are named, else memory. Does not wait for Kafka to be there.
///
/// # Errors
/// If a Kafka property cannot be used.
pub fn choose_broker(config: &Config) -> Result<BrokerChoice, SettingsError> {
    let metrics = Metrics::default();
    let broker: Arc<dyn Broker> = if config.kafka.brokers.is_empty() {
        let message_max_bytes = settings::message_max_bytes(config);
        Arc::new(MemoryBroker::with(MemorySettings { message_max_bytes, ..MemorySettings::default() }, metrics.clone()))
    } else {
        KafkaBroker::connect(settings::kafka(config)?, metrics.clone())?
    };
    Ok(BrokerChoice { broker, metrics })
}

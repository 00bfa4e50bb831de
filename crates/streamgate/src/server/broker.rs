//! Which broker a configuration means.

use std::sync::Arc;

use embedded_log::{Log, OpenError};
use kafka_bridge::broker::Broker;
use kafka_bridge::embedded::EmbeddedBroker;
use kafka_bridge::kafka::{KafkaBroker, SettingsError};
use kafka_bridge::memory::{MemoryBroker, MemorySettings};
use kafka_bridge::metrics::Metrics;
use kafka_bridge::prefixed::PrefixedBroker;

use super::settings;
use crate::config::{Config, Storage};

/// A broker, and the metrics it counts in.
#[derive(Debug, Clone)]
pub struct BrokerChoice {
    /// Where topics live.
    pub broker: Arc<dyn Broker>,
    /// Its metrics, not registered yet.
    pub metrics: Metrics,
    /// The log behind an embedded broker, for a Kafka listener.
    pub log: Option<Log>,
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// A Kafka property cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] OpenError),
}

/// What the configuration asks for, else the data folder. Does not wait for Kafka to be there; a data folder is read as far
/// as needed before this completes.
///
/// # Errors
/// If a Kafka property or the data folder cannot be used.
pub async fn choose_broker(config: &Config) -> Result<BrokerChoice, ChoiceError> {
    let metrics = Metrics::default();
    let mut log = None;
    let broker: Arc<dyn Broker> = match config.storage() {
        Storage::Folder => {
            let broker = open(config, metrics.clone()).await?;
            log = Some(broker.log().clone());
            broker
        }
        Storage::Memory => {
            let message_max_bytes = settings::message_max_bytes(config);
            let settings = MemorySettings { message_max_bytes, ..MemorySettings::default() };
            Arc::new(MemoryBroker::with(settings, metrics.clone()))
        }
        Storage::Kafka => KafkaBroker::connect(settings::kafka(config)?, metrics.clone())?,
    };
    Ok(BrokerChoice { broker: PrefixedBroker::around(broker, &config.topic_prefix()), metrics, log })
}

async fn open(config: &Config, metrics: Metrics) -> Result<Arc<EmbeddedBroker>, OpenError> {
    let (folder, settings) = (config.data.clone(), settings::embedded(config));
    let path = folder.clone();
    let opening = tokio::task::spawn_blocking(move || EmbeddedBroker::open(&folder, settings, metrics));
    opening.await.unwrap_or_else(|error| Err(OpenError::Io { path, error: std::io::Error::other(error) }))
}

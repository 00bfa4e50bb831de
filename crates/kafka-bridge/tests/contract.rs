//! The contract, run for the brokers that need no other process.

use std::sync::Arc;

use kafka_bridge::contract::broker_contract;
use kafka_bridge::embedded::{EmbeddedBroker, EmbeddedSettings};
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::metrics::Metrics;
use kafka_bridge::misbehaving::MisbehavingBroker;
use kafka_bridge::names::MAX_NAME_BYTES;
use kafka_bridge::prefixed::PrefixedBroker;

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    broker_contract(Arc::new(MemoryBroker::new()), MAX_NAME_BYTES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn misbehaving_keeps_the_contract_while_it_behaves() {
    broker_contract(MisbehavingBroker::new(Arc::new(MemoryBroker::new())), MAX_NAME_BYTES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_behind_a_prefix_keep_the_contract() {
    let prefix = "acme-";
    let broker = PrefixedBroker::around(Arc::new(MemoryBroker::new()), prefix);
    broker_contract(broker, MAX_NAME_BYTES - prefix.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = EmbeddedBroker::open(folder.path(), EmbeddedSettings::default(), Metrics::default());
    broker_contract(broker.expect("a new log"), MAX_NAME_BYTES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_keeps_the_contract_where_everything_is_read_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut settings = EmbeddedSettings::default();
    settings.log.recent_bytes = 0;
    settings.log.segment_bytes = 1 << 20;
    let broker = EmbeddedBroker::open(folder.path(), settings, Metrics::default());
    broker_contract(broker.expect("a new log"), MAX_NAME_BYTES).await;
}

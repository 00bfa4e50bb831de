//! The contract, run for the brokers that need nothing but memory.

use std::sync::Arc;

use kafka_bridge::contract::broker_contract;
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::misbehaving::MisbehavingBroker;

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    broker_contract(Arc::new(MemoryBroker::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn misbehaving_keeps_the_contract_while_it_behaves() {
    broker_contract(MisbehavingBroker::new(Arc::new(MemoryBroker::new()))).await;
}

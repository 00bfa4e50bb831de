//! `TopicAdmin`: what operators do to topics behind our back. A tool for tests.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::lookup::broker_error;
use crate::broker::BrokerError;

/// Changes topics of a cluster.
pub struct TopicAdmin {
    client: AdminClient<DefaultClientContext>,
    options: AdminOptions,
}

impl std::fmt::Debug for TopicAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TopicAdmin").finish_non_exhaustive()
    }
}

impl TopicAdmin {
    /// For the cluster at `brokers`.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(brokers: &str) -> Result<Self, BrokerError> {
        let client = ClientConfig::new().set("bootstrap.servers", brokers).create();
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
        Ok(Self { client: client.map_err(|error| broker_error(&error))?, options })
    }

    /// Makes a topic with settings of its own, such as `max.message.bytes`.
    ///
    /// # Errors
    /// What the broker says.
    pub async fn create(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<(), BrokerError> {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        first(self.client.create_topics([&topic], &self.options).await)
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// What the broker says.
    pub async fn delete(&self, name: &str) -> Result<(), BrokerError> {
        first(self.client.delete_topics(&[name], &self.options).await)
    }

    /// Raises a topic's number of partitions to `partitions`.
    ///
    /// # Errors
    /// What the broker says.
    pub async fn grow(&self, name: &str, partitions: usize) -> Result<(), BrokerError> {
        first(self.client.create_partitions([&NewPartitions::new(name, partitions)], &self.options).await)
    }

    /// Deletes the records of a partition below `offset`, as retention does.
    ///
    /// # Errors
    /// What the broker says.
    pub async fn delete_records(&self, name: &str, partition: i32, offset: i64) -> Result<(), BrokerError> {
        let mut list = TopicPartitionList::new();
        let told = list.add_partition_offset(name, partition, Offset::Offset(offset));
        told.map_err(|error| broker_error(&error))?;
        let deleted = self.client.delete_records(&list, &self.options).await;
        deleted.map(drop).map_err(|error| broker_error(&error))
    }
}

fn first(results: Result<Vec<rdkafka::admin::TopicResult>, KafkaError>) -> Result<(), BrokerError> {
    for result in results.map_err(|error| broker_error(&error))? {
        result.map_err(|(_, code)| BrokerError::Other(code.to_string()))?;
    }
    Ok(())
}

const TIMEOUT: Duration = Duration::from_secs(30);

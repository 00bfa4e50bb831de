//! `Groups`: positions kept at the cluster under the names of consumer groups. All calls block.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::health::Context;
use super::lookup::{Lookup, broker_error, code_of, is_missing};
use super::settings::KafkaSettings;
use crate::broker::{BrokerError, NextOffset, ReadError};

/// A client for each group that is used: librdkafka knows a client by its group.
pub(super) struct Groups {
    settings: KafkaSettings,
    context: Context,
    lookup: Arc<Lookup>,
    clients: Mutex<HashMap<String, Arc<Client>>>,
}

type Client = BaseConsumer<Context>;

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Groups").finish_non_exhaustive() // the settings may hold secrets
    }
}

impl Groups {
    pub(super) fn new(settings: KafkaSettings, context: Context, lookup: Arc<Lookup>) -> Self {
        Self { settings, context, lookup, clients: Mutex::default() }
    }

    pub(super) fn committed(
        &self,
        group: &str,
        topic: &str,
        timeout: Duration,
    ) -> Result<Vec<NextOffset>, BrokerError> {
        let Some(described) = self.lookup.topic(topic, timeout)? else {
            return Ok(Vec::new());
        };
        let mut asked = TopicPartitionList::new();
        (0..described.partitions).for_each(|partition| _ = asked.add_partition(topic, partition));
        let client = self.client(group).map_err(|error| broker_error(&error))?;
        let answered = client.committed_offsets(asked, timeout).map_err(|error| broker_error(&error))?;
        let mut next = Vec::new();
        for element in answered.elements() {
            element.error().map_err(|error| broker_error(&error))?;
            if let Offset::Offset(offset) = element.offset() {
                next.push(NextOffset { partition: element.partition(), offset });
            }
        }
        Ok(next)
    }

    pub(super) fn commit(&self, group: &str, topic: &str, next: &[NextOffset]) -> Result<(), ReadError> {
        let failed = |error: KafkaError| match code_of(&error) {
            code if is_missing(code) => ReadError::UnknownTopic(topic.to_owned()),
            _ => ReadError::Broker(broker_error(&error)),
        };
        let mut list = TopicPartitionList::with_capacity(next.len());
        for next in next {
            list.add_partition_offset(topic, next.partition, Offset::Offset(next.offset)).map_err(failed)?;
        }
        let client = self.client(group).map_err(failed)?;
        client.commit(&list, CommitMode::Sync).map_err(failed)
    }

    fn client(&self, group: &str) -> Result<Arc<Client>, KafkaError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match clients.get(group) {
            Some(client) => client.clone(),
            None => {
                let client: Client = self.settings.group(group).create_with_context(self.context.clone())?;
                clients.entry(group.to_owned()).insert_entry(Arc::new(client)).get().clone()
            }
        };
        drop(clients);
        while client.poll(Duration::ZERO).is_some() {} // its logs and errors otherwise pile up
        Ok(client)
    }
}

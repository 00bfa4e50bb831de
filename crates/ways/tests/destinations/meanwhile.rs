//! `Meanwhile`: a broker that another server uses as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use kafka_bridge::broker::{
    Ack, Broker, BrokerError, CreateTopicError, Deliveries, Health, NextOffset, NotWritten, PartitionPositions,
    ReadError, Start, TopicInfo,
};
use kafka_bridge::memory::MemoryBroker;
use kafka_bridge::record::NewRecord;
use kafka_bridge::topic_settings::{NewTopic, TopicSettings};

use crate::running::write;

/// A broker on which another server sends and commits two more between a look at what is committed and one at the ends.
#[derive(Debug)]
pub(crate) struct Meanwhile {
    pub(crate) inner: Arc<MemoryBroker>,
    pub(crate) committed: Vec<NextOffset>,
    pub(crate) is_done: AtomicBool,
}

impl Meanwhile {
    async fn goes_on(&self) {
        if !self.is_done.swap(true, Ordering::SeqCst) {
            for value in ["3", "4"] {
                write(&self.inner, "a", value).await;
            }
            self.inner.commit("streamgate-d", "t", self.committed.clone()).await.unwrap();
        }
    }
}

impl Broker for Meanwhile {
    fn positions(&self, topic: &str) -> BoxFuture<'_, Result<Vec<PartitionPositions>, ReadError>> {
        let topic = topic.to_owned();
        async move {
            let positions = self.inner.positions(&topic).await;
            self.goes_on().await;
            positions
        }
        .boxed()
    }

    fn committed(&self, group: &str, topic: &str) -> BoxFuture<'_, Result<Vec<NextOffset>, BrokerError>> {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        async move {
            let committed = self.inner.committed(&group, &topic).await;
            self.goes_on().await;
            committed
        }
        .boxed()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten> {
        self.inner.append(topic, record)
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, BrokerError>> {
        self.inner.topics()
    }

    fn topic(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicInfo>, BrokerError>> {
        self.inner.topic(name)
    }

    fn make_topic(&self, name: &str, wanted: NewTopic) -> BoxFuture<'_, Result<TopicInfo, CreateTopicError>> {
        self.inner.make_topic(name, wanted)
    }

    fn topic_settings(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicSettings>, BrokerError>> {
        self.inner.topic_settings(name)
    }

    fn offsets_at(&self, topic: &str, timestamp_ms: i64) -> BoxFuture<'_, Result<Vec<i64>, ReadError>> {
        self.inner.offsets_at(topic, timestamp_ms)
    }

    fn read(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>> {
        self.inner.read(topic, start)
    }

    fn commit(&self, group: &str, topic: &str, next: Vec<NextOffset>) -> BoxFuture<'_, Result<(), ReadError>> {
        self.inner.commit(group, topic, next)
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn flush(&self) -> BoxFuture<'_, bool> {
        self.inner.flush()
    }
}

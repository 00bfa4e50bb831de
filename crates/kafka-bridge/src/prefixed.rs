//! `PrefixedBroker`: wraps a broker whose topics begin with a prefix that nobody on this side of it says or hears.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};

use crate::broker::{
    Ack, Broker, BrokerError, CreateTopicError, Deliveries, Health, NextOffset, NotWritten, PartitionPositions,
    ReadError, Start, TopicInfo,
};
use crate::names::{MAX_NAME_BYTES, check_topic_name};
use crate::record::NewRecord;
use crate::topic_settings::{NewTopic, TopicSettings};

/// The topics of another broker whose names begin with a prefix, under what stands behind it; others are not there. Each
/// question costs a copy of the name; a record costs none.
#[derive(Debug)]
pub struct PrefixedBroker {
    inner: Arc<dyn Broker>,
    prefix: String,
}

impl PrefixedBroker {
    /// `inner` itself if the prefix is empty.
    pub fn around(inner: Arc<dyn Broker>, prefix: &str) -> Arc<dyn Broker> {
        if prefix.is_empty() { inner } else { Arc::new(Self { inner, prefix: prefix.to_owned() }) }
    }

    /// As the broker has it. One that is none here stays none there, whatever the prefix makes of it.
    fn whole(&self, name: &str) -> Option<String> {
        self.whole_in(&mut [0; MAX_NAME_BYTES], name).map(str::to_owned)
    }

    /// The same without an allocation.
    fn whole_in<'b>(&self, buffer: &'b mut [u8; MAX_NAME_BYTES], name: &str) -> Option<&'b str> {
        check_topic_name(name).ok()?;
        let whole = buffer.get_mut(..self.prefix.len() + name.len())?;
        let (start, rest) = whole.split_at_mut(self.prefix.len());
        start.copy_from_slice(self.prefix.as_bytes());
        rest.copy_from_slice(name.as_bytes());
        std::str::from_utf8(whole).ok()
    }

    /// As it is called here, if it is one of ours.
    fn short(&self, topic: TopicInfo) -> Option<TopicInfo> {
        let name = topic.name.strip_prefix(&self.prefix).filter(|name| check_topic_name(name).is_ok())?.to_owned();
        Some(TopicInfo { name, ..topic })
    }

    /// Asks about a topic by its whole name; `none` answers for names that there cannot be. Errors have the name asked for.
    fn read_with<'a, T: Send + 'a>(
        &'a self,
        name: &str,
        ask: impl FnOnce(&'a dyn Broker, &str) -> BoxFuture<'a, Result<T, ReadError>>,
    ) -> BoxFuture<'a, Result<T, ReadError>> {
        let name = name.to_owned();
        let Some(whole) = self.whole(&name) else {
            return futures::future::ready(Err(ReadError::UnknownTopic(name))).boxed();
        };
        let answer = ask(&*self.inner, &whole);
        async move {
            answer.await.map_err(|error| match error {
                ReadError::UnknownTopic(_) => ReadError::UnknownTopic(name),
                ReadError::Damaged(_) => ReadError::Damaged(name),
                error => error,
            })
        }
        .boxed()
    }
}

impl Broker for PrefixedBroker {
    fn describe(&self) -> String {
        format!("{}, topics {}…", self.inner.describe(), self.prefix)
    }

    fn append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten> {
        let unknown = || NotWritten::UnknownTopic(topic.to_owned());
        let mut buffer = [0; MAX_NAME_BYTES];
        let whole = self.whole_in(&mut buffer, topic).ok_or_else(unknown)?;
        match self.inner.append(whole, record) {
            Ok(ack) => Ok(ack.without_prefix(self.prefix.len())),
            Err(NotWritten::UnknownTopic(_)) => Err(unknown()),
            Err(error) => Err(error),
        }
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, BrokerError>> {
        async { Ok(self.inner.topics().await?.into_iter().filter_map(|topic| self.short(topic)).collect()) }.boxed()
    }

    fn topic(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicInfo>, BrokerError>> {
        let whole = self.whole(name);
        async move {
            match whole {
                Some(whole) => Ok(self.inner.topic(&whole).await?.and_then(|topic| self.short(topic))),
                None => Ok(None),
            }
        }
        .boxed()
    }

    fn make_topic(&self, name: &str, wanted: NewTopic) -> BoxFuture<'_, Result<TopicInfo, CreateTopicError>> {
        let (name, whole) = (name.to_owned(), self.whole(name));
        async move {
            let Some(whole) = whole else {
                let reason = match check_topic_name(&name) {
                    Err(error) => error.to_string(),
                    Ok(()) => format!("with '{}' before it, it has more than {MAX_NAME_BYTES} characters", self.prefix),
                };
                return Err(CreateTopicError::Invalid { name, reason });
            };
            match self.inner.make_topic(&whole, wanted).await {
                Ok(topic) => Ok(TopicInfo { name, ..topic }),
                Err(CreateTopicError::Exists(_)) => Err(CreateTopicError::Exists(name)),
                Err(CreateTopicError::Invalid { reason, .. }) => Err(CreateTopicError::Invalid { name, reason }),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    fn topic_settings(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicSettings>, BrokerError>> {
        let whole = self.whole(name);
        async move {
            match whole {
                Some(whole) => self.inner.topic_settings(&whole).await,
                None => Ok(None),
            }
        }
        .boxed()
    }

    fn positions(&self, topic: &str) -> BoxFuture<'_, Result<Vec<PartitionPositions>, ReadError>> {
        self.read_with(topic, |inner, whole| inner.positions(whole))
    }

    fn offsets_at(&self, topic: &str, timestamp_ms: i64) -> BoxFuture<'_, Result<Vec<i64>, ReadError>> {
        self.read_with(topic, |inner, whole| inner.offsets_at(whole, timestamp_ms))
    }

    fn read(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>> {
        self.read_with(topic, |inner, whole| inner.read(whole, start))
    }

    fn read_for_server(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>> {
        self.read_with(topic, |inner, whole| inner.read_for_server(whole, start))
    }

    fn committed(&self, group: &str, topic: &str) -> BoxFuture<'_, Result<Vec<NextOffset>, BrokerError>> {
        match self.whole(topic) {
            Some(whole) => self.inner.committed(group, &whole),
            None => futures::future::ready(Ok(Vec::new())).boxed(),
        }
    }

    fn commit(&self, group: &str, topic: &str, next: Vec<NextOffset>) -> BoxFuture<'_, Result<(), ReadError>> {
        self.read_with(topic, |inner, whole| inner.commit(group, whole, next))
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    fn flush(&self) -> BoxFuture<'_, bool> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryBroker;
    use crate::misbehaving::MisbehavingBroker;

    #[tokio::test]
    async fn topics_are_those_of_the_prefix_without_it() {
        let inner: Arc<dyn Broker> = Arc::new(MemoryBroker::new());
        for name in ["acme-a", "acme-", "acme-__x", "other", "acme"] {
            inner.create_topic(name, None).await.unwrap();
        }
        let broker = PrefixedBroker::around(inner.clone(), "acme-");
        let made = broker.create_topic("b", Some(2)).await.unwrap();
        assert_eq!((&*made.name, made.partitions), ("b", 2));
        assert_eq!(inner.topic("acme-b").await.unwrap().unwrap().partitions, 2);
        let names: Vec<_> = broker.topics().await.unwrap().into_iter().map(|topic| topic.name).collect();
        assert_eq!(names, ["a", "b"]);
        for (name, found) in [("a", Some("a")), ("acme-a", None), ("other", None), ("", None), ("__x", None)] {
            let topic = broker.topic(name).await.unwrap().map(|topic| topic.name);
            assert_eq!(topic.as_deref(), found, "{name}");
        }
    }

    #[tokio::test]
    async fn records_go_where_the_prefix_says() {
        let inner: Arc<dyn Broker> = Arc::new(MemoryBroker::new());
        let broker = PrefixedBroker::around(inner.clone(), "acme-");
        broker.create_topic("a", None).await.unwrap();
        broker.append("a", NewRecord { key: None, value: b"v", headers: &[] }).unwrap().await.unwrap();
        assert_eq!(inner.positions("acme-a").await.unwrap()[0].end, 1);
        assert_eq!(broker.positions("a").await.unwrap()[0].end, 1);
    }

    #[tokio::test]
    async fn errors_that_come_later_have_the_name_that_was_said() {
        let inner = MisbehavingBroker::new(Arc::new(MemoryBroker::new()));
        let outer = PrefixedBroker::around(PrefixedBroker::around(inner.clone(), "acme-"), "f1-");
        outer.create_topic("a", None).await.unwrap();
        let write = || outer.append("a", NewRecord { key: None, value: b"v", headers: &[] }).unwrap();
        for (late, heard) in [
            (NotWritten::UnknownTopic("acme-f1-a".into()), NotWritten::UnknownTopic("a".into())),
            (NotWritten::Unavailable, NotWritten::Unavailable),
        ] {
            inner.refuse_in_acks(Some(late));
            assert_eq!(write().await, Err(heard.into()));
        }
        inner.refuse_in_acks(None);
        assert!(write().await.is_ok());
    }

    #[tokio::test]
    async fn errors_have_the_name_that_was_said() {
        let broker = PrefixedBroker::around(Arc::new(MemoryBroker::new()), "acme-");
        broker.create_topic("a", None).await.unwrap();
        assert_eq!(broker.create_topic("a", None).await, Err(CreateTopicError::Exists("a".into())));
        assert_eq!(broker.positions("b").await, Err(ReadError::UnknownTopic("b".into())));
        let refused = broker.append("b", NewRecord { key: None, value: b"v", headers: &[] }).unwrap_err();
        assert_eq!(refused, NotWritten::UnknownTopic("b".into()));
        let long = "n".repeat(MAX_NAME_BYTES - 4);
        let error = broker.create_topic(&long, None).await.unwrap_err().to_string();
        assert!(error.contains("with 'acme-' before it"), "{error}");
        assert!(broker.create_topic(&long[1..], None).await.is_ok());
    }
}

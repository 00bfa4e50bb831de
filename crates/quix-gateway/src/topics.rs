//! Topics as clients call them: by name or by id, and which of them are there.
//!
//! A topic's *name* is what the broker calls it; its *id* is `<workspace>-<name>`. Clients use either, everywhere, and are
//! told both. Source: Quix Streaming APIs.

use std::sync::Arc;

use dashmap::DashMap;
use kafka_bridge::broker::{Broker, BrokerError, CreateTopicError, NotWritten, TopicInfo};
use kafka_bridge::names::{check_topic_name, is_internal};

use crate::errors::Failure;

/// A topic that is there.
#[derive(Debug, PartialEq, Eq)]
pub struct Topic {
    /// Short name, also the broker's.
    pub name: String,
    /// `<workspace>-<name>`.
    pub id: String,
}

impl Topic {
    /// Why reading it ends where its bytes are damaged; the server's log says where.
    pub(crate) fn unreadable(&self) -> String {
        format!("Records of topic '{}' cannot be read: what is stored is damaged.", self.name)
    }
}

#[derive(Debug)]
pub(crate) struct TopicPolicy {
    pub(crate) workspace: String,
    pub(crate) create: bool,
    pub(crate) max_topics: usize,
}

/// Remembers topics that were found, by both of their names. Holds no entry for a topic that is not there, so that
/// clients cannot fill it.
#[derive(Debug)]
pub(crate) struct TopicDirectory {
    broker: Arc<dyn Broker>,
    policy: TopicPolicy,
    known: DashMap<String, Arc<Topic>>,
}

impl TopicDirectory {
    pub(crate) fn new(broker: Arc<dyn Broker>, policy: TopicPolicy) -> Self {
        Self { broker, policy, known: DashMap::new() }
    }

    /// A topic that was found before, by name or id. No waiting, no request.
    pub(crate) fn known(&self, text: &str) -> Option<Arc<Topic>> {
        self.known.get(text).map(|topic| topic.clone())
    }

    /// Finds a topic at the broker: of exactly this name, else of the name behind the workspace's prefix. One that is not
    /// there is made, where that is allowed. It is not known yet: others do not use it before it is
    /// [remembered](Self::remember).
    pub(crate) async fn open(&self, text: &str) -> Result<Arc<Topic>, Failure> {
        if let Some(topic) = self.look_up(text).await? {
            return Ok(topic);
        }
        let name = self.without_workspace(text).unwrap_or(text);
        if !self.policy.create {
            return Err(Failure::UnknownTopic(text.to_owned()));
        }
        if self.broker.topics().await?.len() >= self.policy.max_topics {
            return Err(Failure::TooManyTopics { name: name.to_owned(), limit: self.policy.max_topics });
        }
        match self.broker.create_topic(name, None).await {
            Ok(_) => tracing::info!(topic = name, "topic made by its first use"),
            // Somebody else was faster.
            Err(CreateTopicError::Exists(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Arc::new(self.names(name)))
    }

    /// Finds a topic at the broker, and knows it from then on. Never makes one.
    pub(crate) async fn find(&self, text: &str) -> Result<Option<Arc<Topic>>, Failure> {
        Ok(self.look_up(text).await?.inspect(|topic| self.remember(topic)))
    }

    async fn look_up(&self, text: &str) -> Result<Option<Arc<Topic>>, Failure> {
        check_topic_name(text).map_err(|error| Failure::invalid(text, &error))?;
        for name in [Some(text), self.without_workspace(text)].into_iter().flatten() {
            if is_internal(name) {
                return Err(Failure::UnknownTopic(text.to_owned()));
            }
            if self.broker.topic(name).await?.is_some() {
                return Ok(Some(Arc::new(self.names(name))));
            }
        }
        Ok(None)
    }

    /// All topics there are, by both of their names.
    pub(crate) async fn all(&self) -> Result<Vec<Arc<Topic>>, BrokerError> {
        let listed = self.broker.topics().await?;
        Ok(listed.into_iter().map(|topic| Arc::new(self.names(&topic.name))).collect())
    }

    /// Makes a topic, told by name or id.
    pub(crate) async fn create(&self, text: &str, partitions: Option<i32>) -> Result<TopicInfo, Failure> {
        let name = self.without_workspace(text).unwrap_or(text);
        check_topic_name(name).map_err(|error| Failure::invalid(name, &error))?;
        Ok(self.broker.create_topic(name, partitions).await?)
    }

    /// Forgets a topic that turned out to be gone.
    pub(crate) fn forget(&self, topic: &Topic) {
        self.known.remove(&topic.name);
        self.known.remove(&topic.id);
    }

    /// Learns from a refused write.
    pub(crate) fn note(&self, topic: &Topic, error: &NotWritten) {
        if matches!(error, NotWritten::UnknownTopic(_)) {
            self.forget(topic);
        }
    }

    /// Both names of a topic.
    pub(crate) fn names(&self, name: &str) -> Topic {
        Topic { id: format!("{}-{name}", self.policy.workspace), name: name.to_owned() }
    }

    /// Makes a topic [known](Self::known) that was found or made.
    pub(crate) fn remember(&self, topic: &Arc<Topic>) {
        self.known.insert(topic.name.clone(), topic.clone());
        // The id of one topic may be the name of another, which then keeps it: exact names come first.
        self.known.entry(topic.id.clone()).or_insert_with(|| topic.clone());
    }

    fn without_workspace<'t>(&self, text: &'t str) -> Option<&'t str> {
        text.strip_prefix(self.policy.workspace.as_str())?.strip_prefix('-').filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use kafka_bridge::memory::MemoryBroker;

    use super::*;

    fn directory(create: bool) -> TopicDirectory {
        let policy = TopicPolicy { workspace: "ws".into(), create, max_topics: 3 };
        TopicDirectory::new(Arc::new(MemoryBroker::new()), policy)
    }

    #[tokio::test]
    async fn a_topic_is_found_by_name_and_by_id() {
        let topics = directory(false);
        topics.create("ws-f1", None).await.unwrap();
        for text in ["f1", "ws-f1"] {
            let topic = topics.open(text).await.unwrap();
            assert_eq!((topic.name.as_str(), topic.id.as_str()), ("f1", "ws-f1"));
            assert!(topics.known(text).is_none());
        }
        topics.remember(&topics.open("f1").await.unwrap());
        assert_eq!(topics.known("ws-f1"), topics.known("f1"));
        assert_eq!(topics.open("f2").await, Err(Failure::UnknownTopic("f2".into())));
        assert!(topics.known("f2").is_none());
    }

    #[tokio::test]
    async fn an_exact_name_comes_before_an_id() {
        let topics = directory(false);
        topics.create("f1", None).await.unwrap();
        topics.broker.create_topic("ws-f1", None).await.unwrap();
        for name in ["ws-f1", "f1"] {
            assert_eq!(topics.find(name).await.unwrap().unwrap().name, name);
        }
        assert_eq!(topics.known("ws-f1").unwrap().name, "ws-f1");
    }

    #[tokio::test]
    async fn first_use_makes_a_topic_only_where_allowed_and_within_bounds() {
        let topics = directory(true);
        assert_eq!(topics.open("ws-new").await.unwrap().name, "new");
        topics.open("b").await.unwrap();
        topics.open("c").await.unwrap();
        assert_eq!(topics.open("d").await, Err(Failure::TooManyTopics { name: "d".into(), limit: 3 }));
    }

    #[tokio::test]
    async fn names_that_are_none_and_internal_ones_are_refused() {
        let topics = directory(true);
        for text in ["", "a b", "..", "ä", &"x".repeat(250)] {
            assert!(matches!(topics.open(text).await, Err(Failure::InvalidName { .. })), "{text}");
        }
        assert!(topics.open("__consumer_offsets").await.is_err());
        assert!(topics.open("ws-__consumer_offsets").await.is_err());
    }
}

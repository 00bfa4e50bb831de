//! `Gateway`: what hub methods and HTTP routes share, and the hub made of them.

use std::sync::Arc;
use std::time::Duration;

use kafka_bridge::broker::{Broker, BrokerError};
use kafka_bridge::feed::Feeds;
use quix_model::EventData;
use signalr_server::Hub;
use tokio::sync::watch;

use crate::errors::{Failure, WriteFailure};
use crate::http_api::Bodies;
use crate::metrics::Metrics;
use crate::subscriptions::Subscriptions;
use crate::topics::{Topic, TopicDirectory, TopicPolicy};
use crate::{reader_hub, writer_hub};

/// The Quix APIs over one broker.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) topics: Arc<TopicDirectory>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) bodies: Arc<Bodies>,
    /// Whether answers that would go on for ever end now.
    pub(crate) stopping: watch::Sender<bool>,
}

/// How the APIs behave.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Workspace of topic ids: the id of topic `f1` is `<workspace>-f1`. Default `local`.
    pub workspace: String,
    /// Whether the first write or subscription makes a topic. Default no.
    pub create_topics: bool,
    /// Topics that may be made so, those that are there already counted. Default 1 000.
    pub max_topics: usize,
    /// Subscriptions of one connection, each parameter or event of a stream one. Default 4 096.
    pub max_subscriptions: usize,
    /// Longest id of a stream, parameter or event, and longest tag, in bytes. Default 1 024.
    pub max_name_bytes: usize,
    /// Longest HTTP request body. Default 4 MiB.
    pub max_body_bytes: usize,
    /// Bytes of HTTP request bodies of all requests together, until they are answered. Default 256 MiB. Past it the oldest
    /// that has not come to its end is refused.
    pub max_total_body_bytes: usize,
    /// Longest that nothing may come of an HTTP request body. Default 10 s.
    pub body_timeout: Duration,
    /// Longest that the broker may take to find or make a topic; then it counts as unreachable. Default 10 s.
    pub lookup_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workspace: "local".to_owned(),
            create_topics: false,
            max_topics: 1000,
            max_subscriptions: 4096,
            max_name_bytes: 1024,
            max_body_bytes: 4 * 1024 * 1024,
            max_total_body_bytes: 256 * 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            lookup_timeout: Duration::from_secs(10),
        }
    }
}

impl Gateway {
    /// The APIs over `broker`, whose topics are followed through `feeds`.
    pub fn new(broker: Arc<dyn Broker>, feeds: Arc<Feeds>, settings: Settings, metrics: Metrics) -> Arc<Self> {
        let policy = TopicPolicy {
            workspace: settings.workspace.clone(),
            create: settings.create_topics,
            max_topics: settings.max_topics,
        };
        let topics = Arc::new(TopicDirectory::new(broker.clone(), policy));
        let limit = settings.max_subscriptions;
        Arc::new(Self {
            subscriptions: Subscriptions::new(feeds.clone(), topics.clone(), metrics.clone(), limit),
            topics,
            broker,
            feeds,
            bodies: Bodies::new(settings.max_total_body_bytes),
            settings,
            metrics,
            stopping: watch::Sender::new(false),
        })
    }

    /// The hub that clients call: the methods of the Writer and of the Reader, which do not collide.
    pub fn hub(self: &Arc<Self>) -> Hub {
        let gateway = self.clone();
        let hub = reader_hub::methods(writer_hub::methods(Hub::new(), self), self);
        hub.on_disconnected(move |caller, _| {
            let gateway = gateway.clone();
            async move { gateway.subscriptions.leave_all(caller.connection_id()).await }
        })
    }

    /// Ends the HTTP answers that would go on for ever: live packages. Whoever reads them is told why.
    pub fn end_tails(&self) {
        self.stopping.send_replace(true);
    }

    /// The broker behind.
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// Finds the topic a client means, making it where that is allowed.
    pub(crate) async fn topic(&self, text: &str) -> Result<Arc<Topic>, Failure> {
        if let Some(topic) = self.topics.known(text) {
            return Ok(topic);
        }
        let topic = self.in_time(self.topics.open(text)).await.inspect_err(|failure| {
            if matches!(failure, Failure::TooManyTopics { .. }) {
                self.metrics.limit_hit("create_topics");
            }
        })?;
        // Before it is known to others: whoever follows all topics follows it from the first write on.
        let came = self.subscriptions.topic_came(&topic);
        if tokio::time::timeout(self.settings.lookup_timeout, came).await.is_err() {
            tracing::warn!(topic = topic.name, "those who follow all topics follow a new one late");
        }
        self.topics.remember(&topic);
        Ok(topic)
    }

    /// The same for a write; refusals are counted.
    pub(crate) async fn topic_to_write(&self, text: &str) -> Result<Arc<Topic>, WriteFailure> {
        let topic = self.topic(text).await.map_err(WriteFailure::from);
        topic.inspect_err(|failure| self.metrics.write_refused(failure))
    }

    /// As [`topic`](Self::topic), but never makes one.
    pub(crate) async fn existing_topic(&self, text: &str) -> Result<Arc<Topic>, Failure> {
        match self.topics.known(text) {
            Some(topic) => Ok(topic),
            None => self.in_time(self.topics.find(text)).await?.ok_or_else(|| Failure::UnknownTopic(text.to_owned())),
        }
    }

    /// The answer of the broker to a question about topics.
    pub(crate) async fn in_time<T, E>(&self, answer: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
    where
        Failure: From<E>,
    {
        match tokio::time::timeout(self.settings.lookup_timeout, answer).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(BrokerError::Unreachable.into()),
        }
    }

    /// Hands events over as one record of a stream; the future is done when the record is durable.
    ///
    /// Records of one stream are stored in the order of these calls. An error means that nothing was or will be stored.
    pub(crate) fn append(
        &self,
        topic: &Topic,
        stream_id: &str,
        events: &[EventData],
    ) -> Result<impl Future<Output = Result<(), WriteFailure>> + Send + use<>, WriteFailure> {
        self.check_names(stream_id, events).inspect_err(|failure| self.metrics.write_refused(failure))?;
        let value = quix_model::write_events(events);
        let record = kafka_bridge::record::NewRecord { key: Some(stream_id.as_bytes()), value: &value };
        let ack = self.broker.append(&topic.name, record).inspect_err(|error| self.topics.note(topic, error))?;
        Ok(async move { ack.await.map(drop).map_err(WriteFailure::from) })
    }

    fn check_names(&self, stream_id: &str, events: &[EventData]) -> Result<(), WriteFailure> {
        let limit = self.settings.max_name_bytes;
        let check = |what: &'static str, name: &str| {
            if name.len() <= limit {
                return Ok(());
            }
            self.metrics.limit_hit("names");
            Err(WriteFailure::NameTooLong { what, limit })
        };
        if stream_id == KEEP_ALIVE_KEY {
            return Err(WriteFailure::ReservedStream);
        }
        check("stream id", stream_id)?;
        for event in events {
            check("event id", &event.id)?;
            for (tag, _) in event.tags.iter() {
                check("name of a tag", tag)?;
            }
        }
        Ok(())
    }
}

/// Key of Quix's keep-alive records, which readers skip: a stream of that name could never be read.
const KEEP_ALIVE_KEY: &str = "___KA___";

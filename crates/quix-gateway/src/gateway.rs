//! `Gateway`: what hub methods and HTTP routes share, and the hub made of them.

use std::sync::Arc;
use std::time::Duration;

use access::Right;
use kafka_bridge::broker::{Broker, BrokerError};
use kafka_bridge::feed::Feeds;
use quix_model::WriteForm;
use signalr_server::{Caller, Hub};
use tokio::sync::watch;

use crate::active_streams::{ActiveStreams, StreamSettings};
use crate::errors::{Failure, WriteFailure};
use crate::guard::Guard;
use crate::http_api::{Bodies, Held, MAX_HELD_BYTES};
use crate::metrics::Metrics;
use crate::read_rules::ReadRules;
use crate::replays::{Replayer, Replays};
use crate::subscriptions::Subscriptions;
use crate::topics::{Topic, TopicDirectory, TopicPolicy};
use crate::visitor::Visitor;
use crate::write_rules::WriteRules;
use crate::writes::Series;
use crate::{reader_hub, writer_hub};

/// The Quix APIs over one broker.
#[derive(Debug)]
pub struct Gateway {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) topics: Arc<TopicDirectory>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) active_streams: Arc<ActiveStreams>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) bodies: Arc<Bodies>,
    pub(crate) replays: Arc<Replays>,
    pub(crate) held: Arc<Held>,
    pub(crate) series: Series,
    /// Of whom nothing is known.
    pub(crate) stranger: Visitor,
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
    /// Topics that may be made, so or by asking, those that are there already counted. Default 1 000.
    pub max_topics: usize,
    /// Subscriptions of one connection, each parameter or event of a stream one. Default 4 096.
    pub max_subscriptions: usize,
    /// Those of one connection to topic `*`, each of which is one at every topic. Default 64.
    pub max_wildcard_subscriptions: usize,
    /// Packages of a topic that those who follow all of them get in a second; others are left out, so that they see a
    /// sample. Default: any number. Source: Quix, since July 2023, 10.
    pub max_packages_per_second: Option<u32>,
    /// How records are written, by topic. Default: [`WriteRules::DEFAULT`] for all.
    pub writes: WriteRules,
    /// How records in no Quix form are read, by topic. Default: as packages and no more.
    pub reads: ReadRules,
    /// Longest id of a stream, parameter or event, and longest tag, in bytes. Default 1 024.
    pub max_name_bytes: usize,
    /// Longest HTTP request body. Default 4 MiB.
    pub max_body_bytes: usize,
    /// Bytes of HTTP request bodies of all requests together, until they are answered. Default 256 MiB. Past it the oldest
    /// that has not come to its end is refused.
    pub max_total_body_bytes: usize,
    /// Longest that nothing may come of an HTTP request body. Default 10 s.
    pub body_timeout: Duration,
    /// Longest that an HTTP reader of packages may take nothing of what is there for it; then it is read for no more. Default 10 s.
    pub max_write_stall: Duration,
    /// Reads of one client over HTTP, at a time, of packages that were there before: a client is a user, the bearer of a token
    /// without one, or where there are no tokens an address ([`Visitor::at`]). Default 8, half of what `kafka-bridge` has.
    pub max_replays_per_client: usize,
    /// Longest that the broker may take to find or make a topic; then it counts as unreachable. Default 10 s. As long a read waits
    /// if its client has [`max_replays_per_client`](Self::max_replays_per_client).
    pub lookup_timeout: Duration,
    /// Active streams and topic metrics.
    pub streams: StreamSettings,
    /// Who judges tokens. Default nobody: everybody may do everything.
    pub guard: Option<Arc<Guard>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workspace: "local".to_owned(),
            create_topics: false,
            max_topics: 1000,
            max_subscriptions: 4096,
            max_wildcard_subscriptions: 64,
            max_packages_per_second: None,
            writes: WriteRules::default(),
            reads: ReadRules::default(),
            max_name_bytes: 1024,
            max_body_bytes: 4 * 1024 * 1024,
            max_total_body_bytes: 256 * 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            max_write_stall: Duration::from_secs(10),
            max_replays_per_client: 8,
            lookup_timeout: Duration::from_secs(10),
            streams: StreamSettings::default(),
            guard: None,
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
        Arc::new(Self {
            subscriptions: Subscriptions::new(feeds.clone(), topics.clone(), metrics.clone(), &settings),
            active_streams: Arc::new(ActiveStreams::new(broker.clone(), topics.clone(), &settings, metrics.clone())),
            topics,
            broker,
            feeds,
            bodies: Bodies::new(settings.max_total_body_bytes),
            replays: Replays::new(settings.max_replays_per_client, settings.lookup_timeout),
            held: Held::new(MAX_HELD_BYTES),
            series: Series::default(),
            stranger: if settings.guard.is_some() { Visitor::nobody() } else { Visitor::anybody() },
            settings,
            metrics,
            stopping: watch::Sender::new(false),
        })
    }

    /// Opens this visitor's reads of older records.
    pub(crate) fn replayer(&self, visitor: &Visitor) -> Replayer {
        Replayer { broker: self.broker.clone(), replays: self.replays.clone(), client: visitor.client() }
    }

    /// The hub that clients call: the methods of the Writer and of the Reader, which do not collide.
    pub fn hub(self: &Arc<Self>) -> Hub {
        let gateway = self.clone();
        let hub = reader_hub::methods(writer_hub::methods(Hub::new(), self), self);
        let hub = hub.context(|request| request.extensions.get::<Visitor>().cloned());
        let hub = match self.settings.guard.clone() {
            None => hub,
            Some(guard) => hub.on_connected(move |caller| {
                guard.look_at(caller.connection());
                std::future::ready(Ok(()))
            }),
        };
        hub.on_disconnected(move |caller, _| {
            let gateway = gateway.clone();
            async move {
                gateway.subscriptions.leave_all(caller.connection_id()).await;
                gateway.active_streams.leave_all(caller.connection_id()).await;
            }
        })
    }

    /// Waits until what the visitor was granted does not hold any more, and says why.
    pub(crate) async fn lapse(&self, visitor: &Visitor) -> String {
        match (&self.settings.guard, visitor.grant()) {
            (Some(guard), Some(grant)) => guard.lapse(grant).await.to_string(),
            _ => std::future::pending().await,
        }
    }

    /// Ends the HTTP answers that would go on for ever: live packages. Whoever reads them is told why.
    pub fn end_tails(&self) {
        self.stopping.send_replace(true);
    }

    /// The broker behind.
    pub fn broker(&self) -> &Arc<dyn Broker> {
        &self.broker
    }

    /// [`Settings::max_name_bytes`].
    pub fn max_name_bytes(&self) -> usize {
        self.settings.max_name_bytes
    }

    /// In which form records of a topic are written.
    pub fn form_of(&self, topic: &Topic) -> WriteForm {
        self.settings.writes.of(&topic.name).form
    }

    /// Who calls a hub method.
    pub(crate) fn visitor<'v>(&'v self, caller: &'v Caller) -> &'v Visitor {
        caller.context().unwrap_or(&self.stranger)
    }

    /// Finds the topic that a visitor means to read, making it where that is allowed. Whether they may is told whether or
    /// not it is there.
    pub(crate) async fn topic(&self, visitor: &Visitor, text: &str) -> Result<Arc<Topic>, Failure> {
        self.open_topic(visitor, Right::Read, text).await
    }

    /// The same for a write; refusals are counted. An error means that nothing was or will be stored.
    pub async fn topic_to_write(&self, visitor: &Visitor, text: &str) -> Result<Arc<Topic>, WriteFailure> {
        let topic = self.open_topic(visitor, Right::Write, text).await.map_err(WriteFailure::from);
        topic.inspect_err(|failure| self.metrics.write_refused(failure))
    }

    /// As [`topic`](Self::topic), but never makes one.
    pub(crate) async fn existing_topic(&self, visitor: &Visitor, text: &str) -> Result<Arc<Topic>, Failure> {
        self.find_topic(visitor, text).await?.ok_or_else(|| Failure::UnknownTopic(text.to_owned()))
    }

    /// The same where it does not matter whether the topic is there.
    pub(crate) async fn find_topic(&self, visitor: &Visitor, text: &str) -> Result<Option<Arc<Topic>>, Failure> {
        match self.topics.known(visitor, Right::Read, text) {
            Some(topic) => Ok(Some(topic)),
            None => {
                let found = self.in_time(self.topics.find(visitor, Right::Read, text)).await?;
                if let Some(topic) = &found {
                    self.make_known(visitor, topic).await;
                }
                Ok(found)
            }
        }
    }

    async fn open_topic(&self, visitor: &Visitor, right: Right, text: &str) -> Result<Arc<Topic>, Failure> {
        if let Some(topic) = self.topics.known(visitor, right, text) {
            return Ok(topic);
        }
        let topic =
            self.in_time(self.topics.open(visitor, right, text)).await.inspect_err(|failure| self.count(failure))?;
        self.make_known(visitor, &topic).await;
        Ok(topic)
    }

    /// Counts a limit that was met.
    pub(crate) fn count(&self, failure: &Failure) {
        if matches!(failure, Failure::TooManyTopics { .. }) {
            self.metrics.limit_hit("create_topics");
        }
    }

    /// To others, after those who follow all topics: they follow it from the first write on.
    async fn make_known(&self, visitor: &Visitor, topic: &Arc<Topic>) {
        let came = self.subscriptions.topic_came(&topic.name);
        if tokio::time::timeout(self.settings.lookup_timeout, came).await.is_err() {
            tracing::warn!(topic = topic.name, "those who follow all topics follow a new one late");
        }
        self.topics.remember(visitor, topic);
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
}

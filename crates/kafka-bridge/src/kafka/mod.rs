//! `KafkaBroker`: topics in a Kafka cluster, through librdkafka.
//!
//! Acknowledged means that the leader answered with `acks=all` and the topic's `min.insync.replicas` met. Records of one key
//! are stored in the order handed over; a record is stored once at most, across broker restarts too (idempotent producer).

mod backlog;
mod batch;
mod examine;
mod groups;
mod health;
mod limits;
mod live;
mod lookup;
mod producer;
mod replay;
mod route;
mod settings;
mod settle;
pub mod testing;
mod topics;
mod wake;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, ready};
use rdkafka::admin::AdminClient;
use rdkafka::consumer::BaseConsumer;

pub use examine::{Cluster, ClusterBroker, ClusterTopic, ExamineError, client_version};
pub use settings::{Compression, KafkaSettings, Properties, SettingsError};

use crate::broker::{
    Ack, Broker, BrokerError, CreateTopicError, Deliveries, Health, NextOffset, NotWritten, PartitionPositions,
    ReadError, Start, TopicInfo,
};
use crate::metrics::Metrics;
use crate::names::check_topic_name;
use crate::record::NewRecord;
use crate::topic_settings::{NewTopic, TopicSettings};
use backlog::Backlog;
use groups::Groups;
use health::{Context, HealthState};
use limits::Limits;
use live::Live;
use lookup::{Described, Lookup};
use producer::Producer;
use replay::Replays;
use topics::Topics;

/// Topics in a Kafka cluster.
#[derive(Debug)]
pub struct KafkaBroker {
    brokers: String,
    delivery_timeout: Duration,
    health: Arc<HealthState>,
    lookup: Arc<Lookup>,
    producer: Option<Arc<Producer>>,
    topics: Arc<Topics>,
    live: Arc<Live>,
    /// Of readers.
    replays: Arc<Replays>,
    /// Of the server's own work.
    own_replays: Arc<Replays>,
    groups: Arc<Groups>,
    survey: tokio::task::JoinHandle<()>,
}

impl KafkaBroker {
    /// Begins to use a cluster. Returns at once, whether or not it is there: [`Broker::health`] tells, and it is tried on and
    /// on. Must run in a tokio runtime; starts three threads of its own besides librdkafka's.
    ///
    /// # Errors
    /// Only for settings that cannot work; the text names the one.
    pub fn connect(settings: KafkaSettings, metrics: Metrics) -> Result<Arc<Self>, SettingsError> {
        settings.check()?;
        let health = HealthState::new();
        let context = Context { health: health.clone() };
        let client = SettingsError::of_client;
        let lookup: BaseConsumer<Context> = settings.lookup().create_with_context(context.clone()).map_err(client)?;
        let lookup = Arc::new(Lookup::new(lookup));
        let consumer = settings.consumer(false).create_with_context(context.clone()).map_err(client)?;
        let live = Live::new(consumer, lookup.clone(), metrics.clone());
        let admin: AdminClient<Context> = settings.common().create_with_context(context.clone()).map_err(client)?;
        let (limits, questions) = Limits::new();
        let backlog = Backlog::new(settings.backlog_messages, settings.backlog_bytes, &metrics);
        let producer = Producer::new(
            settings.producer(),
            settings.message_max_bytes,
            backlog,
            limits.clone(),
            health.clone(),
            metrics.clone(),
        )?;
        let topics = Topics {
            admin,
            lookup: lookup.clone(),
            limits,
            metrics: metrics.clone(),
            batch_bytes: settings.batch_bytes,
        };
        let topics = Arc::new(topics);
        let groups = Groups::new(settings.clone(), context.clone(), lookup.clone());
        let replays = |most| {
            Arc::new(Replays {
                config: settings.consumer(true),
                context: context.clone(),
                lookup: lookup.clone(),
                live: live.clone(),
                metrics: metrics.clone(),
                most,
                refresh: settings.metadata_refresh,
                running: Arc::new(AtomicUsize::new(0)),
            })
        };
        let (replays, own_replays) = (replays(settings.replays), replays(usize::MAX));
        start_threads(&live, &health, &lookup, &settings)?;
        let survey = tokio::spawn(topics.clone().survey(questions));
        Ok(Arc::new(Self {
            brokers: settings.brokers,
            delivery_timeout: settings.delivery_timeout,
            health,
            lookup,
            producer: Some(producer),
            topics,
            live,
            replays,
            own_replays,
            groups: Arc::new(groups),
            survey,
        }))
    }

    fn read_by(
        &self,
        replays: &Arc<Replays>,
        topic: &str,
        start: Start,
    ) -> BoxFuture<'static, Result<Deliveries, ReadError>> {
        let (live, replays, topic) = (self.live.clone(), replays.clone(), topic.to_owned());
        blocking(move || {
            check_topic_name(&topic).map_err(|_| ReadError::UnknownTopic(topic.clone()))?;
            match start {
                Start::End => live.join(&topic),
                _ => replays.start(&topic, &start),
            }
        })
        .boxed()
    }
}

fn start_threads(
    live: &Arc<Live>,
    health: &Arc<HealthState>,
    lookup: &Arc<Lookup>,
    settings: &KafkaSettings,
) -> Result<(), SettingsError> {
    let thread = |name: &str, body: Box<dyn FnOnce() + Send>| {
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        spawned.map(drop).map_err(|error| SettingsError::Client(error.to_string()))
    };
    let (poller, watcher, refresh) = (live.clone(), live.clone(), settings.metadata_refresh);
    thread("kafka-poll", Box::new(move || poller.poll()))?;
    thread("kafka-watch", Box::new(move || watch::run(&watcher, refresh)))?;
    let (health, lookup, brokers) = (health.clone(), lookup.clone(), settings.brokers.clone());
    thread("kafka-health", Box::new(move || health::watch(&health, &lookup, &brokers)))
}

impl Drop for KafkaBroker {
    fn drop(&mut self) {
        self.survey.abort();
        self.health.stop();
        self.live.stop(); // its threads end within one poll and take the consumer with them
        let producer = self.producer.take();
        // The producer's end waits for its thread and for reports of what it still holds.
        let dropping = std::thread::Builder::new().name("kafka-drop".into()).spawn(move || drop(producer));
        if let Err(error) = dropping {
            tracing::debug!(%error, "no thread to end the producer on");
        }
    }
}

impl Broker for KafkaBroker {
    fn describe(&self) -> String {
        format!("Kafka {}", self.brokers)
    }

    fn append(&self, topic: &str, record: NewRecord<'_>) -> Result<Ack, NotWritten> {
        if check_topic_name(topic).is_err() {
            return Err(NotWritten::UnknownTopic(topic.to_owned()));
        }
        self.producer.as_ref().ok_or(NotWritten::Unavailable)?.append(topic, record)
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<TopicInfo>, BrokerError>> {
        let lookup = self.lookup.clone();
        blocking(move || lookup.topics(TIMEOUT)).boxed()
    }

    fn topic(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicInfo>, BrokerError>> {
        if check_topic_name(name).is_err() {
            return ready(Ok(None)).boxed();
        }
        let (lookup, name) = (self.lookup.clone(), name.to_owned());
        blocking(move || {
            let described = lookup.topic(&name, TIMEOUT)?;
            Ok(described.map(|Described { partitions, has_leaders, .. }| TopicInfo { name, partitions, has_leaders }))
        })
        .boxed()
    }

    fn topic_settings(&self, name: &str) -> BoxFuture<'_, Result<Option<TopicSettings>, BrokerError>> {
        let name = name.to_owned();
        async move { self.topics.settings(&name).await }.boxed()
    }

    fn make_topic(&self, name: &str, wanted: NewTopic) -> BoxFuture<'_, Result<TopicInfo, CreateTopicError>> {
        let name = name.to_owned();
        async move {
            let made = self.topics.create(&name, &wanted).await;
            let is_there = matches!(made, Ok(_) | Err(CreateTopicError::Exists(_)));
            if let Some(producer) = self.producer.clone().filter(|_| is_there) {
                blocking(move || {
                    producer.hear_of(&name, TIMEOUT);
                    Ok::<_, BrokerError>(())
                })
                .await?;
            }
            made
        }
        .boxed()
    }

    fn positions(&self, topic: &str) -> BoxFuture<'_, Result<Vec<PartitionPositions>, ReadError>> {
        let (lookup, topic) = (self.lookup.clone(), topic.to_owned());
        blocking(move || {
            let unknown = || ReadError::UnknownTopic(topic.clone());
            check_topic_name(&topic).map_err(|_| unknown())?;
            let described = lookup.topic(&topic, TIMEOUT)?.ok_or_else(unknown)?;
            lookup.positions(&topic, described.partitions, TIMEOUT)
        })
        .boxed()
    }

    fn offsets_at(&self, topic: &str, timestamp_ms: i64) -> BoxFuture<'_, Result<Vec<i64>, ReadError>> {
        let (lookup, topic) = (self.lookup.clone(), topic.to_owned());
        blocking(move || {
            let unknown = || ReadError::UnknownTopic(topic.clone());
            check_topic_name(&topic).map_err(|_| unknown())?;
            let described = lookup.topic(&topic, TIMEOUT)?.ok_or_else(unknown)?;
            lookup.offsets_at(&topic, described.partitions, timestamp_ms, TIMEOUT)
        })
        .boxed()
    }

    /// Several reads at the live end of one topic share its assignment and so its back-pressure: while one of them leaves 64
    /// deliveries waiting, the topic is paused for all of them (a [`Feed`](crate::feed) needs one read only, and cuts off who
    /// is too slow). Reads from old positions have a client each; those past the bound are refused. One that has come to the
    /// end joins the live ones and gives its client's place back; should its reader then be slow, nobody waits for it: it gets
    /// a client again, as soon as there is a place.
    fn read(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>> {
        self.read_by(&self.replays, topic, start)
    }

    fn read_for_server(&self, topic: &str, start: Start) -> BoxFuture<'_, Result<Deliveries, ReadError>> {
        self.read_by(&self.own_replays, topic, start)
    }

    fn committed(&self, group: &str, topic: &str) -> BoxFuture<'_, Result<Vec<NextOffset>, BrokerError>> {
        let (groups, group, topic) = (self.groups.clone(), group.to_owned(), topic.to_owned());
        blocking(move || groups.committed(&group, &topic, TIMEOUT)).boxed()
    }

    fn commit(&self, group: &str, topic: &str, next: Vec<NextOffset>) -> BoxFuture<'_, Result<(), ReadError>> {
        let (groups, group, topic) = (self.groups.clone(), group.to_owned(), topic.to_owned());
        blocking(move || groups.commit(&group, &topic, &next)).boxed()
    }

    fn health(&self) -> Health {
        self.health.get()
    }

    fn flush(&self) -> BoxFuture<'_, bool> {
        let producer = self.producer.clone();
        async move {
            match producer {
                Some(producer) => producer.flush(self.delivery_timeout + Duration::from_secs(1)).await,
                None => true,
            }
        }
        .boxed()
    }
}

/// librdkafka's questions block; they run where that is allowed.
async fn blocking<T: Send + 'static, E: From<BrokerError> + Send + 'static>(
    question: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E> {
    match tokio::task::spawn_blocking(question).await {
        Ok(answer) => answer,
        Err(error) => Err(BrokerError::Other(error.to_string()).into()), // the runtime is ending
    }
}

/// For a question about topics.
const TIMEOUT: Duration = Duration::from_secs(10);

//! `Cluster`: what a Kafka cluster says of itself, for whoever looks for what is wrong. Asked once, by clients of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::metadata::Metadata;
use rdkafka::{Offset, TopicPartitionList};

use super::settings::{KafkaSettings, SettingsError};
use crate::names::is_internal;

/// A cluster at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cluster {
    /// Its id, where it tells one.
    pub id: Option<String>,
    /// By id.
    pub brokers: Vec<ClusterBroker>,
    /// By name, without internal ones.
    pub topics: Vec<ClusterTopic>,
}

/// One broker of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterBroker {
    /// Its number.
    pub id: i32,
    /// `HOST:PORT` at which it tells its clients to reach it.
    pub address: String,
    /// By name, in Kafka's words; `None` if it does not tell them to us.
    pub settings: Option<BTreeMap<String, String>>,
}

/// One topic of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterTopic {
    /// Its name.
    pub name: String,
    /// Their number.
    pub partitions: usize,
    /// Partitions that nobody can write or read now.
    pub without_leader: usize,
    /// Copies of the partition with the fewest.
    pub replicas: usize,
    /// As those of a broker.
    pub settings: Option<BTreeMap<String, String>>,
    /// Whether there is a record of a later time than asked about; `None` if that could not be told.
    pub has_later: Option<bool>,
}

/// Why there is nothing to say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExamineError {
    /// The settings cannot work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Nobody answers as Kafka does; with the client's last words, if it had any.
    #[error("{0}")]
    Unreachable(String),
}

impl Cluster {
    /// Asks; `later_ms` is the time, in milliseconds since 1970 UTC, of which topics are asked for later records. Each question
    /// may take as long as `timeout`.
    ///
    /// # Errors
    /// If the settings cannot work, or nobody answers.
    pub async fn examine(settings: &KafkaSettings, later_ms: i64, timeout: Duration) -> Result<Self, ExamineError> {
        settings.check()?;
        let told = Told::default();
        let client: BaseConsumer<Told> =
            settings.lookup().create_with_context(told.clone()).map_err(SettingsError::of_client)?;
        let admin: AdminClient<Told> =
            settings.common().create_with_context(told.clone()).map_err(SettingsError::of_client)?;
        let heard = told.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let metadata = client.fetch_metadata(None, timeout);
            if metadata.is_err() {
                // The reason why waits to be asked for.
                let deadline = Instant::now() + LAST_WORDS;
                while heard.last().is_none() && Instant::now() < deadline {
                    client.poll(LAST_WORDS / 10);
                }
            }
            metadata.map(|metadata| {
                let mut cluster = Self::of(&metadata);
                cluster.id = client.client().fetch_cluster_id(timeout);
                cluster.look_for_later(&client, &metadata, later_ms, timeout);
                cluster
            })
        });
        let asked = asked.await.map_err(|error| ExamineError::Unreachable(error.to_string()))?;
        let mut cluster = asked.map_err(|error| ExamineError::Unreachable(told.last().unwrap_or(error.to_string())))?;
        cluster.ask_settings(&admin, timeout).await;
        Ok(cluster)
    }

    fn of(metadata: &Metadata) -> Self {
        let broker = |broker: &rdkafka::metadata::MetadataBroker| ClusterBroker {
            id: broker.id(),
            address: format!("{}:{}", broker.host(), broker.port()),
            settings: None,
        };
        let topic = |topic: &rdkafka::metadata::MetadataTopic| ClusterTopic {
            name: topic.name().to_owned(),
            partitions: topic.partitions().len(),
            without_leader: topic.partitions().iter().filter(|partition| partition.leader() < 0).count(),
            replicas: topic.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0),
            ..ClusterTopic::default()
        };
        let mut brokers: Vec<_> = metadata.brokers().iter().map(broker).collect();
        brokers.sort_unstable_by_key(|broker| broker.id);
        let usable = metadata.topics().iter().filter(|topic| topic.error().is_none() && !is_internal(topic.name()));
        let mut topics: Vec<_> = usable.map(topic).collect();
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Self { brokers, topics, ..Self::default() }
    }

    fn look_for_later(&mut self, client: &BaseConsumer<Told>, metadata: &Metadata, later_ms: i64, timeout: Duration) {
        let mut asked = TopicPartitionList::new();
        let led = metadata.topics().iter().flat_map(|topic| {
            let led = topic.partitions().iter().filter(|partition| partition.leader() >= 0);
            led.map(|partition| (topic.name(), partition.id()))
        });
        for (topic, partition) in led.filter(|(topic, _)| !is_internal(topic)).take(MOST_PARTITIONS) {
            if asked.add_partition_offset(topic, partition, Offset::Offset(later_ms)).is_err() {
                return;
            }
        }
        if asked.count() == 0 {
            return;
        }
        let Ok(answers) = client.offsets_for_times(asked, timeout) else { return };
        for answer in answers.elements() {
            if answer.error().is_ok()
                && let Some(topic) = self.topics.iter_mut().find(|topic| topic.name == answer.topic())
            {
                let is_later = matches!(answer.offset(), Offset::Offset(_));
                topic.has_later = Some(is_later || topic.has_later == Some(true));
            }
        }
    }

    async fn ask_settings(&mut self, admin: &AdminClient<Told>, timeout: Duration) {
        let options = AdminOptions::new().request_timeout(Some(timeout));
        // One broker at a time: each is asked for its own.
        for broker in &mut self.brokers {
            let answer = admin.describe_configs([&ResourceSpecifier::Broker(broker.id)], &options).await;
            broker.settings = answer.into_iter().flatten().flatten().next().map(settings_of);
        }
        for topics in self.topics.chunks_mut(TOPICS_PER_QUESTION) {
            let names: Vec<_> = topics.iter().map(|topic| topic.name.clone()).collect();
            let asked: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
            let answer = admin.describe_configs(&asked, &options).await;
            for config in answer.into_iter().flatten().flatten() {
                let OwnedResourceSpecifier::Topic(name) = &config.specifier else { continue };
                if let Some(topic) = topics.iter_mut().find(|topic| topic.name == *name) {
                    topic.settings = Some(settings_of(config));
                }
            }
        }
    }
}

/// Version of librdkafka.
pub fn client_version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

fn settings_of(config: ConfigResource) -> BTreeMap<String, String> {
    let entries = config.entries.into_iter().filter(|entry| !entry.is_sensitive);
    entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
}

/// The last thing that went wrong, as the client tells it.
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<Option<String>>>);

impl Told {
    fn hear(&self, reason: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::health::log(level, facility, message);
        if facility == "FAIL" {
            // `[thrd:HOST:PORT/bootstrap]: HOST:PORT/bootstrap: reason (after …)`
            self.hear(message.split_once("]: ").map_or(message, |(_, rest)| rest));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka client error");
        // "1/1 brokers are down" comes behind the reason why, which says more.
        if !reason.ends_with("brokers are down") {
            self.hear(reason);
        }
    }
}

impl ConsumerContext for Told {}

/// How long a client that got no answer may take to say why.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Beyond them records of a later time are not looked for.
const MOST_PARTITIONS: usize = 10_000;
const TOPICS_PER_QUESTION: usize = 500;

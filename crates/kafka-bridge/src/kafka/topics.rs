//! Topics through the admin client: making them, their limits, and the watch for settings that weaken the promises.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rdkafka::admin::{
    self, AdminClient, AdminOptions, ConfigResource, ConfigResourceResult, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::mpsc;

use super::health::Context;
use super::limits::Limits;
use super::lookup::{Described, Lookup, broker_error, is_missing};
use crate::broker::{BrokerError, CreateTopicError, TopicInfo};
use crate::metrics::Metrics;
use crate::names::{check_topic_name, is_internal};
use crate::topic_settings::{NewTopic, TopicSettings};

/// Makes and surveys topics.
pub(super) struct Topics {
    pub(super) admin: AdminClient<Context>,
    pub(super) lookup: Arc<Lookup>,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: Metrics,
    pub(super) batch_bytes: usize,
}

impl Topics {
    /// Makes a topic and waits until it can be used at once, whichever broker is asked; a little also where others have just
    /// made it, for a cluster tells that a name is taken before its brokers have all heard of the topic.
    pub(super) async fn create(&self, name: &str, wanted: &NewTopic) -> Result<TopicInfo, CreateTopicError> {
        check_topic_name(name).map_err(|error| invalid(name, error.to_string()))?;
        if wanted.partitions.is_some_and(|count| count < 1) {
            return Err(invalid(name, "a topic has at least 1 partition".to_owned()));
        }
        let copies = self.possible_copies(wanted.replication_factor).await?;
        let (partitions, properties) = (wanted.partitions.unwrap_or(BROKER_DEFAULT), wanted.properties());
        let topic = admin::NewTopic::new(name, partitions, TopicReplication::Fixed(copies));
        let topic = properties.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
        let results = self.admin.create_topics([&topic], &options).await.map_err(|error| broker_error(&error))?;
        match results.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
                let _ = self.wait_until_usable(name, SETTLING).await; // it is there, usable or not
                Err(CreateTopicError::Exists(name.to_owned()))
            }
            Some(Err((_, code))) => Err(not_made(name, code)),
            Some(Ok(_)) | None => {
                let made = self.wait_until_usable(name, TIMEOUT).await?;
                self.limits.ask_again(name);
                Ok(made)
            }
        }
    }

    /// How a topic is kept; `None` if there is none of this name.
    pub(super) async fn settings(&self, name: &str) -> Result<Option<TopicSettings>, BrokerError> {
        let (lookup, asked) = (self.lookup.clone(), name.to_owned());
        let copies = super::blocking(move || {
            let metadata = lookup.metadata(TIMEOUT)?;
            let topic = metadata.topics().iter().find(|topic| topic.name() == asked && topic.error().is_none());
            Ok(topic.map(|topic| topic.partitions().first().map_or(1, |partition| partition.replicas().len().max(1))))
        });
        let Some(copies) = copies.await? else { return Ok(None) };
        let (options, asked) = (AdminOptions::new().request_timeout(Some(TIMEOUT)), [ResourceSpecifier::Topic(name)]);
        let answered = self.admin.describe_configs(&asked, &options).await.map_err(|error| broker_error(&error))?;
        let Some(config) = told(name, answered.into_iter().next())? else { return Ok(None) };
        let defaults = TopicSettings { replication_factor: copies as i32, ..TopicSettings::UNLIMITED };
        Ok(Some(defaults.with(|name| config.get(name)?.value.as_deref())))
    }

    /// No more copies than there are brokers.
    async fn possible_copies(&self, wanted: Option<i32>) -> Result<i32, BrokerError> {
        let Some(wanted) = wanted else { return Ok(BROKER_DEFAULT) };
        let lookup = self.lookup.clone();
        let brokers =
            super::blocking(move || lookup.metadata(TIMEOUT).map(|metadata| metadata.brokers().len())).await?;
        Ok(wanted.min(brokers.max(1) as i32))
    }

    /// Waits until some broker knows the topic and its partitions have leaders, then until all brokers know it, for whoever is
    /// told of it may ask any of them.
    async fn wait_until_usable(&self, name: &str, patience: Duration) -> Result<TopicInfo, BrokerError> {
        let waiting = async {
            let found = until_some(|| self.ask(name, usable)).await?;
            let brokers = self.ask(name, |lookup, _| lookup.brokers(SETTLING)).await.unwrap_or_default();
            if brokers.len() > 1 {
                let is_known = |broker| self.ask(name, move |lookup, name| lookup.knows(broker, name, SETTLING));
                until_all_know(&brokers, is_known).await;
            }
            Ok(found)
        };
        let waited = tokio::time::timeout(patience, waiting).await;
        waited.unwrap_or_else(|_| Err(BrokerError::Other("the topic was made but is not usable yet".to_owned())))
    }

    async fn ask<T: Send + 'static>(
        &self,
        name: &str,
        question: impl FnOnce(&Lookup, &str) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let (lookup, name) = (self.lookup.clone(), name.to_owned());
        super::blocking(move || Ok::<_, BrokerError>(question(&lookup, &name))).await.ok().flatten()
    }

    /// Looks at all topics now and every minute, and at single ones when asked, until the questions end.
    pub(super) async fn survey(self: Arc<Self>, mut questions: mpsc::UnboundedReceiver<String>) {
        let mut tick = tokio::time::interval(SURVEY_INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut warned = Warned::default();
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    if let Err(error) = self.survey_all(&mut warned).await {
                        tracing::debug!(%error, "topics could not be surveyed");
                        tick.reset_after(RETRY_INTERVAL);
                    }
                }
                question = questions.recv() => {
                    let Some(first) = question else { return };
                    let mut names = vec![first];
                    while let Ok(more) = questions.try_recv() {
                        names.push(more);
                    }
                    self.answer(names).await;
                }
            }
        }
    }

    async fn answer(&self, mut names: Vec<String>) {
        names.sort_unstable();
        names.dedup();
        match self.configs(&names).await {
            Ok(configs) => configs.iter().for_each(|(name, config)| self.limits.learn(name, limit_of(config))),
            Err(error) => tracing::debug!(%error, "limits of topics could not be read"), // the next survey has them
        }
    }

    async fn survey_all(&self, warned: &mut Warned) -> Result<(), BrokerError> {
        let lookup = self.lookup.clone();
        let metadata = super::blocking(move || lookup.metadata(TIMEOUT)).await?;
        let replicas: HashMap<String, usize> = metadata
            .topics()
            .iter()
            .filter(|topic| topic.error().is_none() && !is_internal(topic.name()))
            .map(|topic| {
                let least = topic.partitions().iter().map(|partition| partition.replicas().len()).min();
                (topic.name().to_owned(), least.unwrap_or(0))
            })
            .collect();
        let names: Vec<String> = replicas.keys().cloned().collect();
        let configs = self.configs(&names).await?;

        let mut limits = HashMap::new();
        let mut unsafe_topics = Vec::new();
        for (name, config) in &configs {
            let limit = limit_of(config);
            limits.insert(name.clone(), limit);
            if let Some(limit) = limit.filter(|limit| *limit < self.batch_bytes) {
                warned.small_batches(name, limit, self.batch_bytes);
            }
            if let Some(weakness) = weakness(replicas.get(name).copied().unwrap_or(0), config) {
                unsafe_topics.push((name.clone(), weakness));
            }
        }
        self.limits.learn_all(limits);
        self.metrics.unsafe_topics.set(unsafe_topics.len() as i64);
        warned.unsafe_topics(unsafe_topics);
        Ok(())
    }

    async fn configs(&self, names: &[String]) -> Result<Vec<(String, ConfigResource)>, BrokerError> {
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let mut configs = Vec::with_capacity(names.len());
        for chunk in names.chunks(TOPICS_PER_QUESTION) {
            let asked: Vec<_> = chunk.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
            let answered = self.admin.describe_configs(&asked, &options).await.map_err(|error| broker_error(&error))?;
            for config in answered.into_iter().flatten() {
                if let OwnedResourceSpecifier::Topic(name) = &config.specifier {
                    configs.push((name.clone(), config));
                }
            }
        }
        Ok(configs)
    }
}

impl std::fmt::Debug for Topics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topics").finish_non_exhaustive()
    }
}

/// The topic if it can be used; `None` while that may still come.
fn usable(lookup: &Lookup, name: &str) -> Option<Result<TopicInfo, BrokerError>> {
    let partitions = match seen(name, lookup.describe(&[name], TIMEOUT).ok()?.remove(name)?)? {
        Ok(described) => described.partitions,
        Err(error) => return Some(Err(error)),
    };
    lookup.ends(name, partitions, TIMEOUT).ok()?;
    Some(Ok(TopicInfo { name: name.to_owned(), partitions, has_leaders: true }))
}

/// What is known of a topic that is there; `None` if asking again may tell.
fn seen(name: &str, found: Result<Described, RDKafkaErrorCode>) -> Option<Result<Described, BrokerError>> {
    match found {
        Ok(described) => Some(Ok(described)),
        Err(RDKafkaErrorCode::TopicAuthorizationFailed) => Some(Err(BrokerError::Other(format!(
            "this server's Kafka user may not see topic '{name}'; give it DESCRIBE on the topic."
        )))),
        Err(_) => None,
    }
}

/// Waits until each broker has answered; for those that have not heard yet, or are away, [`SETTLING`] at most.
async fn until_all_know<F: Future<Output = Option<()>>>(brokers: &[i32], ask: impl Fn(i32) -> F) {
    let ask = &ask;
    let each = brokers.iter().map(|&broker| until_some(move || ask(broker)));
    if tokio::time::timeout(SETTLING, join_all(each)).await.is_err() {
        tracing::debug!("not all brokers have heard of a new topic yet");
    }
}

/// Asks until there is an answer.
async fn until_some<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

fn invalid(name: &str, reason: String) -> CreateTopicError {
    CreateTopicError::Invalid { name: name.to_owned(), reason }
}

/// Why Kafka made no topic of this name.
fn not_made(name: &str, code: RDKafkaErrorCode) -> CreateTopicError {
    use RDKafkaErrorCode as E;
    match code {
        E::InvalidTopic
        | E::InvalidPartitions
        | E::InvalidReplicationFactor
        | E::InvalidConfig
        | E::PolicyViolation => invalid(name, code.to_string()),
        code => broker_error(&KafkaError::AdminOp(code)).into(),
    }
}

/// The configuration of a topic that was asked for; `None` if there is no such topic.
fn told(name: &str, answer: Option<ConfigResourceResult>) -> Result<Option<ConfigResource>, BrokerError> {
    match answer {
        Some(Ok(config)) => Ok(Some(config)),
        Some(Err(RDKafkaErrorCode::TopicAuthorizationFailed)) => Err(BrokerError::Other(format!(
            "this server's Kafka user may not read the configuration of topic '{name}'; give it DESCRIBE_CONFIGS on the topic."
        ))),
        Some(Err(code)) if is_missing(code) => Ok(None),
        Some(Err(code)) => Err(broker_error(&KafkaError::AdminOp(code))),
        None => Err(BrokerError::Other("no answer about the topic".to_owned())),
    }
}

fn limit_of(config: &ConfigResource) -> Option<usize> {
    config.get("max.message.bytes")?.value.as_ref()?.parse().ok()
}

/// Why an acknowledgement of this topic may not survive the loss of a machine.
fn weakness(replicas: usize, config: &ConfigResource) -> Option<&'static str> {
    let is = |name: &str, value: &str| config.get(name).and_then(|entry| entry.value.as_deref()) == Some(value);
    if is("unclean.leader.election.enable", "true") {
        Some("unclean.leader.election.enable is true")
    } else if replicas <= 1 {
        Some("replication factor 1")
    } else if is("min.insync.replicas", "1") {
        Some("min.insync.replicas is 1")
    } else {
        None
    }
}

/// What was warned of already: each state of things once.
#[derive(Debug, Default)]
struct Warned {
    unsafe_topics: Vec<(String, &'static str)>,
    small: HashMap<String, usize>,
}

impl Warned {
    fn unsafe_topics(&mut self, mut found: Vec<(String, &'static str)>) {
        found.sort_unstable();
        if found == self.unsafe_topics {
            return;
        }
        if !found.is_empty() {
            let examples: Vec<_> = found.iter().take(5).map(|(name, why)| format!("{name} ({why})")).collect();
            tracing::warn!(
                count = found.len(),
                examples = examples.join(", "),
                "topics whose acknowledged records may not survive the loss of a broker's machine"
            );
        }
        self.unsafe_topics = found;
    }

    fn small_batches(&mut self, name: &str, limit: usize, batch_bytes: usize) {
        if self.small.insert(name.to_owned(), limit) != Some(limit) {
            tracing::warn!(
                topic = name,
                max_message_bytes = limit,
                batch_bytes,
                "the topic takes smaller batches than are sent: under load its records can be refused; lower batch_bytes"
            );
        }
    }
}

/// What Kafka takes for "as the broker is configured".
const BROKER_DEFAULT: i32 = -1;
const TIMEOUT: Duration = Duration::from_secs(10);
/// For all brokers to hear of a topic: they do within a fraction of a second, unless they are away.
const SETTLING: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
const SURVEY_INTERVAL: Duration = Duration::from_secs(60);
/// After a survey that failed, most likely because the broker is away.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
const TOPICS_PER_QUESTION: usize = 500;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rdkafka::ClientConfig;
    use rdkafka::bindings as sys;
    use rdkafka::consumer::{BaseConsumer, Consumer};

    use super::*;
    use crate::kafka::health::HealthState;

    #[tokio::test(start_paused = true)]
    async fn a_topic_is_told_of_when_the_last_broker_has_heard_of_it() {
        let asked = Mutex::new(HashMap::new());
        until_all_know(&[1, 2, 3], |broker| {
            let mut asked = asked.lock().expect("whole");
            let times: &mut i32 = asked.entry(broker).or_default();
            *times += 1;
            std::future::ready((broker != 2 || *times > 5).then_some(()))
        })
        .await;
        assert_eq!(asked.into_inner().expect("whole"), HashMap::from([(1, 1), (2, 6), (3, 1)]));
    }

    #[tokio::test(start_paused = true)]
    async fn brokers_that_are_away_or_do_not_hear_are_not_waited_for_long() {
        let begun = tokio::time::Instant::now();
        until_all_know(&[1, 2, 3], async |broker| match broker {
            1 => Some(()),
            2 => None,
            _ => std::future::pending().await,
        })
        .await;
        assert_eq!(begun.elapsed(), SETTLING);
    }

    #[test]
    fn each_broker_tells_for_itself_whether_a_topic_is_there() {
        let lookup = two_brokers();
        let brokers = lookup.brokers(TIMEOUT).expect("they answer");
        assert_eq!(brokers.len(), 2);
        for broker in brokers {
            assert_eq!(lookup.knows(broker, "there", TIMEOUT), Some(()));
            assert_eq!(lookup.knows(broker, "none", TIMEOUT), None);
        }
        assert_eq!(lookup.knows(77, "there", Duration::from_millis(50)), None, "there is no such broker");
    }

    #[test]
    fn a_topic_that_we_may_not_see_is_not_waited_for() {
        assert!(seen("t", Err(RDKafkaErrorCode::UnknownTopicOrPartition)).is_none());
        assert!(seen("t", Err(RDKafkaErrorCode::LeaderNotAvailable)).is_none());
        let Some(Err(BrokerError::Other(reason))) = seen("t", Err(RDKafkaErrorCode::TopicAuthorizationFailed)) else {
            panic!("no reason")
        };
        assert!(reason.contains("'t'") && reason.contains("DESCRIBE"), "{reason}");
    }

    #[test]
    fn what_is_not_told_of_a_topic_is_not_made_up() {
        let told = |code| told("t", Some(Err(code))).map(drop_config);
        assert_eq!(told(RDKafkaErrorCode::UnknownTopicOrPartition), Ok(None));
        assert_eq!(told(RDKafkaErrorCode::RequestTimedOut), Err(BrokerError::Unreachable));
        let Err(BrokerError::Other(reason)) = told(RDKafkaErrorCode::TopicAuthorizationFailed) else {
            panic!("no reason")
        };
        assert!(reason.contains("'t'") && reason.contains("DESCRIBE_CONFIGS"), "{reason}");
        assert!(matches!(super::told("t", None), Err(BrokerError::Other(_))));
        let specifier = OwnedResourceSpecifier::Topic("t".to_owned());
        let config = ConfigResource { specifier, entries: Vec::new() };
        assert!(matches!(super::told("t", Some(Ok(config))), Ok(Some(_))));
    }

    /// With a topic `there`.
    fn two_brokers() -> Lookup {
        let mut config = ClientConfig::new();
        config.set("test.mock.num.brokers", "2").set("allow.auto.create.topics", "false");
        let context = Context { health: HealthState::new() };
        let client: BaseConsumer<Context> = config.create_with_context(context).expect("made");
        // SAFETY: the cluster is the client's, which lives; the name is static.
        unsafe {
            let cluster = sys::rd_kafka_handle_mock_cluster(client.client().native_ptr());
            sys::rd_kafka_mock_topic_create(cluster, c"there".as_ptr(), 1, 1);
        }
        Lookup::new(client)
    }

    fn drop_config(config: Option<ConfigResource>) -> Option<()> {
        config.map(drop)
    }
}

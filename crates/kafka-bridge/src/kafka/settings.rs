//! `KafkaSettings`: what an operator may choose, and the client configurations made of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

/// How to use a Kafka cluster. Everything else is fixed, because the promises rest on it.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// Addresses to begin with, `host:port,host:port`. Default `127.0.0.1:9092`.
    pub brokers: String,
    /// Largest key and value together, in bytes. Default 4 MiB + 64 KiB. A topic's own `max.message.bytes` may be less and
    /// is then the limit of that topic.
    pub message_max_bytes: usize,
    /// Time within which every append is answered. Default 30 s; librdkafka's own 300 s is longer than a client waits.
    pub delivery_timeout: Duration,
    /// Milliseconds a record may wait for company. Default 1: within 0.2 ms of none at half the CPU; 5 is thrifty.
    pub linger_ms: u32,
    /// Bytes of one batch to one partition. Default 128 KiB. Must stay below the least `max.message.bytes` in use, for Kafka
    /// judges whole batches by it.
    pub batch_bytes: usize,
    /// Compression of batches. Default none.
    pub compression: Compression,
    /// How a key chooses a partition, in librdkafka's words. Default `murmur2_random`, which agrees with Java's and Quix's
    /// clients. One that ignores the key would break the order of streams.
    pub partitioner: &'static str,
    /// Appends not answered yet that are taken at most; past it [`NotWritten::BacklogFull`](crate::broker::NotWritten).
    /// Default 100 000.
    pub backlog_messages: usize,
    /// The same in bytes of keys and values. Default 64 MiB.
    pub backlog_bytes: usize,
    /// How often followed topics are looked at for new partitions and deletion. Default 10 s.
    pub metadata_refresh: Duration,
    /// Reads from old positions at once, each with a client of its own until it has come to the end. Default 16.
    pub replays: usize,
    /// Further librdkafka properties for all clients, such as `security.protocol`, `sasl.*`, `ssl.*`.
    pub properties: Properties,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            message_max_bytes: (4 << 20) + (64 << 10),
            delivery_timeout: Duration::from_secs(30),
            linger_ms: 1,
            batch_bytes: 128 << 10,
            compression: Compression::None,
            partitioner: "murmur2_random",
            backlog_messages: 100_000,
            backlog_bytes: 64 << 20,
            metadata_refresh: Duration::from_secs(10),
            replays: 16,
            properties: Properties::default(),
        }
    }
}

/// librdkafka properties by name. `Debug` shows names only, for values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// Sets one; a second value replaces the first.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The value of one that is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|name| (name, "***"))).finish()
    }
}

/// Compression of batches, `compression.type` of Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// None.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// Snappy.
    Snappy,
    /// LZ4: the cheap one.
    Lz4,
    /// Zstandard: for slow links.
    Zstd,
}

impl Compression {
    /// Name as Kafka and our settings spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl std::str::FromStr for Compression {
    type Err = SettingsError;

    fn from_str(name: &str) -> Result<Self, SettingsError> {
        let all = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];
        all.into_iter().find(|one| one.name() == name).ok_or_else(|| SettingsError::Compression(name.to_owned()))
    }
}

/// What is wrong with the settings; the start should end with it. No text holds a property's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Promises rest on this property, or a setting of ours stands for it.
    #[error("the Kafka property '{0}' cannot be set: {1}")]
    Reserved(String, &'static str),
    /// librdkafka does not know the property or does not take the value.
    #[error("the Kafka property '{0}' is unknown or its value is not allowed")]
    Property(String),
    /// Names an unknown compression.
    #[error("unknown compression '{0}': use none, gzip, snappy, lz4 or zstd")]
    Compression(String),
    /// The properties do not fit together, or a file they name cannot be read.
    #[error("the Kafka settings do not work: {0}")]
    Client(String),
    /// A number is outside of what is possible.
    #[error("{0}")]
    Range(&'static str),
}

impl SettingsError {
    pub(super) fn of_client(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(_, _, property, _) => Self::Property(property),
            other => Self::Client(other.to_string()),
        }
    }
}

impl KafkaSettings {
    /// Looks for what cannot be, before any client is made.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if !(1..=MAX_MESSAGE_BYTES).contains(&self.message_max_bytes) {
            return Err(SettingsError::Range("message_max_bytes must be between 1 and 900 000 000"));
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(120)).contains(&self.delivery_timeout) {
            return Err(SettingsError::Range("delivery_timeout must be between 100 ms and 120 s"));
        }
        if !(1..=2_000_000).contains(&self.backlog_messages) || !(1..=1 << 30).contains(&self.backlog_bytes) {
            return Err(SettingsError::Range(
                "the write backlog must hold 1 to 2 000 000 messages and 1 byte to 1 GiB",
            ));
        }
        for name in self.properties.0.keys() {
            if let Some((_, why)) = RESERVED.iter().find(|(reserved, _)| reserved == name) {
                return Err(SettingsError::Reserved(name.clone(), why));
            }
        }
        Ok(())
    }

    /// For the one producer.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.common();
        // Twice our own bounds: ours are met first. The room for one more is what a single large message needs.
        let queue_kbytes = 2 * self.backlog_bytes.div_ceil(1024) + self.message_max_bytes.div_ceil(1024);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("max.in.flight.requests.per.connection", "5")
            .set("linger.ms", self.linger_ms.to_string())
            .set("batch.size", self.batch_bytes.to_string())
            .set("partitioner", self.partitioner)
            .set("compression.type", self.compression.name())
            .set("message.timeout.ms", self.message_timeout().as_millis().to_string())
            .set("message.max.bytes", (self.message_max_bytes + MESSAGE_OVERHEAD).to_string())
            .set("queue.buffering.max.messages", (2 * self.backlog_messages).to_string())
            .set("queue.buffering.max.kbytes", queue_kbytes.to_string());
        if config.get(PROPAGATION).is_none() {
            // The default keeps a record for a topic that does not exist for 30 s.
            config.set(PROPAGATION, "2000");
        }
        config
    }

    /// librdkafka looks for records out of time once a second only; half of that earlier keeps its answers near the promise.
    fn message_timeout(&self) -> Duration {
        self.delivery_timeout - (self.delivery_timeout / 4).min(Duration::from_millis(500))
    }

    /// For the shared consumer and, with end marks, for each replay.
    pub(super) fn consumer(&self, partition_eof: bool) -> ClientConfig {
        let mut config = self.lookup();
        config
            .set("group.id", "streamgate") // librdkafka wants one; assigned by hand, no group is joined
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.min.bytes", "1")
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.max.messages.kbytes", "16384")
            .set("check.crcs", "true")
            .set("enable.partition.eof", if partition_eof { "true" } else { "false" });
        config
    }

    /// For the positions of one consumer group, which is not joined.
    pub(super) fn group(&self, group: &str) -> ClientConfig {
        let mut config = self.consumer(false);
        config.set("group.id", group);
        config
    }

    /// For questions: a consumer, for producers may make topics by asking about them.
    pub(super) fn lookup(&self) -> ClientConfig {
        let mut config = self.common();
        config.set("allow.auto.create.topics", "false").set("isolation.level", "read_committed");
        config
    }

    /// For all clients.
    pub(super) fn common(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.properties.0 {
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", &self.brokers)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            .set(
                "topic.metadata.refresh.interval.ms",
                self.metadata_refresh.as_millis().clamp(100, 60_000).to_string(),
            );
        config.set_log_level(rdkafka::config::RDKafkaLogLevel::Info);
        config
    }
}

const PROMISE: &str = "the promises about durability and order rest on it";
const OURS: &str = "a setting of this server stands for it";
const FIXED: &str = "this server sets it";

/// How long a topic is given to appear.
const PROPAGATION: &str = "topic.metadata.propagation.max.ms";

/// Properties that `properties` may not hold, other spellings of librdkafka included.
const RESERVED: &[(&str, &str)] = &[
    ("enable.idempotence", PROMISE),
    ("acks", PROMISE),
    ("request.required.acks", PROMISE),
    ("max.in.flight", PROMISE),
    ("max.in.flight.requests.per.connection", PROMISE),
    ("retries", PROMISE),
    ("message.send.max.retries", PROMISE),
    ("queuing.strategy", PROMISE),
    ("isolation.level", PROMISE),
    ("auto.offset.reset", PROMISE),
    ("partitioner", PROMISE),
    ("check.crcs", PROMISE),
    ("transactional.id", FIXED),
    ("group.id", FIXED),
    ("enable.auto.commit", FIXED),
    ("enable.auto.offset.store", FIXED),
    ("enable.partition.eof", FIXED),
    ("allow.auto.create.topics", FIXED),
    ("queue.buffering.max.messages", FIXED),
    ("queue.buffering.max.kbytes", FIXED),
    ("bootstrap.servers", OURS),
    ("metadata.broker.list", OURS),
    ("message.max.bytes", OURS),
    ("message.timeout.ms", OURS),
    ("delivery.timeout.ms", OURS),
    ("linger.ms", OURS),
    ("queue.buffering.max.ms", OURS),
    ("batch.size", OURS),
    ("compression.type", OURS),
    ("compression.codec", OURS),
    ("topic.metadata.refresh.interval.ms", OURS),
];

/// librdkafka takes at most 1 000 000 000, and counts its own overhead in.
const MAX_MESSAGE_BYTES: usize = 900_000_000;
/// What Kafka's format adds to a single record, generously.
const MESSAGE_OVERHEAD: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_cannot_be_overridden() {
        for (name, _) in RESERVED {
            let properties = [(*name, "1")].into_iter().collect();
            let error = KafkaSettings { properties, ..KafkaSettings::default() }.check().expect_err(name);
            assert!(error.to_string().contains(name), "{error}");
        }
        let properties = [("sasl.username", "u"), ("security.protocol", "ssl")].into_iter().collect();
        assert_eq!(KafkaSettings { properties, ..KafkaSettings::default() }.check(), Ok(()));
    }

    #[test]
    fn no_property_value_is_shown() {
        let properties: Properties = [("sasl.password", "hunter2")].into_iter().collect();
        let settings = KafkaSettings { properties, ..KafkaSettings::default() };
        let shown = format!("{settings:?}");
        assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn compressions_by_name() {
        assert_eq!("lz4".parse(), Ok(Compression::Lz4));
        assert!("rar".parse::<Compression>().is_err());
    }
}

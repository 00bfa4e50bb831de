//! `[kafka]`: where the brokers are and how to talk to them; property values are secrets.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize, Serializer};

/// Kafka as the broker. Without `brokers` nothing here has an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// First brokers to ask, `HOST:PORT`; in the environment and on the command line separated by commas. Default: none,
    /// and then no Kafka is used.
    pub brokers: Vec<String>,
    /// Milliseconds a message may wait for others to share its batch, 0 to 5. Default 1: within 0.2 ms of 0 at half the
    /// CPU. Source: librdkafka `linger.ms`.
    pub linger_ms: u32,
    /// Compression of batches. Default `none`. Source: librdkafka `compression.type`.
    pub compression: Compression,
    /// How a stream's id chooses its partition. Default `murmur2_random`, which chooses like Java and Quix clients. Source:
    /// librdkafka `partitioner`.
    pub partitioner: Partitioner,
    /// Further librdkafka properties (`security.protocol`, `sasl.…`, `ssl.…`), passed on as they are. Default: none. Those
    /// the server's promises rest on are refused ([`forced_property`]).
    pub properties: BTreeMap<String, Secret>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            linger_ms: 1,
            compression: Compression::None,
            partitioner: Partitioner::Murmur2Random,
            properties: BTreeMap::new(),
        }
    }
}

/// A text that is never shown: `Debug` and serialisation give `***`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

/// Why a librdkafka property may not be set under `kafka.properties`, if it may not.
pub fn forced_property(name: &str) -> Option<&'static str> {
    FORCED_PROPERTIES.iter().find(|(names, _)| names.contains(&name)).map(|(_, reason)| *reason)
}

/// Properties of librdkafka, and their aliases, that have a setting of their own or that a promise rests on.
const FORCED_PROPERTIES: [(&[&str], &str); 12] = [
    (&["bootstrap.servers", "metadata.broker.list"], "has a setting of its own: kafka.brokers"),
    (&["linger.ms", "queue.buffering.max.ms"], "has a setting of its own: kafka.linger_ms"),
    (&["compression.type", "compression.codec"], "has a setting of its own: kafka.compression"),
    (&["partitioner"], "has a setting of its own: kafka.partitioner"),
    (&["message.timeout.ms", "delivery.timeout.ms"], "has a setting of its own: limits.delivery_timeout"),
    (&["queue.buffering.max.messages"], "follows from limits.write_backlog_messages"),
    (&["queue.buffering.max.kbytes"], "follows from limits.write_backlog_bytes"),
    (&["message.max.bytes", "max.message.bytes"], "follows from limits.message_size and limits.body_size"),
    (&["acks", "request.required.acks"], "is always all: acknowledged means durable"),
    (
        &[
            "enable.idempotence",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "retries",
            "message.send.max.retries",
            "transactional.id",
        ],
        "is the server's own: order and no duplicates rest on it",
    ),
    (
        &[
            "isolation.level",
            "auto.offset.reset",
            "enable.auto.commit",
            "auto.commit.enable",
            "enable.auto.offset.store",
            "check.crcs",
        ],
        "is the server's own: readers without gaps rest on it",
    ),
    (&["group.id", "group.instance.id"], "is the server's own: it uses no consumer group"),
];

/// An enum whose values are words in the configuration and in librdkafka alike.
macro_rules! words {
    ($(#[$docs:meta])* $name:ident { $($(#[$value_docs:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$docs])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum $name { $($(#[$value_docs])* $value,)+ }

        impl $name {
            /// The word for it, in the configuration and in librdkafka.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word,)+ }
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                match text.as_str() {
                    $($word => Ok(Self::$value),)+
                    _ => Err(format!("must be one of {}, not {text:?}", [$($word),+].join(", "))),
                }
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.as_str().to_owned()
            }
        }
    };
}

pub(super) use words;

words! {
    /// Compression of Kafka batches.
    Compression {
        /// As they are.
        None = "none",
        /// Old and everywhere.
        Gzip = "gzip",
        /// Fast, modest.
        Snappy = "snappy",
        /// Fastest.
        Lz4 = "lz4",
        /// Smallest; for slow links.
        Zstd = "zstd",
    }
}

words! {
    /// How a key chooses a partition. librdkafka's `random` is not among them: one stream stays in one partition.
    Partitioner {
        /// CRC-32; messages without a key share one partition.
        Consistent = "consistent",
        /// CRC-32; messages without a key go anywhere.
        ConsistentRandom = "consistent_random",
        /// As Java; messages without a key share one partition.
        Murmur2 = "murmur2",
        /// As Java; messages without a key go anywhere.
        Murmur2Random = "murmur2_random",
        /// FNV-1a; messages without a key share one partition.
        Fnv1a = "fnv1a",
        /// FNV-1a; messages without a key go anywhere.
        Fnv1aRandom = "fnv1a_random",
    }
}

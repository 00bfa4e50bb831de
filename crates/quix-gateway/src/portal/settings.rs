//! `PortalSettings`: what is told of Kafka, and to whom.

use std::collections::BTreeMap;
use std::fmt;

/// What the portal answers with.
#[derive(Debug, Clone)]
pub struct PortalSettings {
    /// Whether there is a portal; else its addresses answer 404.
    pub is_on: bool,
    /// How programs reach Kafka, or the sentence that says why nobody is told.
    pub kafka: Result<KafkaAccess, &'static str>,
    /// What the broker's names of topics have before those that are said here: nothing, the default, or the workspace in small
    /// letters and `-`. A topic's id begins with it.
    pub topic_prefix: String,
    /// Whether topics are made for programs, whose tokens need the right `create_topics` for it. Default yes.
    pub create_topics: bool,
    /// Partitions that a program may ask for. Default 64.
    pub max_partitions: i32,
    /// Whether passwords are told over HTTP without TLS to other machines, as behind a proxy that has the TLS. Default no.
    pub allow_plain_http: bool,
}

impl Default for PortalSettings {
    fn default() -> Self {
        Self {
            is_on: true,
            kafka: Err(EMBEDDED_ONLY),
            topic_prefix: String::new(),
            create_topics: true,
            max_partitions: 64,
            allow_plain_http: false,
        }
    }
}

/// How a program reaches Kafka. Not how this server does: what it may is never handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaAccess {
    /// `HOST:PORT`, several with commas between.
    pub address: String,
    /// Whether the address leads to this server's Kafka on this machine only: programs elsewhere are not told it, which would
    /// try for ever.
    pub is_for_this_machine: bool,
    /// What the connection is protected by.
    pub security: Security,
    /// Certificates, in PEM, that vouch for the brokers. Default: those of the program's machine.
    pub ca: Option<String>,
    /// Who programs are at Kafka, where [`Security`] asks for it. Not those whose token lets them write nothing.
    pub credentials: Option<Credentials>,
    /// The same for tokens of single users, by `sub`, whatever else the token says.
    pub of_users: BTreeMap<String, Credentials>,
}

/// What a connection to Kafka is protected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Security {
    /// Nothing.
    #[default]
    PlainText,
    /// TLS.
    Ssl,
    /// A password.
    Sasl(Mechanism),
    /// Both.
    SaslSsl(Mechanism),
}

/// How a password is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// By telling it.
    Plain,
    /// By SHA-256.
    ScramSha256,
    /// By SHA-512.
    ScramSha512,
}

/// A user of Kafka. `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Name at Kafka.
    pub username: String,
    /// What it is proved by.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Security {
    /// As Quix's workspaces have it.
    pub(super) fn quix(self) -> &'static str {
        match self {
            Self::PlainText => "PlainText",
            Self::Ssl => "Ssl",
            Self::Sasl(_) => "Sasl",
            Self::SaslSsl(_) => "SaslSsl",
        }
    }

    /// As librdkafka has it (`security.protocol`).
    pub fn kafka(self) -> &'static str {
        match self {
            Self::PlainText => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::Sasl(_) => "SASL_PLAINTEXT",
            Self::SaslSsl(_) => "SASL_SSL",
        }
    }

    /// Of a password, where there is one.
    pub fn mechanism(self) -> Option<Mechanism> {
        match self {
            Self::PlainText | Self::Ssl => None,
            Self::Sasl(mechanism) | Self::SaslSsl(mechanism) => Some(mechanism),
        }
    }

    pub(super) fn is_encrypted(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl(_))
    }
}

impl Mechanism {
    /// As Quix's workspaces have it.
    pub(super) fn quix(self) -> &'static str {
        match self {
            Self::Plain => "Plain",
            Self::ScramSha256 => "ScramSha256",
            Self::ScramSha512 => "ScramSha512",
        }
    }

    /// As librdkafka has it (`sasl.mechanism`).
    pub fn kafka(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Why no program can be told of Kafka where there is none.
pub const EMBEDDED_ONLY: &str = "This server runs on its embedded broker, which Kafka clients cannot reach. Start it with a \
                                 Kafka cluster, or send through the HTTP API or the hub.";

/// Why a program is told nothing that would not find what it is told of.
pub const NO_ADDRESS: &str = "This server does not know at which address programs reach Kafka. Set portal.kafka_address in \
                              its settings, or send through the HTTP API or the hub.";

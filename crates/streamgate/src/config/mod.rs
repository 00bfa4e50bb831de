//! The configuration: one struct with defaults, filled from flags, environment and file, in this order of precedence.

mod auth;
mod check;
mod environment;
mod error;
mod file;
mod kafka;
mod limits;
mod log;
mod networks;
mod origins;
mod portal;
mod schema;
mod show;
mod sources;
#[cfg(test)]
mod tests;
mod tls;
mod topics;
mod units;
mod values;
mod ways;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use ::ways::{fields, webhook::WebhookConfig};
use serde::{Deserialize, Serialize};

pub(crate) use self::topics::{read_rules, write_rules};
pub use self::{
    auth::{AuthConfig, KeyConfig, KeyMaterial},
    error::{ConfigError, Placed},
    kafka::{Compression, KafkaConfig, Partitioner, Secret, forced_property},
    limits::Limits,
    log::LogConfig,
    networks::Network,
    origins::AllowedOrigin,
    portal::{PasswordSource, PortalConfig, PortalUser, Protocol, SaslMechanism},
    show::show,
    sources::{DEFAULT_FILE, FileChoice, Loaded, Origin, Setting, Sources, load},
    tls::TlsConfig,
    topics::{Form, ReadAs, Split, TopicConfig},
    units::{UnitError, format_duration, format_size, parse_duration, parse_size},
    ways::{Destinations, PollingSources},
};

/// Everything the server can be told. Built by [`load`], which also knows where each value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port of the hubs and the HTTP API. Default `127.0.0.1:8080`; port 0 takes any free one. Loopback only, as
    /// long as there is no authentication and `auth.insecure_no_auth` does not say otherwise. A port that is taken ends the start.
    #[serde(deserialize_with = "values::address")]
    pub listen: SocketAddr,
    /// Address and port of health, metrics and administration. Default `127.0.0.1:9090`. A port that is taken ends the start
    /// if it was asked for ([`Loaded::is_set`]), else the server says so and runs without.
    #[serde(deserialize_with = "values::address")]
    pub admin_listen: SocketAddr,
    /// Folder that topics are kept in, made if it is not there. Default `streamgate-data` in the working directory, under
    /// systemd `$STATE_DIRECTORY`. One process at a time can use it. Not together with `memory` or `kafka.brokers`.
    #[serde(deserialize_with = "values::folder")]
    pub data: PathBuf,
    /// Keeps topics in memory only: they end with the process. Default off. Not together with `data` or `kafka.brokers`.
    pub memory: bool,
    /// Address and port where Kafka clients find the topics of the data folder; `None`, written `"off"`, for nowhere. Default
    /// `127.0.0.1:9092`. There is no authentication in it: an address that other machines can reach must be asked for, and where
    /// tokens are, any. A port that is taken ends the start if it was asked for, else the server says so and runs without.
    #[serde(with = "values::address_or_off")]
    pub kafka_listen: Option<SocketAddr>,
    /// `HOST:PORT` by which Kafka clients reach `kafka_listen`. `None`, written `"auto"`, is the default: the address a client
    /// has connected to.
    #[serde(with = "values::auto_text")]
    pub kafka_advertised: Option<String>,
    /// Whether the first write to, or subscription of, an unknown topic makes it; else that is an error. `None`, written
    /// `"auto"`, is the default: see [`Config::makes_topics`].
    #[serde(with = "values::auto")]
    pub create_topics: Option<bool>,
    /// Workspace of requests whose host name names none; a topic's id is `<workspace>-<name>`. Default `local`.
    #[serde(deserialize_with = "values::workspace")]
    pub workspace: String,
    /// Whether the names of topics begin with the workspace in small letters and `-` at the broker, and only there, as Quix has
    /// it: for the workspace `Acme` the topic `cpu-load` of pages, programs and settings is `acme-cpu-load` in Kafka; topics that
    /// begin otherwise are none of this server's. Default off: topics are called alike everywhere.
    pub workspace_prefix: bool,
    /// Origins whose web pages may use the server. Default `["auto"]`: any with authentication, as pages carry their tokens
    /// themselves, else those of this machine. Others get 403 and no CORS headers.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Addresses and networks of proxies, from which `Forwarded` and `X-Forwarded-For` are believed: the client's address, for
    /// limits per address and for the log, is then the last one they name that is no such proxy's. Default none: from anyone
    /// else these headers are ignored.
    pub trusted_proxies: Vec<Network>,
    /// Sends the texts of unexpected errors to clients, for development. Default off. Source: ASP.NET Core
    /// `EnableDetailedErrors`.
    pub detailed_errors: bool,
    /// Who may use the server.
    pub auth: AuthConfig,
    /// TLS of `listen`.
    pub tls: TlsConfig,
    /// Kafka as the broker.
    pub kafka: KafkaConfig,
    /// The data folder as the broker.
    pub log: LogConfig,
    /// What programs on Quix Streams are told of Kafka.
    pub portal: PortalConfig,
    /// Bounds.
    pub limits: Limits,
    /// How records are written and read, by topic. Default: none, and then all as [`TopicConfig`] has it.
    pub topics: BTreeMap<String, TopicConfig>,
    /// Inbound webhooks, each below a line `[[webhooks]]`. Default none. Only a settings file can hold them.
    #[serde(deserialize_with = "fields::entries")]
    pub webhooks: Vec<WebhookConfig>,
    /// What is fetched from elsewhere.
    pub sources: PollingSources,
    /// What is sent elsewhere.
    pub destinations: Destinations,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            admin_listen: (Ipv4Addr::LOCALHOST, 9090).into(),
            data: "streamgate-data".into(),
            memory: false,
            kafka_listen: Some((Ipv4Addr::LOCALHOST, 9092).into()),
            kafka_advertised: None,
            create_topics: None,
            workspace: "local".to_owned(),
            workspace_prefix: false,
            allowed_origins: vec![AllowedOrigin::Auto],
            trusted_proxies: Vec::new(),
            detailed_errors: false,
            auth: AuthConfig::default(),
            tls: TlsConfig::default(),
            kafka: KafkaConfig::default(),
            log: LogConfig::default(),
            portal: PortalConfig::default(),
            limits: Limits::default(),
            topics: BTreeMap::new(),
            webhooks: Vec::new(),
            sources: PollingSources::default(),
            destinations: Destinations::default(),
        }
    }
}

/// Where topics are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In the data folder.
    Folder,
    /// In memory.
    Memory,
    /// In Kafka.
    Kafka,
}

impl Config {
    /// Whose pages may use the server: `allowed_origins` with what `auto` stands for.
    pub fn origins(&self) -> Vec<AllowedOrigin> {
        let auto = if self.auth.is_on() { AllowedOrigin::Any } else { AllowedOrigin::Loopback };
        let spelt = self.allowed_origins.iter();
        spelt.map(|origin| if *origin == AllowedOrigin::Auto { auto.clone() } else { origin.clone() }).collect()
    }

    /// Where topics are kept: in the data folder, unless something else was asked for.
    pub fn storage(&self) -> Storage {
        match (self.memory, self.kafka.brokers.is_empty()) {
            (true, _) => Storage::Memory,
            (false, true) => Storage::Folder,
            (false, false) => Storage::Kafka,
        }
    }

    /// What the names of topics begin with at the broker; nothing, where they are called alike everywhere.
    pub fn topic_prefix(&self) -> String {
        if self.workspace_prefix { format!("{}-", self.workspace.to_ascii_lowercase()) } else { String::new() }
    }

    /// Where Kafka clients are to be served, if anywhere.
    pub fn kafka_listener(&self) -> Option<SocketAddr> {
        self.kafka_listen.filter(|_| self.storage() == Storage::Folder)
    }

    /// Whether topics are made by their first use: as `create_topics` says, else only on loopback without Kafka.
    pub fn makes_topics(&self) -> bool {
        self.create_topics.unwrap_or_else(|| self.listen.ip().is_loopback() && self.kafka.brokers.is_empty())
    }
}

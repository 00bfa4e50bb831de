//! The configuration: one struct with defaults, filled from flags, environment and file, in this order of precedence.

mod check;
mod environment;
mod error;
mod file;
mod kafka;
mod limits;
mod origins;
mod schema;
mod show;
mod sources;
#[cfg(test)]
mod tests;
mod units;
mod values;

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use self::{
    error::{ConfigError, Placed},
    kafka::{Compression, KafkaConfig, Partitioner, Secret, forced_property},
    limits::Limits,
    origins::AllowedOrigin,
    show::show,
    sources::{DEFAULT_FILE, FileChoice, Loaded, Origin, Setting, Sources, load},
    units::{UnitError, format_duration, format_size, parse_duration, parse_size},
};

/// Everything the server can be told. Built by [`load`], which also knows where each value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port of the hubs and the HTTP API. Default `127.0.0.1:8080`; port 0 takes any free one. Loopback only, as
    /// long as there is no authentication. A port that is taken ends the start.
    #[serde(deserialize_with = "values::address")]
    pub listen: SocketAddr,
    /// Address and port of health, metrics and administration. Default `127.0.0.1:9090`. A port that is taken ends the start
    /// if it was asked for ([`Loaded::is_set`]), else the server says so and runs without.
    #[serde(deserialize_with = "values::address")]
    pub admin_listen: SocketAddr,
    /// Keeps topics in memory only: they end with the process. Default off. Not together with `kafka.brokers`.
    pub memory: bool,
    /// Whether the first write to, or subscription of, an unknown topic makes it; else that is an error. `None`, written
    /// `"auto"`, is the default: see [`Config::makes_topics`].
    #[serde(with = "values::auto")]
    pub create_topics: Option<bool>,
    /// Workspace of requests whose host name names none; a topic's id is `<workspace>-<name>`. Default `local`.
    #[serde(deserialize_with = "values::workspace")]
    pub workspace: String,
    /// Origins whose web pages may use the server. Default `["loopback"]`. Others get 403 and no CORS headers.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Sends the texts of unexpected errors to clients, for development. Default off. Source: ASP.NET Core
    /// `EnableDetailedErrors`.
    pub detailed_errors: bool,
    /// Kafka as the broker.
    pub kafka: KafkaConfig,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            admin_listen: (Ipv4Addr::LOCALHOST, 9090).into(),
            memory: false,
            create_topics: None,
            workspace: "local".to_owned(),
            allowed_origins: vec![AllowedOrigin::Loopback],
            detailed_errors: false,
            kafka: KafkaConfig::default(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Whether topics are made by their first use: as `create_topics` says, else only on loopback without Kafka.
    pub fn makes_topics(&self) -> bool {
        self.create_topics.unwrap_or_else(|| self.listen.ip().is_loopback() && self.kafka.brokers.is_empty())
    }
}

//! `[[sources.poll]]` and `[[destinations.webhook]]`: lists whose entries the crate `ways` reads.

use ::ways::{destination::DestinationConfig, fields, poll::PollConfig};
use serde::{Deserialize, Serialize};

/// What is fetched from elsewhere. Only a settings file can hold it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PollingSources {
    /// By HTTP at intervals, each source below a line `[[sources.poll]]`. Default none.
    #[serde(deserialize_with = "fields::entries")]
    pub poll: Vec<PollConfig>,
}

/// What is sent elsewhere. Only a settings file can hold it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Destinations {
    /// By HTTP for records of a topic, each destination below a line `[[destinations.webhook]]`. Default none.
    #[serde(deserialize_with = "fields::entries")]
    pub webhook: Vec<DestinationConfig>,
}

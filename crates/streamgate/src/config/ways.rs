//! `[[sources.poll]]` and `[[destinations.webhook]]`: lists whose entries the crate `ways` reads.

use std::collections::BTreeSet;

use ::ways::{destination::DestinationConfig, fields, poll::PollConfig};
use serde::{Deserialize, Serialize};

/// What is fetched from elsewhere. Only a settings file can hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PollingSources {
    /// Whether this server does it. Default yes. Of several servers over one Kafka it is to be one: the others are started
    /// with `STREAMGATE_SOURCES__ENABLED=false`.
    pub enabled: bool,
    /// By HTTP at intervals, each source below a line `[[sources.poll]]`. Default none.
    #[serde(deserialize_with = "fields::entries")]
    pub poll: Vec<PollConfig>,
}

/// What is sent elsewhere. Only a settings file can hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Destinations {
    /// Whether this server does it. Default yes. Of several servers over one Kafka it is to be one: the others are started
    /// with `STREAMGATE_DESTINATIONS__ENABLED=false`.
    pub enabled: bool,
    /// By HTTP for records of a topic, each destination below a line `[[destinations.webhook]]`. Default none.
    #[serde(deserialize_with = "fields::entries")]
    pub webhook: Vec<DestinationConfig>,
}

impl Default for PollingSources {
    fn default() -> Self {
        Self { enabled: true, poll: Vec::new() }
    }
}

impl Default for Destinations {
    fn default() -> Self {
        Self { enabled: true, webhook: Vec::new() }
    }
}

/// The setting of which two entries have the same name, and that name.
pub(super) fn same_name(sources: &PollingSources, destinations: &Destinations) -> Option<(&'static str, String)> {
    let source = twice(sources.poll.iter().map(|source| &*source.name)).map(|name| ("sources.poll", name));
    let destination =
        || twice(destinations.webhook.iter().map(|to| &*to.name)).map(|name| ("destinations.webhook", name));
    source.or_else(destination)
}

fn twice<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name)).map(str::to_owned)
}

//! Topics as the portal lists, finds and makes them. A topic's `id` is what Kafka calls it.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use kafka_bridge::broker::{CreateTopicError, TopicInfo};
use kafka_bridge::names::check_topic_name;
use kafka_bridge::topic_settings::{Cleanup, TopicSettings};
use serde::Serialize;

use super::Portal;
use super::leaders::ERROR;
use super::new_topic::Wanted;
use super::refusal::Refusal;
use crate::errors::Failure;
use crate::topics::behind_workspace;
use crate::visitor::Visitor;

/// A topic. Clients wait for one without a status, and stop at a word that they do not know.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TopicDocument {
    id: String,
    name: String,
    workspace_id: String,
    status: &'static str,
    /// With the status `Error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'static str>,
    /// Of one that was looked up; a list says less.
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<Configuration>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    partitions: i32,
    replication_factor: i32,
    /// -1: without a limit.
    retention_in_minutes: i64,
    /// -1: without a limit.
    retention_in_bytes: i64,
    cleanup_policy: &'static str,
}

impl Portal {
    /// The topics that the visitor may know of, by name.
    pub(super) async fn topics(&self, visitor: &Visitor) -> Result<Vec<TopicDocument>, Refusal> {
        let topics = self.gateway.in_time(self.recent.topics(&*self.gateway.broker, Instant::now())).await?;
        let visible = topics.iter().filter(|topic| visitor.may_see(&topic.name));
        Ok(visible.map(|topic| self.document(topic, None)).collect())
    }

    /// One of them, by name or id.
    pub(super) async fn topic(&self, visitor: &Visitor, text: &str) -> Result<TopicDocument, Refusal> {
        let mut refused = Failure::UnknownTopic(text.to_owned());
        for name in self.names_of(text).into_iter().flatten().filter(|name| check_topic_name(name).is_ok()) {
            if !visitor.may_see(name) {
                refused = Failure::Forbidden { scope: format!("write:{name}") };
            } else if let Some(topic) = self.gateway.in_time(self.gateway.broker.topic(name)).await? {
                return self.whole(topic).await;
            }
        }
        Err(refused.into())
    }

    /// Makes a topic, which clients can use once this completes.
    pub(super) async fn make_topic(&self, visitor: &Visitor, body: &[u8]) -> Result<TopicDocument, Refusal> {
        let wanted = Wanted::read(body, self.settings.max_partitions)
            .map_err(|message| Refusal::new(StatusCode::BAD_REQUEST, message))?;
        let name = behind_workspace(&wanted.name, self.workspace()).unwrap_or(&wanted.name);
        let gateway = &self.gateway;
        check_topic_name(name).map_err(|error| Failure::invalid(name, &error))?;
        if !visitor.may_see(name) {
            return Err(Failure::Forbidden { scope: format!("write:{name}") }.into());
        }
        let is_there = gateway.in_time(gateway.broker.topic(name)).await?.is_some();
        let forbidden = if !self.settings.create_topics {
            Some("The portal of this server may not create topics")
        } else if !visitor.may_create_topics() {
            Some("This token may not create topics")
        } else {
            None
        };
        if let Some(why) = forbidden {
            // One that is there is no question of making: a client that calls it by its id asks so.
            return Err(if is_there { exists(&wanted.name) } else { not_made(name, why) });
        }
        // Even if it is there: who asks has just not found it, and other brokers may still be about to hear of it.
        match gateway.in_time(gateway.topics.create_named(visitor, name, wanted.topic)).await {
            Ok(topic) => {
                self.recent.forget().await;
                tracing::info!(topic = topic.name, partitions = topic.partitions, "topic made for a program");
                self.whole(topic).await
            }
            Err(Failure::Create(CreateTopicError::Exists(_))) => Err(exists(&wanted.name)),
            Err(_) if is_there => Err(exists(&wanted.name)), // Kafka may let us make none
            Err(failure) => {
                gateway.count(&failure);
                Err(failure.into())
            }
        }
    }

    /// What a topic that is called so may be named: exactly this, and what stands behind the workspace; that first where ids have
    /// the workspace.
    fn names_of<'t>(&self, text: &'t str) -> [Option<&'t str>; 2] {
        let names = [Some(text), behind_workspace(text, self.workspace())];
        if self.settings.topic_prefix.is_empty() { names } else { [names[1], names[0]] }
    }

    async fn whole(&self, topic: TopicInfo) -> Result<TopicDocument, Refusal> {
        let gateway = &self.gateway;
        // A broker that is asked how a new topic is kept may hear of it later than others.
        for _ in 0..TRIES {
            if let Some(settings) = gateway.in_time(gateway.broker.topic_settings(&topic.name)).await? {
                return Ok(self.document(&topic, Some(configuration(topic.partitions, settings))));
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        Err(Failure::UnknownTopic(topic.name).into())
    }

    fn document(&self, topic: &TopicInfo, configuration: Option<Configuration>) -> TopicDocument {
        let status = self.leaders.status(topic, Instant::now());
        TopicDocument {
            id: [&self.settings.topic_prefix, &*topic.name].concat(),
            name: topic.name.clone(),
            workspace_id: self.workspace().to_owned(),
            status,
            last_error: (status == ERROR).then_some(NO_LEADER),
            configuration,
        }
    }
}

fn configuration(partitions: i32, settings: TopicSettings) -> Configuration {
    Configuration {
        partitions,
        replication_factor: settings.replication_factor,
        // Less than a minute is not none.
        retention_in_minutes: if settings.retention_ms < 0 { -1 } else { (settings.retention_ms / 60_000).max(1) },
        retention_in_bytes: settings.retention_bytes,
        cleanup_policy: match settings.cleanup {
            Cleanup::Delete => "Delete",
            Cleanup::Compact => "Compact",
            Cleanup::CompactAndDelete => BOTH,
        },
    }
}

/// In the words that clients look for, which then go on with the topic that is there.
fn exists(name: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, format!("Topic with name similar to '{name}' already exists."))
}

fn not_made(name: &str, why: &str) -> Refusal {
    let message = format!(
        "{why}, and there is no topic '{name}'. Make it before, or let it: the setting portal.create_topics and the token's \
         right create_topics decide."
    );
    Refusal::new(StatusCode::FORBIDDEN, message)
}

const NO_LEADER: &str = "Partitions of this topic have no leader. See that all brokers of Kafka run.";

/// Until a topic whose configuration nobody knows counts as gone: a second.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Quix's word for a topic that is compacted and whose old records are deleted as well.
pub(super) const BOTH: &str = "DeleteAndCompact";

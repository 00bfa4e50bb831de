//! Metadata: this broker, its topics; makes missing ones where the client and the configuration want it.

use std::{collections::BTreeSet, sync::Arc};

use kafka_protocol::{
    ResponseError,
    messages::{
        MetadataRequest, MetadataResponse, TopicName,
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
    protocol::StrBytes,
};

use super::{
    errors,
    node::{BROKER, Client, Node, is_internal, topic_name},
    request::{Refusal, Request},
    response::Response,
};
use crate::{Topic, TopicError, partition::LEADER_EPOCH};

pub(super) async fn answer(node: Arc<Node>, client: Client, request: Request) -> Result<Response, Refusal> {
    let asked: MetadataRequest = request.decode()?;
    let version = request.version;
    let broker = MetadataResponseBroker::default().with_node_id(BROKER).with_host(client.host).with_port(client.port);
    let mut response = MetadataResponse::default().with_brokers(vec![broker]);
    if version >= 1 {
        response.controller_id = BROKER;
    }
    if version >= 2 {
        response.cluster_id = Some(StrBytes::from_string(node.log.id().to_owned()));
    }
    // Version 0 asks for all topics by naming none.
    response.topics = match asked.topics.filter(|topics| version > 0 || !topics.is_empty()) {
        None => {
            let visible = node.log.topics().into_iter().filter(|topic| !is_internal(topic.name()));
            visible.map(|topic| describe(&topic, version)).collect()
        }
        Some(topics) => {
            let names = topics.into_iter().filter_map(|topic| topic.name);
            named(&node, names.collect(), asked.allow_auto_topic_creation, version).await
        }
    };
    Response::new(&request, &response)
}

async fn named(node: &Node, names: BTreeSet<TopicName>, create: bool, version: i16) -> Vec<MetadataResponseTopic> {
    let create = create && node.options.auto_create_topics;
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let topic = match node.writable_topic(&name) {
            Err(ResponseError::UnknownTopicOrPartition) if create => self::create(node, &name).await,
            other => other,
        };
        found.push(match topic {
            Ok(topic) => describe(&topic, version),
            Err(error) => MetadataResponseTopic::default().with_name(Some(name)).with_error_code(error.code()),
        });
    }
    found
}

async fn create(node: &Node, name: &str) -> Result<Arc<Topic>, ResponseError> {
    match node.log.create_topic(name, node.options.default_partitions, Vec::new()).await {
        Ok(topic) => {
            tracing::info!(topic = name, partitions = topic.partition_count(), "topic made, a client asked about it");
            Ok(topic)
        }
        // Somebody was quicker.
        Err(TopicError::Exists(_)) => node.log.topic(name).ok_or(ResponseError::UnknownTopicOrPartition),
        Err(error) => Err(errors::topic(&error)),
    }
}

fn describe(topic: &Topic, version: i16) -> MetadataResponseTopic {
    let partitions = (0..topic.partition_count()).map(|number| {
        let partition = MetadataResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(BROKER)
            .with_replica_nodes(vec![BROKER])
            .with_isr_nodes(vec![BROKER]);
        if version >= 7 { partition.with_leader_epoch(LEADER_EPOCH) } else { partition }
    });
    MetadataResponseTopic::default().with_name(Some(topic_name(topic.name()))).with_partitions(partitions.collect())
}

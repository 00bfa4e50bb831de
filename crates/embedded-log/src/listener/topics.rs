//! CreateTopics, DeleteTopics, CreatePartitions.

use std::{collections::HashSet, sync::Arc};

use kafka_protocol::{
    ResponseError,
    messages::{
        BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
        DeleteTopicsRequest, DeleteTopicsResponse, TopicName, create_partitions_request::CreatePartitionsTopic,
        create_partitions_response::CreatePartitionsTopicResult, create_topics_request::CreatableTopic,
        create_topics_response::CreatableTopicResult, delete_topics_response::DeletableTopicResult,
    },
    protocol::StrBytes,
};

use super::{
    errors,
    node::{BROKER, Node, is_internal},
    request::{Refusal, Request},
    response::Response,
};
use crate::TopicError;

/// A code, and a sentence for people.
type Refused = (ResponseError, String);

pub(super) async fn create(node: Arc<Node>, request: Request) -> Result<Response, Refusal> {
    let asked: CreateTopicsRequest = request.decode()?;
    let mut response = CreateTopicsResponse::default();
    let mut known = HashSet::new();
    for topic in asked.topics {
        if !known.insert(topic.name.clone()) {
            continue;
        }
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        response.topics.push(match create_one(&node, &topic, asked.validate_only).await {
            Ok(()) => result,
            Err((error, message)) => {
                result.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(message)))
            }
        });
    }
    Response::new(&request, &response)
}

async fn create_one(node: &Node, topic: &CreatableTopic, validate_only: bool) -> Result<(), Refused> {
    let (name, partitions) = (topic.name.as_str(), partitions(node, topic)?);
    if is_internal(name) {
        return Err((ResponseError::InvalidTopicException, "names with a leading '__' are reserved".to_owned()));
    }
    if topic.replication_factor > 1 {
        let message = format!("there is one broker: a replication factor of {} cannot be", topic.replication_factor);
        return Err((ResponseError::InvalidReplicationFactor, message));
    }
    if topic.configs.len() > MAX_SETTINGS {
        return Err((ResponseError::InvalidConfig, format!("more than {MAX_SETTINGS} settings")));
    }
    let settings = topic.configs.iter().filter_map(|it| Some((it.name.to_string(), it.value.as_ref()?.to_string())));
    let settings: Vec<_> = settings.collect();
    if let Some((name, _)) = settings.iter().find(|(name, value)| name.len() + value.len() > MAX_SETTING_BYTES) {
        return Err((ResponseError::InvalidConfig, format!("setting '{name:.100}' is too long")));
    }
    if validate_only {
        return check_name(node, name);
    }
    let without_effect = without_effect(&settings);
    let made = node.log.create_topic(name, partitions, settings).await;
    made.map_err(|error| (errors::topic(&error), error.to_string()))?;
    tracing::info!(topic = name, partitions, "topic made");
    if !without_effect.is_empty() {
        tracing::warn!(
            topic = name,
            asked = without_effect,
            "a topic has no retention of its own here and is never compacted; it is kept as the whole log is"
        );
    }
    Ok(())
}

/// As asked for by number, by listing them, or the default.
fn partitions(node: &Node, topic: &CreatableTopic) -> Result<i32, Refused> {
    if !topic.assignments.is_empty() {
        if topic.assignments.iter().any(|it| !only_us(&it.broker_ids)) {
            let message = format!("the only broker is {}", BROKER.0);
            return Err((ResponseError::InvalidReplicaAssignment, message));
        }
        return Ok(topic.assignments.len() as i32);
    }
    match topic.num_partitions {
        -1 => Ok(node.options.default_partitions),
        partitions if partitions < 1 => {
            Err((ResponseError::InvalidPartitions, format!("a topic cannot have {partitions} partitions")))
        }
        partitions => Ok(partitions),
    }
}

/// What was asked for and is kept, but not done.
fn without_effect(settings: &[(String, String)]) -> String {
    let asks = |(name, value): &&(String, String)| match name.as_str() {
        "cleanup.policy" => value != "delete",
        "retention.ms" | "retention.bytes" => true,
        _ => false,
    };
    let asked = settings.iter().filter(asks).map(|(name, value)| format!("{name}={value}"));
    asked.collect::<Vec<_>>().join(" ")
}

/// The rest is for the log to say, which is not asked here.
fn check_name(node: &Node, name: &str) -> Result<(), Refused> {
    let characters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !characters || !(1..=249).contains(&name.len()) || name == "." || name == ".." {
        let error = TopicError::InvalidName(name.to_owned());
        return Err((errors::topic(&error), error.to_string()));
    }
    match node.log.topic(name) {
        Some(_) => Err((ResponseError::TopicAlreadyExists, TopicError::Exists(name.to_owned()).to_string())),
        None => Ok(()),
    }
}

pub(super) async fn delete(node: Arc<Node>, request: Request) -> Result<Response, Refusal> {
    let asked: DeleteTopicsRequest = request.decode()?;
    let mut response = DeleteTopicsResponse::default();
    let mut known = HashSet::new();
    for name in asked.topic_names {
        if !known.insert(name.clone()) {
            continue;
        }
        let deleted = delete_one(&node, &name).await;
        let result = DeletableTopicResult::default().with_name(Some(name)).with_error_code(errors::code(deleted));
        response.responses.push(result);
    }
    Response::new(&request, &response)
}

async fn delete_one(node: &Node, name: &TopicName) -> Result<(), ResponseError> {
    if is_internal(name) {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    node.log.delete_topic(name).await.map_err(|error| errors::topic(&error))?;
    tracing::info!(topic = name.as_str(), "topic deleted");
    Ok(())
}

pub(super) async fn add_partitions(node: Arc<Node>, request: Request) -> Result<Response, Refusal> {
    let asked: CreatePartitionsRequest = request.decode()?;
    let mut response = CreatePartitionsResponse::default();
    let mut known = HashSet::new();
    for topic in asked.topics {
        if !known.insert(topic.name.clone()) {
            continue;
        }
        let added = add_to_one(&node, &topic, asked.validate_only).await;
        let result = CreatePartitionsTopicResult::default().with_name(topic.name);
        response.results.push(match added {
            Ok(()) => result,
            Err((error, message)) => {
                result.with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(message)))
            }
        });
    }
    Response::new(&request, &response)
}

async fn add_to_one(node: &Node, asked: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refused> {
    let name = asked.name.as_str();
    let topic = node
        .topic(name)
        .ok_or_else(|| (ResponseError::UnknownTopicOrPartition, format!("there is no topic '{name:.249}'")))?;
    let present = topic.partition_count();
    if asked.count <= present {
        let message = format!("topic '{name}' has {present} partitions, it cannot get {} in all", asked.count);
        return Err((ResponseError::InvalidPartitions, message));
    }
    let assigned = asked.assignments.as_deref().unwrap_or_default();
    if assigned.iter().any(|it| !only_us(&it.broker_ids)) {
        return Err((ResponseError::InvalidReplicaAssignment, format!("the only broker is {}", BROKER.0)));
    }
    if validate_only {
        return Ok(());
    }
    let added = node.log.add_partitions(name, asked.count).await;
    added.map_err(|error| (errors::topic(&error), error.to_string()))?;
    tracing::info!(topic = name, partitions = asked.count, "partitions added");
    Ok(())
}

fn only_us(brokers: &[BrokerId]) -> bool {
    brokers == [BROKER]
}

const MAX_SETTINGS: usize = 100;
const MAX_SETTING_BYTES: usize = 4_096;

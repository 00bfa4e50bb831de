//! DescribeConfigs: settings of topics and of the broker, as far as there is something to say. Changing them is refused.

use std::{collections::HashSet, sync::Arc};

use kafka_protocol::{
    ResponseError,
    messages::{
        AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        alter_configs_response::AlterConfigsResourceResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
        incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResourceResponse,
    },
    protocol::StrBytes,
};

use super::{
    node::{BROKER, Node},
    request::{Refusal, Request},
    response::Response,
};

pub(super) fn describe(node: &Arc<Node>, request: &Request) -> Result<Response, Refusal> {
    let asked: DescribeConfigsRequest = request.decode()?;
    let mut known = HashSet::new();
    let resources = asked.resources.into_iter().filter(|it| known.insert((it.resource_type, it.resource_name.clone())));
    let results = resources.map(|resource| describe_one(node, resource, request.version)).collect();
    Response::new(request, &DescribeConfigsResponse::default().with_results(results))
}

fn describe_one(node: &Node, resource: DescribeConfigsResource, version: i16) -> DescribeConfigsResult {
    let name = resource.resource_name.clone();
    let result =
        DescribeConfigsResult::default().with_resource_type(resource.resource_type).with_resource_name(name.clone());
    let settings = match resource.resource_type {
        TOPIC => topic_settings(node, &name),
        BROKER_RESOURCE if name.is_empty() || *name == *BROKER.0.to_string() => Ok(broker_settings(node)),
        BROKER_RESOURCE => Err((ResponseError::InvalidRequest, "there is no such broker")),
        _ => Err((ResponseError::InvalidRequest, "only topics and brokers have settings")),
    };
    match settings {
        Ok(mut settings) => {
            if let Some(keys) = &resource.configuration_keys {
                settings.retain(|setting| keys.iter().any(|key| **key == *setting.name));
            }
            result.with_configs(settings.into_iter().map(|setting| setting.encode(version)).collect())
        }
        Err((error, message)) => {
            let message = StrBytes::from_static_str(message);
            result.with_error_code(error.code()).with_error_message(Some(message))
        }
    }
}

/// One setting, in the words of Kafka.
struct Setting {
    name: String,
    value: String,
    kind: i8,
    /// Whether somebody has chosen it.
    given: bool,
}

impl Setting {
    fn encode(self, version: i16) -> DescribeConfigsResourceResult {
        let source = if self.given { GIVEN } else { DEFAULT };
        let result = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_string(self.name))
            .with_value(Some(StrBytes::from_string(self.value)))
            .with_read_only(true)
            .with_config_source(source);
        if version >= 3 { result.with_config_type(self.kind) } else { result }
    }
}

fn topic_settings(node: &Node, name: &str) -> Result<Vec<Setting>, (ResponseError, &'static str)> {
    let topic = node.topic(name).ok_or((ResponseError::UnknownTopicOrPartition, "there is no such topic"))?;
    let log = node.log.options();
    let mut settings = vec![
        setting("cleanup.policy", LIST, "delete"),
        setting("compression.type", TEXT, "producer"),
        setting("delete.retention.ms", LONG, 86_400_000),
        setting("max.message.bytes", INT, log.max_batch_bytes),
        setting("message.timestamp.type", TEXT, "CreateTime"),
        setting("min.insync.replicas", INT, 1),
        setting("retention.bytes", LONG, -1),
        setting("retention.ms", LONG, log.retention_age.as_millis()),
        setting("segment.bytes", INT, log.segment_bytes),
        setting("unclean.leader.election.enable", BOOLEAN, false),
    ];
    for (name, value) in topic.settings() {
        match settings.iter_mut().find(|setting| setting.name == *name) {
            Some(setting) => (setting.value, setting.given) = (value.clone(), true),
            None => settings.push(Setting { given: true, ..setting(name, TEXT, value) }),
        }
    }
    Ok(settings)
}

fn broker_settings(node: &Node) -> Vec<Setting> {
    let (log, options) = (node.log.options(), &node.options);
    vec![
        setting("broker.id", INT, BROKER.0),
        setting("auto.create.topics.enable", BOOLEAN, options.auto_create_topics),
        setting("compression.type", TEXT, "producer"),
        setting("default.replication.factor", INT, 1),
        setting("delete.topic.enable", BOOLEAN, true),
        setting("group.initial.rebalance.delay.ms", INT, options.groups.initial_rebalance_delay.as_millis()),
        setting("group.max.session.timeout.ms", INT, options.groups.max_session_timeout.as_millis()),
        setting("group.min.session.timeout.ms", INT, options.groups.min_session_timeout.as_millis()),
        setting("log.cleanup.policy", LIST, "delete"),
        setting("log.message.timestamp.type", TEXT, "CreateTime"),
        setting("log.retention.bytes", LONG, log.retention_bytes),
        setting("log.retention.ms", LONG, log.retention_age.as_millis()),
        setting("message.max.bytes", INT, log.max_batch_bytes),
        setting("min.insync.replicas", INT, 1),
        setting("num.partitions", INT, options.default_partitions),
        setting("offsets.retention.minutes", INT, log.offsets_retention.as_secs() / 60),
    ]
}

fn setting(name: &str, kind: i8, value: impl ToString) -> Setting {
    Setting { name: name.to_owned(), value: value.to_string(), kind, given: false }
}

/// Settings come with a topic's making and have no effect; there is nothing to change.
pub(super) fn alter(request: &Request) -> Result<Response, Refusal> {
    let asked: AlterConfigsRequest = request.decode()?;
    let results = asked.resources.into_iter().map(|resource| {
        AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
            .with_error_code(ResponseError::PolicyViolation.code())
            .with_error_message(Some(StrBytes::from_static_str(CANNOT_CHANGE)))
    });
    Response::new(request, &AlterConfigsResponse::default().with_responses(results.collect()))
}

/// The same in its newer form.
pub(super) fn alter_incrementally(request: &Request) -> Result<Response, Refusal> {
    let asked: IncrementalAlterConfigsRequest = request.decode()?;
    let results = asked.resources.into_iter().map(|resource| {
        IncrementalResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
            .with_error_code(ResponseError::PolicyViolation.code())
            .with_error_message(Some(StrBytes::from_static_str(CANNOT_CHANGE)))
    });
    Response::new(request, &IncrementalAlterConfigsResponse::default().with_responses(results.collect()))
}

const CANNOT_CHANGE: &str = "settings cannot be changed here; the log as a whole has them";

// Kinds of resources.
const TOPIC: i8 = 2;
const BROKER_RESOURCE: i8 = 4;

// Where a setting comes from: the topic, a default.
const GIVEN: i8 = 1;
const DEFAULT: i8 = 5;

// Kinds of values.
const BOOLEAN: i8 = 1;
const TEXT: i8 = 2;
const INT: i8 = 3;
const LONG: i8 = 5;
const LIST: i8 = 7;

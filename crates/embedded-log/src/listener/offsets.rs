//! OffsetCommit, OffsetFetch, FindCoordinator: how far consumer groups have read.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use kafka_protocol::{
    ResponseError,
    messages::{
        FindCoordinatorRequest, FindCoordinatorResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
        OffsetFetchResponse,
        offset_commit_request::OffsetCommitRequestPartition,
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
        offset_fetch_request::OffsetFetchRequestTopic,
        offset_fetch_response::{OffsetFetchResponsePartition, OffsetFetchResponseTopic},
    },
    protocol::StrBytes,
};

use super::{
    errors,
    groups::state::Caller,
    node::{BROKER, Client, Node, topic_name},
    request::{Refusal, Request},
    response::Response,
};
use crate::CommittedOffset;

/// There is one broker, so it is everything to everybody.
pub(super) fn coordinator(client: &Client, request: &Request) -> Result<Response, Refusal> {
    let _: FindCoordinatorRequest = request.decode()?;
    let response = FindCoordinatorResponse::default().with_node_id(BROKER).with_host(client.host.clone());
    Response::new(request, &response.with_port(client.port))
}

pub(super) async fn commit(node: Arc<Node>, request: Request) -> Result<Response, Refusal> {
    let asked: OffsetCommitRequest = request.decode()?;
    let caller = Caller {
        member_id: asked.member_id.as_str().into(),
        instance: asked.group_instance_id.as_deref().map(Into::into),
        generation: asked.generation_id_or_member_epoch,
    };
    let allowed = node.groups.check_commit(&asked.group_id, &caller);
    let mut offsets = Vec::new();
    let mut known = HashSet::new();
    let mut codes = Vec::with_capacity(asked.topics.len());
    for topic in asked.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let number = partition.partition_index;
            if !known.insert((topic.name.clone(), number)) {
                continue;
            }
            let checked = allowed.and_then(|()| check(&node, &topic.name, partition));
            partitions.push((number, checked.map(|offset| offsets.push(offset)).err()));
        }
        codes.push((topic.name, partitions));
    }
    let stored = if offsets.is_empty() {
        None
    } else {
        let stored = node.log.commit_offsets(&asked.group_id, offsets).await;
        stored.err().map(|error| errors::commit(&error))
    };
    let topics = codes.into_iter().map(|(name, partitions)| {
        let partitions = partitions.into_iter().map(|(number, error)| {
            let code = error.or(stored).map_or(0, |error| error.code());
            OffsetCommitResponsePartition::default().with_partition_index(number).with_error_code(code)
        });
        OffsetCommitResponseTopic::default().with_name(name).with_partitions(partitions.collect())
    });
    Response::new(&request, &OffsetCommitResponse::default().with_topics(topics.collect()))
}

fn check(node: &Node, topic: &str, asked: OffsetCommitRequestPartition) -> Result<CommittedOffset, ResponseError> {
    let partition = node.topic(topic).and_then(|topic| topic.partition(asked.partition_index));
    let partition = partition.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let metadata = asked.committed_metadata.map(|text| text.to_string()).unwrap_or_default();
    if metadata.len() > node.options.groups.max_offset_metadata_bytes {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(CommittedOffset {
        topic: partition.topic_name().to_string(),
        partition: partition.number(),
        offset: asked.committed_offset,
        leader_epoch: asked.committed_leader_epoch,
        metadata,
    })
}

pub(super) fn fetch(node: &Arc<Node>, request: &Request) -> Result<Response, Refusal> {
    let asked: OffsetFetchRequest = request.decode()?;
    let committed = node.log.committed_offsets(&asked.group_id);
    let topics = match asked.topics {
        Some(topics) => wanted(topics, committed, request.version),
        None => all(committed, request.version),
    };
    Response::new(request, &OffsetFetchResponse::default().with_topics(topics))
}

/// Of these partitions; −1 where nothing was committed.
fn wanted(
    topics: Vec<OffsetFetchRequestTopic>,
    committed: Vec<CommittedOffset>,
    version: i16,
) -> Vec<OffsetFetchResponseTopic> {
    let committed: HashMap<_, _> =
        committed.into_iter().map(|offset| ((offset.topic.clone(), offset.partition), offset)).collect();
    let mut known = HashSet::new();
    let topics = topics.into_iter().map(|topic| {
        let numbers = topic.partition_indexes.iter().filter(|it| known.insert((topic.name.clone(), **it)));
        let partitions = numbers.map(|number| {
            let none = || OffsetFetchResponsePartition::default().with_partition_index(*number);
            let none = || none().with_committed_offset(-1).with_metadata(Some(StrBytes::new()));
            committed.get(&(topic.name.to_string(), *number)).map_or_else(none, |offset| encode(offset, version))
        });
        let partitions = partitions.collect();
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    });
    topics.collect()
}

/// Everything; it comes ordered by topic.
fn all(committed: Vec<CommittedOffset>, version: i16) -> Vec<OffsetFetchResponseTopic> {
    let topics = committed.chunk_by(|a, b| a.topic == b.topic).map(|offsets| {
        let partitions = offsets.iter().map(|offset| encode(offset, version)).collect();
        OffsetFetchResponseTopic::default().with_name(topic_name(&offsets[0].topic)).with_partitions(partitions)
    });
    topics.collect()
}

fn encode(offset: &CommittedOffset, version: i16) -> OffsetFetchResponsePartition {
    let partition = OffsetFetchResponsePartition::default()
        .with_partition_index(offset.partition)
        .with_committed_offset(offset.offset)
        .with_metadata(Some(StrBytes::from_string(offset.metadata.clone())));
    if version >= 5 { partition.with_committed_leader_epoch(offset.leader_epoch) } else { partition }
}

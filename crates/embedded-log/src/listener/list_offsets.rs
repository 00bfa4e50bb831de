//! ListOffsets: where a partition begins, ends, or was at a time.

use std::{collections::HashSet, sync::Arc};

use kafka_protocol::{
    ResponseError,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
};

use super::{
    errors,
    node::Node,
    request::{Refusal, Request},
    response::Response,
};
use crate::{Partition, partition::LEADER_EPOCH};

pub(super) async fn answer(node: Arc<Node>, request: Request) -> Result<Response, Refusal> {
    let list: ListOffsetsRequest = request.decode()?;
    let mut response = ListOffsetsResponse::default();
    let mut known = HashSet::new();
    for topic in list.topics {
        let handle = node.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions.iter().filter(|it| known.insert((topic.name.clone(), it.partition_index))) {
            let partition = handle.as_ref().and_then(|topic| topic.partition(asked.partition_index));
            let found = match partition {
                Some(partition) => find(&node, partition, asked.timestamp).await,
                None => Err(ResponseError::UnknownTopicOrPartition),
            };
            let answer = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
            partitions.push(fill(answer, request.version, found));
        }
        response.topics.push(ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions));
    }
    Response::new(&request, &response)
}

/// Offset and timestamp; −1 for what there is none of.
async fn find(node: &Arc<Node>, partition: Arc<Partition>, timestamp: i64) -> Result<(i64, i64), ResponseError> {
    match timestamp {
        END => Ok((partition.range().end, -1)),
        START => Ok((partition.range().start, -1)),
        // Such as −3, the newest record's, which later versions have.
        ..0 => Err(ResponseError::UnsupportedVersion),
        _ => {
            let node = node.clone();
            let found = tokio::task::spawn_blocking(move || node.log.offset_for_time(&partition, timestamp)).await;
            let found = found.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            found.map(|found| found.unwrap_or((-1, -1))).map_err(|error| {
                tracing::error!(%error, "an offset cannot be found by its time");
                errors::read(&error)
            })
        }
    }
}

fn fill(
    answer: ListOffsetsPartitionResponse,
    version: i16,
    found: Result<(i64, i64), ResponseError>,
) -> ListOffsetsPartitionResponse {
    match found {
        Ok((offset, timestamp)) => {
            let answer = answer.with_offset(offset).with_timestamp(timestamp);
            if version >= 4 && offset >= 0 { answer.with_leader_epoch(LEADER_EPOCH) } else { answer }
        }
        Err(error) => answer.with_error_code(error.code()),
    }
}

const END: i64 = -1;
const START: i64 = -2;

//! Produce: batches go to the log in the order they came; the answer follows when all are durable.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use kafka_protocol::{
    ResponseError,
    messages::{
        ProduceRequest, ProduceResponse, TopicName,
        produce_response::{PartitionProduceResponse, TopicProduceResponse},
    },
};

use super::{
    errors,
    node::Node,
    request::{Refusal, Request},
    response::{Reply, Response},
};
use crate::{
    AppendError, Appended, Partition, Pending,
    batch::{Batch, Compression},
};

/// Hands all batches over. When this returns the next request may be read.
pub(super) async fn begin(node: &Arc<Node>, request: Request) -> Result<Reply, Refusal> {
    let produce: ProduceRequest = request.decode()?;
    let refused = match produce.acks {
        _ if produce.transactional_id.is_some() => Some(ResponseError::TransactionalIdAuthorizationFailed),
        -1..=1 => None,
        _ => Some(ResponseError::InvalidRequiredAcks),
    };
    let mut topics = Vec::with_capacity(produce.topic_data.len());
    for topic in produce.topic_data {
        let mut outcomes = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            let stored = match refused {
                Some(error) => Outcome::Refused(error),
                None => hand_over(node, &topic.name, data.index, data.records).await,
            };
            outcomes.push((data.index, stored));
        }
        topics.push((topic.name, outcomes));
    }
    if produce.acks == 0 {
        return Ok(Reply::None); // nothing is sent, whatever happened
    }
    Ok(Reply::Later(Box::pin(answer(request, topics))))
}

/// What became of a partition's batch.
enum Outcome {
    Refused(ResponseError),
    Taken { start: i64, pending: Pending<Appended, AppendError> },
}

async fn hand_over(node: &Arc<Node>, topic: &TopicName, number: i32, records: Option<Bytes>) -> Outcome {
    let found = node.writable_topic(topic).and_then(|topic| {
        let partition = topic.partition(number).ok_or(ResponseError::UnknownTopicOrPartition)?;
        Ok((partition, only_batch(records)?))
    });
    let (partition, batch) = match found {
        Ok(found) => found,
        Err(error) => return Outcome::Refused(error),
    };
    let start = partition.range().start;
    match append(node, &partition, batch).await {
        Ok(pending) => Outcome::Taken { start, pending },
        Err(error) => {
            tracing::debug!(topic = topic.as_str(), partition = number, %error, "a batch is refused");
            Outcome::Refused(errors::append(&error))
        }
    }
}

/// Producers send one batch for a partition at a time.
fn only_batch(records: Option<Bytes>) -> Result<Batch, ResponseError> {
    let mut records = records.filter(|records| !records.is_empty()).ok_or(ResponseError::InvalidRecord)?;
    let batch = Batch::split_first(&mut records).map_err(|error| errors::batch(&error))?;
    if records.is_empty() { Ok(batch) } else { Err(ResponseError::InvalidRecord) }
}

/// Large compressed batches take a while to be checked: not on a thread that others wait for.
async fn append(
    node: &Arc<Node>,
    partition: &Arc<Partition>,
    batch: Batch,
) -> Result<Pending<Appended, AppendError>, AppendError> {
    if batch.compression() == Compression::None || batch.len() < LARGE_COMPRESSED {
        return node.log.append_batch(partition, batch);
    }
    let (node, partition) = (node.clone(), partition.clone());
    let appended = tokio::task::spawn_blocking(move || node.log.append_batch(&partition, batch)).await;
    appended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

async fn answer(request: Request, topics: Vec<(TopicName, Vec<(i32, Outcome)>)>) -> Result<Response, Refusal> {
    let mut response = ProduceResponse::default();
    for (name, outcomes) in topics {
        let partitions = join_all(outcomes.into_iter().map(|(number, outcome)| partition(number, outcome))).await;
        response.responses.push(TopicProduceResponse::default().with_name(name).with_partition_responses(partitions));
    }
    Response::new(&request, &response)
}

async fn partition(number: i32, outcome: Outcome) -> PartitionProduceResponse {
    let answer = PartitionProduceResponse::default().with_index(number).with_base_offset(-1);
    match outcome {
        Outcome::Refused(error) => answer.with_error_code(error.code()),
        Outcome::Taken { start, pending } => match pending.await {
            Ok(appended) => answer.with_base_offset(appended.offset).with_log_start_offset(start),
            Err(error) => answer.with_error_code(errors::append(&error).code()),
        },
    }
}

/// Compressed batches from this size on are checked on another thread.
const LARGE_COMPRESSED: usize = 32 << 10;

//! From a request to what becomes of it.

use std::sync::Arc;

use kafka_protocol::{
    ResponseError,
    messages::{ApiKey, ApiVersionsResponse, api_versions_response::ApiVersion},
};

use super::{
    configs, fetch, groups, list_offsets, metadata,
    node::{Client, Node},
    offsets, produce, producer_ids,
    request::{Refusal, Request},
    response::{Reply, Response},
    topics,
    versions::OFFERS,
};

/// Begins a request. For `Produce` all batches are in the log's hands when this returns; all other kinds have to be answered
/// before the connection's next request begins.
pub(super) async fn begin(node: &Arc<Node>, client: &Client, request: Request) -> Result<Reply, Refusal> {
    let node = node.clone();
    match request.offer.kind {
        ApiKey::Produce => produce::begin(&node, request).await,
        ApiKey::Fetch => fetch::begin(&node, &request),
        ApiKey::JoinGroup => groups::join(&node, client, request),
        ApiKey::SyncGroup => groups::sync(&node, &request),

        ApiKey::ApiVersions => api_versions(&request).map(Reply::Now),
        ApiKey::FindCoordinator => offsets::coordinator(client, &request).map(Reply::Now),
        ApiKey::OffsetFetch => offsets::fetch(&node, &request).map(Reply::Now),
        ApiKey::Heartbeat => groups::heartbeat(&node, &request).map(Reply::Now),
        ApiKey::LeaveGroup => groups::leave(&node, &request).map(Reply::Now),
        ApiKey::ListGroups => groups::list(&node, &request).map(Reply::Now),
        ApiKey::DescribeGroups => groups::describe(&node, &request).map(Reply::Now),
        ApiKey::DescribeConfigs => configs::describe(&node, &request).map(Reply::Now),
        ApiKey::AlterConfigs => configs::alter(&request).map(Reply::Now),
        ApiKey::IncrementalAlterConfigs => configs::alter_incrementally(&request).map(Reply::Now),

        ApiKey::Metadata => Ok(later(metadata::answer(node, client.clone(), request))),
        ApiKey::ListOffsets => Ok(later(list_offsets::answer(node, request))),
        ApiKey::OffsetCommit => Ok(later(offsets::commit(node, request))),
        ApiKey::CreateTopics => Ok(later(topics::create(node, request))),
        ApiKey::DeleteTopics => Ok(later(topics::delete(node, request))),
        ApiKey::CreatePartitions => Ok(later(topics::add_partitions(node, request))),
        ApiKey::InitProducerId => Ok(later(producer_ids::answer(node, request))),
        ApiKey::DeleteGroups => Ok(later(groups::delete(node, request))),
        other => Err(Refusal::Unsupported { key: other as i16, version: request.version }),
    }
}

/// Whether a request's bytes are not needed any more once it has begun, which may be long before it is answered.
pub(super) fn keeps_nothing(kind: ApiKey) -> bool {
    matches!(kind, ApiKey::Fetch | ApiKey::JoinGroup | ApiKey::SyncGroup)
}

fn later(answer: impl Future<Output = Result<Response, Refusal>> + Send + 'static) -> Reply {
    Reply::Later(Box::pin(answer))
}

/// A client that asks in a version of the future is told so in one of the past, and asks again.
fn api_versions(request: &Request) -> Result<Response, Refusal> {
    let known = (request.offer.min..=request.offer.max).contains(&request.version);
    let keys = OFFERS.iter().map(|offer| {
        ApiVersion::default().with_api_key(offer.kind as i16).with_min_version(offer.min).with_max_version(offer.max)
    });
    let response = ApiVersionsResponse::default().with_api_keys(keys.collect());
    if known {
        return Response::new(request, &response);
    }
    let response = response.with_error_code(ResponseError::UnsupportedVersion.code());
    Response::encode(request.correlation_id, 0, &response)
}

//! InitProducerId: ids for idempotent producers. Transactions are not offered.

use std::sync::Arc;

use kafka_protocol::{
    ResponseError,
    messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId},
};

use super::{
    errors,
    node::Node,
    request::{Refusal, Request},
    response::Response,
};

pub(super) async fn answer(node: Arc<Node>, request: Request) -> Result<Response, Refusal> {
    let asked: InitProducerIdRequest = request.decode()?;
    let given = if asked.transactional_id.is_some() {
        Err(ResponseError::TransactionalIdAuthorizationFailed)
    } else {
        node.log.new_producer_id().await.map_err(|error| errors::commit(&error))
    };
    let response = InitProducerIdResponse::default();
    let response = match given {
        Ok(id) => response.with_producer_id(ProducerId(id)).with_producer_epoch(0),
        Err(error) => response.with_producer_id(ProducerId(-1)).with_producer_epoch(-1).with_error_code(error.code()),
    };
    Response::new(&request, &response)
}

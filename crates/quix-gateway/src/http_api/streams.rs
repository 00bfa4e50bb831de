//! The routes of Quix's Writer below `/topics/{topic}/streams`: each call is written as one record, and answered when that is
//! durable. Source: Quix Streaming Writer API.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use quix_model::{
    EventDefinition, Events, LocatedDefinitions, Outgoing, ParameterData, ParameterDefinition, StreamEnd,
    StreamProperties,
};

use super::extract::{Body, Model, Place, TopicText};
use super::schemas::{self, StreamPath, TopicPath, WritingProblems};
use crate::errors::Problem;
use crate::gateway::Gateway;
use crate::visitor::Visitor;
use crate::writer_hub::CreatedStream;

/// Makes a stream
///
/// The server chooses its id. Streams are also made by writing to any other id.
#[utoipa::path(
    post, path = "/topics/{topic}/streams", tag = "Writer", params(TopicPath), request_body = schemas::StreamProperties,
    responses((status = 200, description = "The stream is made.", body = schemas::CreatedStream), WritingProblems),
)]
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    visitor: Visitor,
    TopicText(topic): TopicText,
    Model(properties): Model<StreamProperties>,
) -> Result<Json<CreatedStream>, Problem> {
    let created = CreatedStream::new();
    let place = Place { visitor, topic, stream_id: created.stream_id.clone() };
    store(&gateway, &place, Outgoing::StreamProperties(&properties)).await?;
    Ok(Json(created))
}

/// Replaces all properties of a stream
#[utoipa::path(
    put, path = "/topics/{topic}/streams/{streamId}", tag = "Writer", params(StreamPath),
    request_body = schemas::StreamProperties,
    responses((status = 200, description = "The properties are stored."), WritingProblems),
)]
pub(super) async fn update(
    State(gateway): State<Arc<Gateway>>,
    place: Place,
    Model(properties): Model<StreamProperties>,
) -> Result<StatusCode, Problem> {
    store(&gateway, &place, Outgoing::StreamProperties(&properties)).await
}

/// Closes a stream
///
/// Writing to it again opens it again. A body is ignored.
#[utoipa::path(
    post, path = "/topics/{topic}/streams/{streamId}/close", tag = "Writer", params(StreamPath),
    responses((status = 200, description = "The end of the stream is stored."), WritingProblems),
)]
pub(super) async fn close(State(gateway): State<Arc<Gateway>>, place: Place, _: Body) -> Result<StatusCode, Problem> {
    store(&gateway, &place, Outgoing::StreamEnd(StreamEnd::Closed)).await
}

/// Writes parameter data
#[utoipa::path(
    post, path = "/topics/{topic}/streams/{streamId}/parameters/data", tag = "Writer", params(StreamPath),
    request_body = schemas::ParameterData,
    responses((status = 200, description = "The data are stored."), WritingProblems),
)]
pub(super) async fn send_parameter_data(
    State(gateway): State<Arc<Gateway>>,
    place: Place,
    Model(data): Model<ParameterData>,
) -> Result<StatusCode, Problem> {
    store(&gateway, &place, Outgoing::ParameterData(&data)).await
}

/// Writes events
///
/// A single event need not stand in an array.
#[utoipa::path(
    post, path = "/topics/{topic}/streams/{streamId}/events/data", tag = "Writer", params(StreamPath),
    request_body = Vec<schemas::EventData>,
    responses((status = 200, description = "The events are stored."), WritingProblems),
)]
pub(super) async fn send_event_data(
    State(gateway): State<Arc<Gateway>>,
    place: Place,
    Model(events): Model<Events>,
) -> Result<StatusCode, Problem> {
    store(&gateway, &place, Outgoing::Events(&events)).await
}

/// Replaces all parameter definitions of a stream
#[utoipa::path(
    put, path = "/topics/{topic}/streams/{streamId}/parameters", tag = "Writer", params(StreamPath),
    request_body = Vec<schemas::ParameterDefinition>,
    responses((status = 200, description = "The definitions are stored."), WritingProblems),
)]
pub(super) async fn put_parameter_definitions(
    gateway: State<Arc<Gateway>>,
    place: Place,
    definitions: Model<LocatedDefinitions<ParameterDefinition>>,
) -> Result<StatusCode, Problem> {
    define_parameters(gateway, place, definitions).await
}

/// Replaces all parameter definitions of a stream, by another name
#[utoipa::path(
    post, path = "/topics/{topic}/streams/{streamId}/parameters/definitions", tag = "Writer", params(StreamPath),
    request_body = Vec<schemas::ParameterDefinition>,
    responses((status = 200, description = "The definitions are stored."), WritingProblems),
)]
pub(super) async fn define_parameters(
    State(gateway): State<Arc<Gateway>>,
    place: Place,
    Model(definitions): Model<LocatedDefinitions<ParameterDefinition>>,
) -> Result<StatusCode, Problem> {
    store(&gateway, &place, Outgoing::ParameterDefinitions(&definitions.0)).await
}

/// Replaces all event definitions of a stream
#[utoipa::path(
    put, path = "/topics/{topic}/streams/{streamId}/events", tag = "Writer", params(StreamPath),
    request_body = Vec<schemas::EventDefinition>,
    responses((status = 200, description = "The definitions are stored."), WritingProblems),
)]
pub(super) async fn put_event_definitions(
    gateway: State<Arc<Gateway>>,
    place: Place,
    definitions: Model<LocatedDefinitions<EventDefinition>>,
) -> Result<StatusCode, Problem> {
    define_events(gateway, place, definitions).await
}

/// Replaces all event definitions of a stream, by another name
#[utoipa::path(
    post, path = "/topics/{topic}/streams/{streamId}/events/definitions", tag = "Writer", params(StreamPath),
    request_body = Vec<schemas::EventDefinition>,
    responses((status = 200, description = "The definitions are stored."), WritingProblems),
)]
pub(super) async fn define_events(
    State(gateway): State<Arc<Gateway>>,
    place: Place,
    Model(definitions): Model<LocatedDefinitions<EventDefinition>>,
) -> Result<StatusCode, Problem> {
    store(&gateway, &place, Outgoing::EventDefinitions(&definitions.0)).await
}

/// Clients look for 200 and nothing else.
async fn store(gateway: &Gateway, place: &Place, outgoing: Outgoing<'_>) -> Result<StatusCode, Problem> {
    let topic = gateway.topic_to_write(&place.visitor, &place.topic).await?;
    gateway.append(&topic, &place.stream_id, outgoing)?.await?;
    Ok(StatusCode::OK)
}

//! `GET /topics` and `PUT /topics/{topic}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kafka_bridge::broker::{CreateTopicError, TopicInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Body, TopicText};
use super::json;
use super::schemas::{ListingProblems, MakingProblems, TopicPath};
use crate::errors::{Failure, Problem};
use crate::gateway::Gateway;
use crate::visitor::Visitor;

/// A topic as tools see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Topic)]
pub(super) struct TopicDocument {
    name: String,
    /// The name with the workspace before it.
    id: String,
    partitions: i32,
}

/// How a topic is to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = NewTopic)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    /// Default: the broker's.
    #[schema(minimum = 1)]
    partitions: Option<i32>,
}

/// The topics that the visitor may know of
#[utoipa::path(
    get, path = "/topics", tag = "Tools",
    responses((status = 200, description = "By name.", body = Vec<TopicDocument>), ListingProblems),
)]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    visitor: Visitor,
) -> Result<Json<Vec<TopicDocument>>, Problem> {
    let topics = gateway.in_time(gateway.broker.topics()).await?;
    let visible = topics.into_iter().filter(|topic| visitor.may_see(&topic.name));
    Ok(Json(visible.map(|topic| document(&gateway, &visitor, topic)).collect()))
}

/// Makes a topic
///
/// One that is there already is fine, unless another number of partitions is asked for.
#[utoipa::path(
    put, path = "/topics/{topic}", tag = "Tools", params(TopicPath), request_body = Option<Wanted>,
    responses((status = 200, description = "It is there.", body = TopicDocument), MakingProblems),
)]
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    visitor: Visitor,
    TopicText(name): TopicText,
    Body(body): Body,
) -> Result<Json<TopicDocument>, Problem> {
    let wanted = wanted(&body)?;
    match gateway.in_time(gateway.topics.create(&visitor, &name, wanted.partitions)).await {
        Ok(topic) => Ok(Json(document(&gateway, &visitor, topic))),
        Err(Failure::Create(CreateTopicError::Exists(name))) => {
            existing(&gateway, &visitor, &name, wanted.partitions).await
        }
        Err(failure) => {
            gateway.count(&failure);
            Err(failure.into())
        }
    }
}

fn wanted(body: &[u8]) -> Result<Wanted, Problem> {
    if body.is_empty() {
        return Ok(Wanted::default());
    }
    json::read(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("The body must be like {{\"partitions\": 1}}: {error}"))
    })
}

async fn existing(
    gateway: &Gateway,
    visitor: &Visitor,
    name: &str,
    partitions: Option<i32>,
) -> Result<Json<TopicDocument>, Problem> {
    let Some(topic) = gateway.in_time(gateway.broker.topic(name)).await? else {
        return Err(Failure::UnknownTopic(name.to_owned()).into());
    };
    match partitions {
        Some(asked) if asked != topic.partitions => {
            let unit = if topic.partitions == 1 { "partition" } else { "partitions" };
            let detail = format!("Topic '{name}' exists already, with {} {unit}.", topic.partitions);
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        _ => Ok(Json(document(gateway, visitor, topic))),
    }
}

fn document(gateway: &Gateway, visitor: &Visitor, topic: TopicInfo) -> TopicDocument {
    let names = gateway.topics.names(visitor, &topic.name);
    TopicDocument { name: names.name, id: names.id, partitions: topic.partitions }
}

//! `PUT /topics/{topic}/streams/{stream}/imports/{import}`: claims an import, and finds out which of its rows are stored.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use kafka_bridge::broker::{Deliveries, Delivery, ReadError};
use kafka_bridge::record::Record;
use quix_gateway::{Body, Failure, Gateway, Problem, Topic, Visitor, WritingProblems};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use ways::csv::{Mapping, Mark, Stored};

use super::claims::Claims;
use super::place::Place;
use super::{Address, bad, claim_anew};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ImportAsk)]
pub(super) struct Ask {
    /// What the rows become, as the preview answers it.
    #[schema(value_type = Object)]
    mapping: Mapping,
    /// As the last answer had it; without, the import is new.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    place: Option<Place>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportClaim)]
pub(super) struct Answer {
    /// To be sent with each piece.
    claim: String,
    /// Where to look for what was written, should the import be claimed again. To be given back as it is.
    #[schema(value_type = Object)]
    place: Place,
}

/// Claims an import of a CSV file, and finds out which of its rows are stored
///
/// Whoever claimed it before writes nothing more.
#[utoipa::path(
    put, path = "/topics/{topic}/streams/{streamId}/imports/{import}", tag = "Tools", params(Address),
    request_body(content = Ask, content_type = "application/json"),
    responses(
        (status = 200, description = "It is claimed.", body = Answer),
        (status = 409, description = "Another has claimed it meanwhile.",
            body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        (status = 410, description = "Records that it may have written were deleted.",
            body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        WritingProblems,
    ),
)]
pub(super) async fn claim(
    State(gateway): State<Arc<Gateway>>,
    Extension(claims): Extension<Arc<Claims>>,
    visitor: Visitor,
    Address { topic, stream, import }: Address,
    Body(body): Body,
) -> Result<Json<Answer>, Problem> {
    let ask: Ask = serde_json::from_slice(&body).map_err(|error| bad(format!("the body: {error}")))?;
    ask.mapping.check().map_err(bad)?;
    if import.is_empty() || import.len() > MAX_ID_BYTES {
        return Err(bad(format!("the id of an import has 1 to {MAX_ID_BYTES} bytes")));
    }
    let topic = gateway.topic_to_write(&visitor, &topic).await?;
    let key = key(&topic, &stream, &import);
    let broker = gateway.broker();
    let ticket = claims.end(&key);
    let positions = broker.positions(&topic.name).await.map_err(Failure::from)?;
    let (place, stored) = match ask.place {
        None => (Place::end(&positions), Stored::default()),
        Some(place) => {
            // What was handed over by claims before is stored, or never will be.
            if !broker.flush().await {
                return Err(unanswered());
            }
            let place = place.grown(positions.len());
            let reading = broker.read(&topic.name, place.start()).await.map_err(Failure::from)?;
            let search = Search { topic: &topic, stream: &stream, import: &import, place: &place };
            let stored = search.stored(reading, positions.len()).await?;
            (place, stored)
        }
    };
    let claim = claims.begin(&key, ticket, ask.mapping, place.clone(), stored).map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("The system has no random numbers: {error}."))
    })?;
    let claim = claim.ok_or_else(claim_anew)?;
    Ok(Json(Answer { claim: claim.secret.clone(), place }))
}

/// By which claims of an import are known.
pub(super) fn key(topic: &Topic, stream: &str, import: &str) -> String {
    format!("{}/{import}/{stream}", topic.name)
}

/// For the records of an import.
struct Search<'a> {
    topic: &'a Topic,
    stream: &'a str,
    import: &'a str,
    place: &'a Place,
}

impl Search<'_> {
    /// The rows that are stored. Nothing may be missing behind the place.
    async fn stored(&self, mut reading: Deliveries, partitions: usize) -> Result<Stored, Problem> {
        let mut stored = Stored::default();
        let mut caught_up = 0;
        while caught_up < partitions {
            match reading.next().await {
                Some(Delivery::Batch(batch)) => {
                    let marks = batch.records.iter().filter_map(|record| mark(record, self.stream));
                    let own = marks.filter(|mark| mark.import == self.import);
                    own.for_each(|mark| stored.add(mark.first_row, mark.last_row));
                }
                Some(Delivery::CaughtUp { .. }) => caught_up += 1,
                Some(Delivery::Gap { partition, next_offset, lost })
                    if lost > 0 && self.place.is_before(partition, next_offset) =>
                {
                    return Err(deleted());
                }
                Some(Delivery::Gap { .. }) => {}
                Some(Delivery::Unreadable { .. } | Delivery::TopicGone) | None => return Err(unreadable(self.topic)),
            }
        }
        Ok(stored)
    }
}

fn mark(record: &Record, stream: &str) -> Option<Mark> {
    if record.key.as_deref() != Some(stream.as_bytes()) {
        return None;
    }
    let header = record.headers.iter().find(|header| &*header.name == Mark::HEADER)?;
    std::str::from_utf8(header.value.as_deref()?).ok()?.parse().ok()
}

fn unanswered() -> Problem {
    let detail = "The store has not answered all that was handed to it, so nobody can say yet which rows of the import are \
                  stored; claim it again later.";
    Problem::not_written(StatusCode::SERVICE_UNAVAILABLE, detail)
}

fn deleted() -> Problem {
    let detail = "Records that the import may have written since its last checkpoint were deleted (retention), so nobody can \
                  say which of its rows arrived. Begin a new import.";
    Problem::not_written(StatusCode::GONE, detail)
}

fn unreadable(topic: &Topic) -> Problem {
    Failure::from(ReadError::Damaged(topic.name.clone())).into()
}

const MAX_ID_BYTES: usize = 64;

//! `PUT /topics/{topic}/streams/{stream}/imports/{import}`: claims an import, and finds out which of its rows are stored.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use kafka_bridge::broker::{Deliveries, Delivery, ReadError};
use kafka_bridge::record::Record;
use quix_gateway::{Body, Failure, Gateway, Problem, Topic, Visitor};
use serde::{Deserialize, Serialize};
use ways::csv::{Mapping, Mark, Stored};

use super::claims::Claims;
use super::place::Place;
use super::{At, bad, claim_anew};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ask {
    mapping: Mapping,
    /// As the last answer had it; without, the import is new.
    #[serde(default)]
    place: Option<Place>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    /// To be sent with each piece.
    claim: String,
    /// Where to look for what was written, should the import be claimed again.
    place: Place,
}

/// Whoever claimed it before writes nothing more.
pub(super) async fn claim(
    State(gateway): State<Arc<Gateway>>,
    Extension(claims): Extension<Arc<Claims>>,
    visitor: Visitor,
    Path((topic, stream, import)): Path<At>,
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

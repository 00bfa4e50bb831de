//! `POST /topics/{topic}/streams/{stream}/imports/{import}?claim=&next=&last=`: a piece of a file, from the beginning of a row
//! on. Answered when all of its whole rows are durable, or rejected one by one.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use futures::FutureExt;
use futures::future::BoxFuture;
use kafka_bridge::broker::{NotWritten, Stored};
use quix_gateway::{Body, Gateway, Problem, Topic, Visitor, WriteFailure, WriteForm, WritingProblems};
use quix_model::{Outgoing, WriteError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use ways::csv::{Batch, Content, Cursor, Item, Mark, Piece, Reason, Spot};

use super::claims::{Claim, Claims};
use super::place::Place;
use super::{Address, asked, bad, claim, claim_anew};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Ask {
    /// As the claim was answered.
    claim: String,
    /// As the answer to the piece before had it; without, the piece is the first.
    #[serde(default)]
    next: Option<String>,
    /// Whether nothing follows. Default false.
    #[serde(default)]
    last: bool,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportedPiece)]
pub(super) struct Answer {
    /// Up to where the piece was read, in bytes; the next one begins there.
    consumed: usize,
    /// To be sent with the next piece.
    next: String,
    /// Rows of the piece that are stored now.
    rows: u64,
    rejected: Vec<Rejected>,
    /// Where to look for what was written, should the import be claimed again; null: as before.
    #[schema(value_type = Option<Object>)]
    place: Option<Place>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RejectedRow)]
struct Rejected {
    row: u64,
    /// Of the file, from 1.
    line: u64,
    /// Where the row begins in the piece, in bytes.
    start: usize,
    end: usize,
    reason: String,
}

/// Writes the rows of a piece of a CSV file
///
/// The piece begins with a row and is cut anywhere. Answered when its whole rows are stored, or rejected one by one; the next
/// piece begins at `consumed`.
#[utoipa::path(
    post, path = "/topics/{topic}/streams/{streamId}/imports/{import}", tag = "Tools", params(Address, Ask),
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 200, description = "The piece was read.", body = Answer),
        (status = 409, description = "The import has to be claimed anew.",
            body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
        WritingProblems,
    ),
)]
pub(super) async fn write(
    State(gateway): State<Arc<Gateway>>,
    Extension(claims): Extension<Arc<Claims>>,
    visitor: Visitor,
    Address { topic, stream, import }: Address,
    query: Result<Query<Ask>, QueryRejection>,
    Body(body): Body,
) -> Result<Json<Answer>, Problem> {
    let ask = asked(query)?;
    let topic = gateway.topic_to_write(&visitor, &topic).await?;
    let claim = claims.find(&claim::key(&topic, &stream, &import), &ask.claim).ok_or_else(claim_anew)?;
    let _turn = claim.turn.lock().await;
    let cursor = ask.next.as_deref().map(str::parse::<Cursor>).transpose().map_err(bad)?;
    let mut piece = Piece::begin(&claim.mapping, &body, ask.last, cursor).map_err(bad)?;
    let mut work = Work::new(gateway, topic, stream, import, claim.clone());
    let mut batches = claim.mapping.batches();
    while work.rejected.len() < MOST_REJECTED {
        let is_gap = match piece.next() {
            None => break,
            Some(Item::Oversized(spot)) => {
                claim.pass_over(spot.row);
                work.reject(spot, Reason::Oversized.to_string());
                false
            }
            Some(Item::Row(row)) => {
                let is_stored = claim.has(row.spot.row);
                let taken = if is_stored { batches.check(&row) } else { batches.push(&row) };
                match taken {
                    Ok(()) => work.rows += 1,
                    Err(reason) => {
                        claim.pass_over(row.spot.row);
                        work.reject(row.spot, reason.to_string());
                    }
                }
                is_stored
            }
        };
        // A record must not span rows that are stored already: by its first and last it would seem to hold them.
        if (is_gap || batches.is_full())
            && let Some(batch) = batches.take()
        {
            work.write(batch).await?;
        }
    }
    if let Some(batch) = batches.take() {
        work.write(batch).await?;
    }
    let (consumed, cursor) = (piece.consumed(), piece.cursor());
    let (rows, rejected, last) = work.finish().await?;
    let place = last.and_then(|last| claim.place_after(cursor.rows(), last));
    Ok(Json(Answer { consumed, next: cursor.to_string(), rows, rejected, place }))
}

/// Why a request ends early.
enum Failed {
    /// Somebody else has the import now.
    Claimed,
    Write(WriteFailure),
}

impl From<WriteFailure> for Failed {
    fn from(failure: WriteFailure) -> Self {
        Self::Write(failure)
    }
}

impl From<Failed> for Problem {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Claimed => claim_anew(),
            Failed::Write(failure) => failure.into(),
        }
    }
}

/// One request's records on their way. If it is dropped before they are settled, its claim is worth nothing any more: what
/// became of them has to be read from the topic.
struct Work {
    gateway: Arc<Gateway>,
    topic: Arc<Topic>,
    stream: String,
    import: String,
    claim: Arc<Claim>,
    waiting: VecDeque<BoxFuture<'static, Result<Option<Stored>, WriteFailure>>>,
    rows: u64,
    rejected: Vec<Rejected>,
    last: Option<Stored>,
    is_settled: bool,
}

impl Work {
    fn new(gateway: Arc<Gateway>, topic: Arc<Topic>, stream: String, import: String, claim: Arc<Claim>) -> Self {
        let (waiting, rejected) = Default::default();
        Self { gateway, topic, stream, import, claim, waiting, rows: 0, rejected, last: None, is_settled: false }
    }

    fn reject(&mut self, Spot { row, line, start, end }: Spot, reason: String) {
        self.rejected.push(Rejected { row, line, start, end, reason });
    }

    /// Hands the rows over as one record, or as many as it takes.
    async fn write(&mut self, batch: Batch) -> Result<(), Failed> {
        let mut batches = vec![batch];
        while let Some(batch) = batches.pop() {
            let rows = batch.spots.len();
            let is_one_each = match batch.content {
                Content::Parameters(_) => false,
                Content::Events(_) => self.gateway.form_of(&self.topic) == WriteForm::Json,
                Content::Json(_) => true,
            };
            if is_one_each && rows > 1 {
                let (first, others) = batch.split(1);
                batches.extend([others, first]);
                continue;
            }
            match self.hand_over(&batch).await {
                Ok(()) => {}
                Err(Failed::Write(failure)) if is_too_large(&failure) && rows > 1 => {
                    let (first, others) = batch.split(rows / 2);
                    batches.extend([others, first]);
                }
                Err(Failed::Write(failure)) if is_too_large(&failure) => {
                    self.rows -= 1;
                    self.reject(batch.spots[0], failure.to_string());
                }
                Err(failed) => return Err(failed),
            }
            self.settle(IN_FLIGHT).await?;
        }
        Ok(())
    }

    /// Waits for room in the server's backlog as long as records of its own are what fills it.
    async fn hand_over(&mut self, batch: &Batch) -> Result<(), Failed> {
        let (first_row, last_row) = batch.rows();
        let mark = Mark { import: self.import.clone(), first_row, last_row }.to_string();
        let outgoing = match &batch.content {
            Content::Parameters(data) => Outgoing::ParameterData(data),
            Content::Events(events) => Outgoing::Events(events),
            Content::Json(rows) => Outgoing::Json(rows.first().map_or("null", |row| row)),
        };
        loop {
            let append = || self.gateway.append_marked(&self.topic, &self.stream, outgoing, (Mark::HEADER, &mark));
            let appended = self.claim.hand_over((first_row, last_row), append).ok_or(Failed::Claimed)?;
            match appended {
                Ok(durable) => {
                    self.waiting.push_back(durable.boxed());
                    return Ok(());
                }
                Err(WriteFailure::NotWritten(NotWritten::BacklogFull)) if !self.waiting.is_empty() => {
                    self.settle_one().await?;
                }
                Err(failure) => return Err(failure.into()),
            }
        }
    }

    /// Awaits answers, in order, until at most `most` are missing.
    async fn settle(&mut self, most: usize) -> Result<(), WriteFailure> {
        while self.waiting.len() > most {
            self.settle_one().await?;
        }
        Ok(())
    }

    async fn settle_one(&mut self) -> Result<(), WriteFailure> {
        if let Some(durable) = self.waiting.pop_front() {
            self.last = durable.await?.or(self.last);
        }
        Ok(())
    }

    /// How many rows are stored, which were rejected, and the last record.
    async fn finish(mut self) -> Result<(u64, Vec<Rejected>, Option<Stored>), WriteFailure> {
        self.settle(0).await?;
        self.is_settled = true;
        self.rejected.sort_by_key(|rejected| rejected.row);
        Ok((self.rows, std::mem::take(&mut self.rejected), self.last))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.is_settled {
            self.claim.end();
        }
    }
}

fn is_too_large(failure: &WriteFailure) -> bool {
    matches!(
        failure,
        WriteFailure::Model(WriteError::TooLarge { .. }) | WriteFailure::NotWritten(NotWritten::TooLarge { .. })
    )
}

/// Records of one request that may be unacknowledged.
const IN_FLIGHT: usize = 16;

/// Of one answer; the rest of the piece is left to the next request.
const MOST_REJECTED: usize = 1_000;

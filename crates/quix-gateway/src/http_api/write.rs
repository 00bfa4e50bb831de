//! `POST /topics/{topic}/packages`: lines of events, each one record. Answered when all of them are durable.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures::FutureExt;
use futures::future::BoxFuture;
use quix_model::{EventData, Outgoing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Body, TopicText};
use super::json;
use super::schemas::{self, TopicPath, WritingProblems};
use crate::errors::{Problem, WriteFailure};
use crate::gateway::Gateway;
use crate::topics::Topic;
use crate::visitor::Visitor;

/// How many lines are durable.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Written {
    written: usize,
}

/// What a line says beside its event.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "streamId", alias = "StreamId")]
    stream_id: String,
}

/// Writes events of any streams, a line each
///
/// Any type of content is taken. Lines before the first that fails may be stored: `written` says how many.
#[utoipa::path(
    post, path = "/topics/{topic}/packages", tag = "Tools", params(TopicPath),
    request_body(content = schemas::EventLine, content_type = "application/x-ndjson"),
    responses((status = 200, description = "All are stored.", body = Written), WritingProblems),
)]
pub(super) async fn write(
    State(gateway): State<Arc<Gateway>>,
    visitor: Visitor,
    TopicText(topic): TopicText,
    Body(body): Body,
) -> Result<Json<Written>, Problem> {
    let topic = gateway.topic_to_write(&visitor, &topic).await?;
    let mut writes = Writes::default();
    let stopped_by = writes.write_lines(&gateway, &topic, &body).await.err();
    writes.settle(0).await;
    writes.outcome(stopped_by)
}

/// Lines handed over, in order.
#[derive(Default)]
struct Writes {
    /// Not answered yet.
    waiting: VecDeque<BoxFuture<'static, Result<(), WriteFailure>>>,
    /// Durable before the first that failed.
    durable: usize,
    failed: Option<WriteFailure>,
    /// Whether a line after the failed one may be stored.
    stored_beyond: bool,
}

impl Writes {
    /// Hands lines over until one fails; an error means that this line was not handed over.
    async fn write_lines(&mut self, gateway: &Gateway, topic: &Topic, body: &[u8]) -> Result<(), Problem> {
        let lines = body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        for (number, line) in lines {
            let (stream_id, event) = parse(line).map_err(|error| {
                // serde counts lines too, and sees but this one.
                let error = error.to_string().replace(" at line 1 column ", ", at column ");
                let detail = format!("Line {}: {error}", number + 1);
                Problem { kind: Some("NotWritten"), ..Problem::new(StatusCode::BAD_REQUEST, detail) }
            })?;
            self.waiting.push_back(gateway.append(topic, &stream_id, Outgoing::Events(&[event]))?.boxed());
            self.settle(LINES_IN_FLIGHT).await;
            if self.failed.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Awaits answers, in order, until at most `most` are missing.
    async fn settle(&mut self, most: usize) {
        while self.waiting.len() > most
            && let Some(write) = self.waiting.pop_front()
        {
            match (write.await, &self.failed) {
                (Ok(()), None) => self.durable += 1,
                (Err(failure), None) => self.failed = Some(failure),
                (Ok(()) | Err(WriteFailure::OutcomeUnknown), Some(_)) => self.stored_beyond = true,
                (Err(_), Some(_)) => {}
            }
        }
    }

    /// The answer, when all is settled: the first line that failed decides, and `written` counts those before it.
    fn outcome(self, stopped_by: Option<Problem>) -> Result<Json<Written>, Problem> {
        let problem = match (self.failed, stopped_by) {
            (None, None) => return Ok(Json(Written { written: self.durable })),
            (None, Some(problem)) => problem,
            // To send the rest again could double what lies beyond.
            (Some(_), _) if self.stored_beyond => Problem::from(WriteFailure::OutcomeUnknown),
            (Some(failure), _) => Problem::from(failure),
        };
        Err(Problem { written: Some(self.durable), ..problem })
    }
}

fn parse(line: &[u8]) -> Result<(String, EventData), serde_json::Error> {
    let Envelope { stream_id } = json::read(line)?;
    Ok((stream_id, serde_json::from_slice(line)?))
}

/// Lines of one request that may be unacknowledged.
const LINES_IN_FLIGHT: usize = 1024;

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kafka_bridge::broker::NotWritten;

    use super::*;

    #[tokio::test]
    async fn what_lies_behind_a_failed_line_decides_whether_the_rest_may_be_sent_again() {
        const UNAVAILABLE: WriteFailure = WriteFailure::NotWritten(NotWritten::Unavailable);
        const UNKNOWN: WriteFailure = WriteFailure::OutcomeUnknown;
        for (answers, written, kind) in [
            (vec![Ok(()), Err(UNAVAILABLE), Err(UNAVAILABLE)], 1, "NotWritten"),
            (vec![Ok(()), Err(UNAVAILABLE), Ok(())], 1, "OutcomeUnknown"),
            (vec![Err(UNAVAILABLE), Err(UNKNOWN)], 0, "OutcomeUnknown"),
            (vec![Ok(()), Ok(()), Err(UNKNOWN), Ok(())], 2, "OutcomeUnknown"),
        ] {
            let waiting = answers.iter().cloned().map(|answer| std::future::ready(answer).boxed()).collect();
            let mut writes = Writes { waiting, ..Writes::default() };
            writes.settle(0).await;
            let problem = writes.outcome(None).expect_err("a line failed");
            assert_eq!((problem.written, problem.kind), (Some(written), Some(kind)), "{answers:?}");
        }
    }
}

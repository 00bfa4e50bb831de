//! `POST /topics/{topic}/packages`: lines of events, each one record. Answered when all of them are durable.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use futures::FutureExt;
use futures::future::BoxFuture;
use quix_model::EventData;
use serde::{Deserialize, Serialize};

use crate::errors::{Problem, WriteFailure};
use crate::gateway::Gateway;
use crate::topics::Topic;

/// How many lines are durable.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    written: usize,
}

/// What a line says beside its event.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "streamId", alias = "StreamId")]
    stream_id: String,
}

pub(super) async fn write(
    State(gateway): State<Arc<Gateway>>,
    Path(topic): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Written>, Problem> {
    let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let topic = gateway.topic(&topic).await.map_err(WriteFailure::from)?;
    let mut writes = Writes { waiting: VecDeque::new(), durable: 0 };
    match writes.write_lines(&gateway, &topic, &body).await {
        Ok(()) => Ok(Json(Written { written: writes.durable })),
        Err(problem) => {
            // What was handed over before the fault goes on; the answer says how much of it is durable.
            let settled = writes.settle(0).await;
            let problem = settled.err().map_or(problem, Problem::from);
            Err(Problem { written: Some(writes.durable), ..problem })
        }
    }
}

/// Lines handed over and not yet answered, in order.
struct Writes {
    waiting: VecDeque<BoxFuture<'static, Result<(), WriteFailure>>>,
    durable: usize,
}

impl Writes {
    async fn write_lines(&mut self, gateway: &Gateway, topic: &Topic, body: &[u8]) -> Result<(), Problem> {
        let lines = body.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
        for (number, line) in lines {
            let (stream_id, event) = parse(line).map_err(|error| {
                let detail = format!("Line {}: {error}", number + 1);
                Problem { kind: Some("NotWritten"), ..Problem::new(StatusCode::BAD_REQUEST, detail) }
            })?;
            self.waiting.push_back(gateway.append(topic, &stream_id, &[event])?.boxed());
            self.settle(LINES_IN_FLIGHT).await?;
        }
        Ok(self.settle(0).await?)
    }

    /// Awaits acknowledgements, in order, until at most `most` are missing.
    async fn settle(&mut self, most: usize) -> Result<(), WriteFailure> {
        while self.waiting.len() > most
            && let Some(write) = self.waiting.pop_front()
        {
            write.await?;
            self.durable += 1;
        }
        Ok(())
    }
}

fn parse(line: &[u8]) -> Result<(String, EventData), serde_json::Error> {
    let Envelope { stream_id } = serde_json::from_slice(line)?;
    Ok((stream_id, serde_json::from_slice(line)?))
}

/// Lines of one request that may be unacknowledged.
const LINES_IN_FLIGHT: usize = 1024;

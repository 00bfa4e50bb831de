//! `GET /topics/{topic}/packages?from=&until_end=`: the packages of a topic as NDJSON, from a position on, live after
//! that. `curl -N` is a client.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use kafka_bridge::broker::{Deliveries, Delivery, Start};
use kafka_bridge::feed::{FeedEvent, Following};
use kafka_bridge::record::Record;
use quix_model::{Package, PackageReceived, Reading};
use serde::{Deserialize, Serialize};

use crate::audience::package_received;
use crate::errors::{Failure, Problem};
use crate::gateway::Gateway;
use crate::timestamp::date_time;
use crate::topics::Topic;

#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    /// `earliest`, `end` (default), or an offset, which counts in every partition.
    #[serde(default)]
    from: Option<String>,
    /// Stop where the topic ends now, rather than going on live. Default false.
    #[serde(default)]
    until_end: bool,
}

pub(super) async fn read(
    State(gateway): State<Arc<Gateway>>,
    Path(topic): Path<String>,
    Query(ask): Query<Ask>,
) -> Result<Response, Problem> {
    let start = start(ask.from.as_deref())?;
    let topic = gateway.topic(&topic).await?;
    let source = match (start, ask.until_end) {
        (Start::End, true) => Source::Nothing,
        (Start::End, false) => Source::Live(gateway.feeds.follow(&topic.name).await.map_err(Failure::from)?),
        (start, until_end) => {
            let positions = gateway.broker.positions(&topic.name).await.map_err(Failure::from)?;
            let partitions_left = if until_end { Some(positions.len()) } else { None };
            let deliveries = gateway.broker.read(&topic.name, start).await.map_err(Failure::from)?;
            Source::From { deliveries, partitions_left }
        }
    };
    let lines = stream::unfold((source, topic), |(mut source, topic)| async move {
        let lines = source.next_lines(&topic).await?;
        Some((Ok::<_, std::convert::Infallible>(lines), (source, topic)))
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

fn start(from: Option<&str>) -> Result<Start, Problem> {
    match from {
        None | Some("end") => Ok(Start::End),
        Some("earliest") => Ok(Start::Earliest),
        Some(text) => match text.parse() {
            Ok(offset) if offset >= 0 => Ok(Start::Offset(offset)),
            _ => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "The parameter 'from' must be 'earliest', 'end' or an offset, 0 or more.",
            )),
        },
    }
}

/// Where the packages come from.
enum Source {
    Nothing,
    /// The topic's feed, shared with all who follow it.
    Live(Following),
    /// A read of its own, from an older position; with the partitions whose end is still awaited.
    From {
        deliveries: Deliveries,
        partitions_left: Option<usize>,
    },
}

impl Source {
    /// The lines of the next batch, several or none; `None` at the end.
    async fn next_lines(&mut self, topic: &Topic) -> Option<Bytes> {
        let lines = match self {
            Self::Nothing => return None,
            Self::Live(following) => live_lines(&*following.recv().await?, topic),
            Self::From { partitions_left: Some(0), .. } => return None,
            Self::From { deliveries, partitions_left } => match deliveries.next().await? {
                Delivery::CaughtUp { .. } => {
                    *partitions_left = partitions_left.map(|left| left.saturating_sub(1));
                    Ok(Vec::new())
                }
                Delivery::Batch(batch) => Ok(lines(topic, &batch.records)),
                Delivery::Gap { partition, next_offset, lost } => Ok(gap_line(partition, next_offset, lost)),
                Delivery::TopicGone => Err(format!("Topic '{}' is gone.", topic.name)),
            },
        };
        let lines = lines.unwrap_or_else(|error| {
            *self = Self::Nothing;
            line(&ErrorLine { error: &error })
        });
        Some(Bytes::from(lines))
    }
}

fn live_lines(event: &FeedEvent, topic: &Topic) -> Result<Vec<u8>, String> {
    match event {
        FeedEvent::Batch(batch) => Ok(lines(topic, &batch.records)),
        FeedEvent::Gap { partition, next_offset, lost } => Ok(gap_line(*partition, *next_offset, *lost)),
        FeedEvent::TopicGone => Err(format!("Topic '{}' is gone.", topic.name)),
        FeedEvent::TooSlow => Err("The subscriber is too slow.".to_owned()),
    }
}

/// A package with its place in the topic.
#[derive(Serialize)]
struct PackageLine<'a> {
    #[serde(flatten)]
    package: PackageReceived<'a>,
    partition: i32,
    offset: i64,
}

/// Records are missing here: they were deleted before they were read.
#[derive(Serialize)]
struct GapLine {
    gap: Gap,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gap {
    partition: i32,
    next_offset: i64,
    lost: i64,
}

/// The stream ends here, and not by plan.
#[derive(Serialize)]
struct ErrorLine<'a> {
    error: &'a str,
}

fn lines(topic: &Topic, records: &[Record]) -> Vec<u8> {
    let mut lines = Vec::new();
    for record in records {
        let headers = record.headers.iter().map(|header| (&*header.name, header.value.as_deref()));
        if let Reading::Package(package) = Package::read(record.key.as_deref(), headers, record.value.as_deref()) {
            let (partition, offset) = (record.partition, record.offset);
            let date_time = date_time(record.timestamp_ms);
            package_received(topic, &package, &date_time, |package| {
                lines.extend(line(&PackageLine { package, partition, offset }));
            });
        }
    }
    lines
}

fn gap_line(partition: i32, next_offset: i64, lost: i64) -> Vec<u8> {
    line(&GapLine { gap: Gap { partition, next_offset, lost } })
}

fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("texts and numbers always serialise");
    line.push(b'\n');
    line
}

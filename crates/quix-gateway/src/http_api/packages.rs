//! `GET /topics/{topic}/packages?from=&until_end=`: the packages of a topic as NDJSON, from a position on, live after
//! that. `curl -N` is a client.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use futures::{FutureExt, stream};
use kafka_bridge::broker::{Deliveries, Delivery, Start};
use kafka_bridge::feed::{FeedEvent, Following};
use serde::Deserialize;
use utoipa::IntoParams;

use super::ends::Ends;
use super::extract::{Parameters, TopicText};
use super::lines::{PackageLines, error_line, gap_line};
use super::schemas::{ReadingProblems, TopicPath};
use crate::errors::{Failure, Problem};
use crate::gateway::Gateway;
use crate::topics::Topic;
use crate::visitor::Visitor;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Ask {
    /// `earliest`, `end` (default), or an offset, which counts in every partition.
    #[serde(default)]
    from: Option<String>,
    /// Stop where the topic ends now, rather than going on live. Default false.
    #[serde(default)]
    until_end: bool,
}

/// The packages of a topic as lines, from a position on, live after that
///
/// Going on live is a subscription, which makes a topic where that is allowed; looking at what is there does not.
#[utoipa::path(
    get, path = "/topics/{topic}/packages", tag = "Tools", params(TopicPath, Ask),
    responses(
        (status = 200, description = "A package a line, with its place.", content_type = "application/x-ndjson", body = String),
        ReadingProblems,
    ),
)]
pub(super) async fn read(
    State(gateway): State<Arc<Gateway>>,
    visitor: Visitor,
    TopicText(topic): TopicText,
    Parameters(ask): Parameters<Ask>,
) -> Result<Response, Problem> {
    let start = start(ask.from.as_deref())?;
    let topic = match ask.until_end {
        true => gateway.existing_topic(&visitor, &topic).await?,
        false => gateway.topic(&visitor, &topic).await?,
    };
    let source = open(&gateway, &topic, start, ask.until_end).await.inspect_err(|_| gateway.topics.forget(&topic))?;
    let end = end(gateway, visitor, ask.until_end).boxed();
    let tail = Tail { source, topic, lines: PackageLines::default(), end };
    let lines = stream::unfold(tail, |mut tail| async move {
        let lines = tail.next_lines().await?;
        Some((Ok::<_, std::convert::Infallible>(lines), tail))
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

async fn open(gateway: &Gateway, topic: &Topic, start: Start, until_end: bool) -> Result<Source, Failure> {
    Ok(match (start, until_end) {
        (Start::End, true) => Source::Nothing,
        (Start::End, false) => Source::Live(gateway.feeds.follow_unawaited(&topic.name).await?),
        (start, true) => {
            let ends = Ends::new(gateway.broker.positions(&topic.name).await?);
            Source::Until { deliveries: gateway.broker.read(&topic.name, start).await?, ends }
        }
        (start, false) => Source::From(gateway.broker.read(&topic.name, start).await?),
    })
}

/// Why an answer ends before its own end: the visitor's grant does, or the server. What has an end is left to come to it
/// by a stopping server.
async fn end(gateway: Arc<Gateway>, visitor: Visitor, until_end: bool) -> String {
    let mut stopping = gateway.stopping.subscribe();
    tokio::select! {
        why = gateway.lapse(&visitor) => why,
        _ = stopping.wait_for(|stopping| *stopping), if !until_end => "The server is stopping.".to_owned(),
    }
}

/// One answer under way.
struct Tail {
    source: Source,
    topic: Arc<Topic>,
    lines: PackageLines,
    /// See [`end`].
    end: BoxFuture<'static, String>,
}

/// Where the packages come from.
enum Source {
    Nothing,
    /// The topic's feed, shared with all who follow it.
    Live(Following),
    /// A read of its own, from an older position.
    From(Deliveries),
    /// The same, up to what was the end.
    Until {
        deliveries: Deliveries,
        ends: Ends,
    },
}

impl Tail {
    /// The lines of the next batch, several or none; `None` at the end.
    async fn next_lines(&mut self) -> Option<Bytes> {
        let Self { source, topic, lines, end } = self;
        let lines = match source {
            Source::Nothing => return None,
            _ => tokio::select! {
                biased;
                why = end => Err(why),
                found = source.next_lines(topic, lines) => found?,
            },
        };
        let lines = lines.unwrap_or_else(|error| {
            *source = Source::Nothing;
            error_line(&error)
        });
        Some(Bytes::from(lines))
    }
}

impl Source {
    async fn next_lines(&mut self, topic: &Topic, lines: &mut PackageLines) -> Option<Result<Vec<u8>, String>> {
        match self {
            Self::Nothing => None,
            Self::Live(following) => Some(live_lines(&*following.recv().await?, topic, lines)),
            Self::From(deliveries) => Some(delivered_lines(&deliveries.next().await?, topic, lines)),
            Self::Until { ends, .. } if ends.are_reached() => None,
            Self::Until { deliveries, ends } => {
                let delivery = ends.cut(deliveries.next().await?);
                Some(delivered_lines(&delivery, topic, lines))
            }
        }
    }
}

fn live_lines(event: &FeedEvent, topic: &Topic, lines: &mut PackageLines) -> Result<Vec<u8>, String> {
    match event {
        FeedEvent::Batch(batch) => Ok(lines.of(topic, &batch.records)),
        FeedEvent::Gap { partition, next_offset, lost } => Ok(gap_line(*partition, *next_offset, *lost)),
        FeedEvent::Unreadable { .. } => Err(topic.unreadable()),
        FeedEvent::TopicGone => Err(gone(topic)),
        FeedEvent::TooSlow => Err("The subscriber is too slow.".to_owned()),
    }
}

fn delivered_lines(delivery: &Delivery, topic: &Topic, lines: &mut PackageLines) -> Result<Vec<u8>, String> {
    match delivery {
        Delivery::Batch(batch) => Ok(lines.of(topic, &batch.records)),
        Delivery::CaughtUp { .. } => Ok(Vec::new()),
        Delivery::Gap { partition, next_offset, lost } => Ok(gap_line(*partition, *next_offset, *lost)),
        Delivery::Unreadable { .. } => Err(topic.unreadable()),
        Delivery::TopicGone => Err(gone(topic)),
    }
}

fn gone(topic: &Topic) -> String {
    format!("Topic '{}' is gone.", topic.name)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use kafka_bridge::broker::Broker;
    use kafka_bridge::memory::MemoryBroker;
    use kafka_bridge::record::NewRecord;

    use super::*;

    /// Records that come all the time must not keep an answer from its end.
    #[tokio::test]
    async fn the_end_comes_before_what_is_there_to_read() {
        let broker = MemoryBroker::new();
        broker.create_topic("t", None).await.unwrap();
        broker.append("t", NewRecord { key: None, value: b"x", headers: &[] }).unwrap().await.unwrap();
        for _ in 0..64 {
            let mut probe = broker.read("t", Start::Earliest).await.unwrap();
            let deliveries = broker.read("t", Start::Earliest).await.unwrap();
            probe.next().await.unwrap();
            tokio::task::yield_now().await; // the other, begun at the same time, has its records too
            let topic = Arc::new(Topic { name: "t".into(), id: "ws-t".into() });
            let end = std::future::ready("why".to_owned()).boxed();
            let mut tail = Tail { source: Source::From(deliveries), topic, lines: PackageLines::default(), end };
            assert_eq!(tail.next_lines().await.unwrap(), error_line("why"));
            assert!(tail.next_lines().await.is_none());
        }
    }
}

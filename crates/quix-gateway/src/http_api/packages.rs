//! `GET /topics/{topic}/packages`: the packages of a topic, or what filters leave of them, as NDJSON or Server-Sent Events:
//! from a position on and live after that, or as a bounded read. Nothing is kept of a reader: it has its cursor.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use kafka_bridge::broker::{NextOffset, PartitionPositions, Start};
use kafka_bridge::feed::Following;

use super::answer_body::{self, Patience};
use super::ask::{Ask, From, Pairs, Query};
use super::cursor::Cursor;
use super::ends::Ends;
use super::extract::{Parameters, TopicText};
use super::form::{Form, Text};
use super::lines::PackageLines;
use super::schemas::{ReadingProblems, TopicPath};
use super::source::Source;
use super::tail::{Opened, Read, Tail};
use crate::errors::{Failure, Problem};
use crate::gateway::Gateway;
use crate::topics::Topic;
use crate::visitor::Visitor;

/// The packages of a topic, from a position on, live after that or up to a bound
///
/// Each message has its `partition` and `offset`. Without a filter it is a package as the hub's `PackageReceived` has it; what
/// a filter leaves is the argument of one of the hub's other callbacks, whose name is its member `callback`.
///
/// Whoever accepts `text/event-stream` gets events. The `id` of each is the cursor behind it: asking with it as
/// `Last-Event-ID`, as browsers do by themselves, or as `cursor` goes on right there. A cursor has, for each partition, the
/// next offset: `0:120,1:77`; what else may stand in it is for the server.
///
/// Beside messages there come, in NDJSON as `{"gap":{…}}` and `{"error":"…"}`: an event `gap` when reading goes on at `nextOffset`
/// of a `partition` because `lost` records were deleted before they were read, or with `lost` 0 because the topic was cut back or
/// made anew (a cursor that is beyond the end goes on at the first record); `problem`, the last, which says why there are no
/// more; and `end`, only as an event, the last of a read that came to its end. Every 15 s without any other sign there is a
/// comment, or in NDJSON an empty line. That a topic was made anew is not noticed if it has grown to the cursor again: reading
/// goes on there, as if it were the same topic.
///
/// A message that comes in pieces is handed out once it is whole, behind those that came meanwhile. It is given up when no
/// piece has come for 60 s, or 500 records of its partition, or when what is incomplete exceeds 16 MiB or 32 messages; or 256 MiB
/// of all reads together.
///
/// A reader that takes nothing for the time of the limit `write_stall` is told so (`problem`) and read for no more; where that
/// would be within a message, or the read is bounded, the answer breaks off. One that is slow may take its time: a live reader
/// that falls behind goes on as a read of what was there before.
///
/// Those are bounded for each user, or address where there are no tokens, by the limit `replays_per_client`, until they have
/// come to the end. One more waits for its turn, beside its own `wait`, and is refused with 429 if that does not come within 10 s.
///
/// Going on live is a subscription, which makes a topic where that is allowed; looking at what is there, or a bounded read,
/// does not.
#[utoipa::path(
    get, path = "/topics/{topic}/packages", tag = "Tools",
    params(
        TopicPath, Query,
        ("Last-Event-ID" = Option<String>, Header, description = "As `cursor`. Goes before it if the answer has events, for browsers send it \
            with the address as it was; else it counts only if there is no `cursor`."),
        ("Accept" = Option<String>, Header, description = "`text/event-stream` for events, anything else for NDJSON."),
    ),
    responses(
        (
            status = 200, description = "Messages with their places.",
            content((String = "application/x-ndjson"), (String = "text/event-stream")),
            headers(
                ("Streamgate-Cursor" = String, description = "Where the next read begins: behind what is in the answer if the \
                    read is bounded, else where this one began, before any gap is told."),
                ("Link" = String, description = "Of a bounded read: the next one, with the relation `next`."),
            ),
        ),
        ReadingProblems,
    ),
)]
pub(super) async fn read(
    State(gateway): State<Arc<Gateway>>,
    visitor: Visitor,
    TopicText(topic): TopicText,
    Parameters(pairs): Parameters<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let ask = Ask::read(&pairs, &headers, SystemTime::now(), gateway.settings.max_subscriptions)?;
    let has_end = ask.until_end || ask.bounds.is_some_and(|bounds| !bounds.waits);
    let topic = match has_end || ask.bounds.is_some() {
        true => gateway.existing_topic(&visitor, &topic).await?,
        false => gateway.topic(&visitor, &topic).await?,
    };
    let opened = open(&gateway, &visitor, &topic, ask.from, has_end).await.inspect_err(|failure| match failure {
        Failure::TooManyReplays(_) => gateway.metrics.limit_hit("replays_per_client"),
        _ => gateway.topics.forget(&topic),
    });
    let (cursor, opened) = opened?;
    let patience = Patience { stall: gateway.settings.max_write_stall, metrics: gateway.metrics.clone() };
    let rows = gateway.settings.reads.of(&topic.name);
    let lines = PackageLines::new(ask.wishes, cursor.clone(), rows, gateway.held.share());
    let tail = Tail::new(opened, topic, lines, ask.form, end(gateway, visitor, has_end).boxed());
    let Some(bounds) = ask.bounds else {
        let mut first = Text::default();
        // At once, so that who is cut off before the first package has a cursor too.
        if ask.form == Form::Events {
            ask.form.heartbeat(&mut first, &cursor);
        }
        return Ok(answer(ask.form, &cursor, answer_body::going_on(tail, first, patience)));
    };
    let Read { text, cursor, permit } = tail.read(bounds).await;
    let mut answer = answer(ask.form, &cursor, answer_body::whole(text, permit, patience));
    if let Ok(link) = HeaderValue::try_from(next_link(&pairs, &cursor)) {
        answer.headers_mut().insert(header::LINK, link);
    }
    Ok(answer)
}

fn answer(form: Form, cursor: &Cursor, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, form.content_type().to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        // Else nginx keeps events back until it has many.
        (header::HeaderName::from_static("x-accel-buffering"), "no".to_owned()),
        (header::HeaderName::from_static("streamgate-cursor"), cursor.to_string()),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Streamgate-Cursor, Link".to_owned()),
    ];
    (headers, body).into_response()
}

/// The same read from the cursor on, relative to the request. Tokens in the query are left out.
fn next_link(pairs: &Pairs, cursor: &Cursor) -> String {
    let kept = pairs.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
    let rest = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    let and = if rest.is_empty() { "" } else { "&" };
    format!("<?cursor={cursor}{and}{rest}>; rel=\"next\"")
}

/// Opens a read, with the cursor at which it begins.
async fn open(
    gateway: &Gateway,
    visitor: &Visitor,
    topic: &Topic,
    from: From,
    has_end: bool,
) -> Result<(Cursor, Opened), Failure> {
    let broker = &gateway.broker;
    let positions = broker.positions(&topic.name).await?;
    let mut cut_back = Vec::new();
    let (cursor, start) = match from {
        From::Earliest => (Cursor::at(positions.iter().map(|position| position.earliest)), Start::Earliest),
        From::End => (at_end(&positions), Start::End),
        From::Offset(offset) => {
            // Where that is beyond the end, the reader is told.
            let beyond = positions.iter().filter(|position| offset > position.end);
            cut_back = beyond.map(|at| NextOffset { partition: at.partition, offset: at.end }).collect();
            from_cursor(Cursor::at(positions.iter().map(|position| position.end.min(offset))))
        }
        From::Time(time_ms) => from_cursor(Cursor::at(broker.offsets_at(&topic.name, time_ms).await?)),
        From::Cursor(mut cursor) => {
            cut_back = cursor.fit(&positions);
            let start = cursor.moved(&cut_back).start();
            (cursor, start)
        }
    };
    // Until the reader was told, it asks again where it stood.
    let there = cursor.moved(&cut_back);
    let replayer = gateway.replayer(visitor);
    let ends = Ends::new(&positions, |partition| there.place(partition).next);
    if has_end && ends.are_reached() {
        return Ok((cursor, Opened { source: Source::AtEnd, cut_back, permit: None }));
    }
    if !has_end && let Some((following, positions)) = follow_from(gateway, topic, &there, &start, &positions).await? {
        let cursor = if start == Start::End { at_end(&positions) } else { cursor };
        return Ok((cursor, Opened { source: Source::Live(following, replayer), cut_back, permit: None }));
    }
    let (deliveries, permit) = replayer.open(&topic.name, start).await?;
    let source = if has_end { Source::Until { deliveries, ends } } else { Source::From(deliveries) };
    Ok((cursor, Opened { source, cut_back, permit: Some(permit) }))
}

/// The topic's feed, and the ends when it was joined, if nothing stands between it and the cursor: else older records have to be
/// read first.
async fn follow_from(
    gateway: &Gateway,
    topic: &Topic,
    cursor: &Cursor,
    start: &Start,
    positions: &[PartitionPositions],
) -> Result<Option<(Following, Vec<PartitionPositions>)>, Failure> {
    if !cursor.is_at_end_of(positions) {
        return Ok(None);
    }
    // What is stored after it was joined comes by the feed; what was before, and comes too, the cursor tells.
    let following = gateway.feeds.follow_unawaited(&topic.name).await?;
    let positions = gateway.broker.positions(&topic.name).await?;
    let is_at_end = *start == Start::End || cursor.is_at_end_of(&positions);
    Ok(is_at_end.then_some((following, positions)))
}

fn from_cursor(cursor: Cursor) -> (Cursor, Start) {
    let start = cursor.start();
    (cursor, start)
}

fn at_end(positions: &[PartitionPositions]) -> Cursor {
    Cursor::at(positions.iter().map(|position| position.end))
}

/// Why an answer ends before its own end: the visitor's grant does, or the server. What has an end is left to come to it
/// by a stopping server.
async fn end(gateway: Arc<Gateway>, visitor: Visitor, has_end: bool) -> String {
    let mut stopping = gateway.stopping.subscribe();
    tokio::select! {
        why = gateway.lapse(&visitor) => why,
        _ = stopping.wait_for(|stopping| *stopping), if !has_end => "The server is stopping.".to_owned(),
    }
}

/// Parameters that the next of several bounded reads has too.
const KEPT: [&str; 7] = ["stream", "parameter", "event", "kind", "max", "wait", "until_end"];

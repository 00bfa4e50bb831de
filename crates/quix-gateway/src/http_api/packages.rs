//! `GET /topics/{topic}/packages`: the packages of a topic, or what filters leave of them, as NDJSON or Server-Sent Events:
//! from a position on and live after that, or as a bounded read. Nothing is kept of a reader: it has its cursor.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use kafka_bridge::broker::{PartitionPositions, Start};

use super::ask::{Ask, From, Pairs, Query};
use super::body::{self, Patience};
use super::cursor::Cursor;
use super::ends::Ends;
use super::extract::{Parameters, TopicText};
use super::form::{Form, Text};
use super::lines::PackageLines;
use super::schemas::{ReadingProblems, TopicPath};
use super::tail::{Piece, Source, Tail};
use crate::errors::{Failure, Problem};
use crate::gateway::Gateway;
use crate::replays::Permit;
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
/// comment, or in NDJSON an empty line.
///
/// A message that comes in pieces is handed out once it is whole, behind those that came meanwhile. It is given up when no
/// piece has come for 60 s, or 500 records of its partition, or when what is incomplete exceeds 16 MiB or 32 messages.
///
/// A reader that takes nothing for the time of the limit `write_stall` is told so (`problem`) and read for no more. Reads of what
/// was there before they began are bounded for each user, or address where there are no tokens, by the limit
/// `replays_per_client`, until they have come to the end.
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
                    read is bounded, else where this one began."),
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
    let opened = open(&gateway, &visitor, &topic, ask.from, has_end).await;
    let Opened { source, cursor, gaps, permit } = opened.inspect_err(|_| gateway.topics.forget(&topic))?;
    let patience = Patience { stall: gateway.settings.max_write_stall, metrics: gateway.metrics.clone() };
    let end = end(gateway, visitor, has_end).boxed();
    let mut tail = Tail::new(source, topic, PackageLines::new(ask.wishes, cursor.clone()), ask.form, end);
    tail.pieces.extend(gaps);
    let Some(bounds) = ask.bounds else {
        tail.permit = permit;
        let mut first = Text::default();
        // At once, so that who is cut off before the first package has a cursor too.
        if ask.form == Form::Events {
            ask.form.heartbeat(&mut first, &cursor);
        }
        return Ok(answer(ask.form, &cursor, body::going_on(tail, first, patience)));
    };
    let read = tail.read(bounds).await;
    let mut answer = answer(ask.form, &read.cursor, body::whole(read.text, permit, patience));
    if let Ok(link) = HeaderValue::try_from(next_link(&pairs, &read.cursor)) {
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

/// Where a read begins.
struct Opened {
    source: Source,
    /// From here on what comes is handed out.
    cursor: Cursor,
    /// What is to be told first.
    gaps: Vec<Piece>,
    /// For a read of its own.
    permit: Option<Permit>,
}

async fn open(
    gateway: &Gateway,
    visitor: &Visitor,
    topic: &Topic,
    from: From,
    has_end: bool,
) -> Result<Opened, Failure> {
    let broker = &gateway.broker;
    let positions = broker.positions(&topic.name).await?;
    let mut gaps = Vec::new();
    let (cursor, start) = match from {
        From::Earliest => (Cursor::at(positions.iter().map(|position| position.earliest)), Start::Earliest),
        From::End => (at_end(&positions), Start::End),
        From::Offset(offset) => from_cursor(Cursor::at(positions.iter().map(|position| position.end.min(offset)))),
        From::Time(time_ms) => from_cursor(Cursor::at(broker.offsets_at(&topic.name, time_ms).await?)),
        From::Cursor(mut cursor) => {
            let cut_back = cursor.fit(&positions);
            gaps.extend(cut_back.into_iter().map(|partition| {
                let next_offset = cursor.place(partition).next;
                Piece::Gap { partition, next_offset, lost: 0 }
            }));
            from_cursor(cursor)
        }
    };
    let opened = |source, cursor, permit| Ok(Opened { source, cursor, gaps, permit });
    let ends = Ends::new(&positions, |partition| cursor.place(partition).next);
    if has_end && ends.are_reached() {
        return opened(Source::AtEnd, cursor, None);
    }
    if !has_end && cursor.is_at_end_of(&positions) {
        // What is stored after it was joined comes by the feed; what was before, and comes too, the cursor tells.
        let following = gateway.feeds.follow_unawaited(&topic.name).await?;
        let positions = broker.positions(&topic.name).await?;
        if start == Start::End {
            return opened(Source::Live(following), at_end(&positions), None);
        }
        if cursor.is_at_end_of(&positions) {
            return opened(Source::Live(following), cursor, None);
        }
    }
    let permit = gateway.replays.take(visitor.client());
    let permit = permit.ok_or(Failure::TooManyReplays(gateway.settings.max_replays_per_client))?;
    let deliveries = broker.read(&topic.name, start).await?;
    let source = if has_end { Source::Until { deliveries, ends } } else { Source::From(deliveries) };
    opened(source, cursor, Some(permit))
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

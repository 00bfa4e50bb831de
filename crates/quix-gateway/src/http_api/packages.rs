//! `GET /topics/{topic}/packages`: the packages of a topic, or what filters leave of them, as NDJSON or Server-Sent Events:
//! from a position on and live after that, or as a bounded read. Nothing is kept of a reader: it has its cursor.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use futures::{FutureExt, StreamExt, stream};
use kafka_bridge::broker::{PartitionPositions, Start};

use super::ask::{Ask, From, Pairs, Query};
use super::cursor::Cursor;
use super::ends::Ends;
use super::extract::{Parameters, TopicText};
use super::lines::{Form, PackageLines};
use super::schemas::{ReadingProblems, TopicPath};
use super::tail::{Source, Tail};
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
/// next offset: `0:120,1:77`; what else may stand in it is for the server. An event `gap` tells that records were deleted before they
/// were read, `problem` is the last and says why there are no more, and `end` is the last of a read that came to its end. Every
/// 15 s without any other sign there is a comment, or in NDJSON an empty line.
///
/// Going on live is a subscription, which makes a topic where that is allowed; looking at what is there, or a bounded read,
/// does not.
#[utoipa::path(
    get, path = "/topics/{topic}/packages", tag = "Tools",
    params(
        TopicPath, Query,
        ("Last-Event-ID" = Option<String>, Header, description = "As `cursor`, before which it goes."),
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
    uri: Uri,
    Parameters(pairs): Parameters<Pairs>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let ask = Ask::read(&pairs, &headers, SystemTime::now(), gateway.settings.max_subscriptions)?;
    let has_end = ask.until_end || ask.bounds.is_some_and(|bounds| bounds.wait.is_zero());
    let topic = match has_end || ask.bounds.is_some() {
        true => gateway.existing_topic(&visitor, &topic).await?,
        false => gateway.topic(&visitor, &topic).await?,
    };
    let (source, cursor) =
        open(&gateway, &topic, ask.from, has_end).await.inspect_err(|_| gateway.topics.forget(&topic))?;
    let end = end(gateway.clone(), visitor, has_end).boxed();
    let lines = PackageLines::new(ask.wishes, cursor, gateway.settings.reads.of(&topic.name));
    let tail = Tail { source, topic, lines, form: ask.form, end };
    Ok(match ask.bounds {
        Some(bounds) => {
            let read = tail.read(bounds).await;
            let mut answer = answer(ask.form, &read.cursor, Body::from(read.body));
            if let Ok(link) = HeaderValue::try_from(next_link(&uri, &read.cursor)) {
                answer.headers_mut().insert(header::LINK, link);
            }
            answer
        }
        None => going_on(tail),
    })
}

/// Reads on and on. Events begin at once, so that who is cut off before the first package has a cursor too.
fn going_on(tail: Tail) -> Response {
    let (form, cursor) = (tail.form, tail.lines.cursor.clone());
    let first = (form == Form::Events).then(|| form.heartbeat(&cursor));
    let rest = stream::unfold(tail, |mut tail| async move { Some((tail.next_bytes().await?, tail)) });
    let bytes = stream::iter(first).chain(rest).map(|bytes| Ok::<_, std::convert::Infallible>(Bytes::from(bytes)));
    answer(form, &cursor, Body::from_stream(bytes))
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
fn next_link(uri: &Uri, cursor: &Cursor) -> String {
    let query = uri.query().unwrap_or_default().split('&');
    let kept = query.filter(|pair| KEPT.contains(&pair.split('=').next().unwrap_or_default()));
    let rest: String = kept.map(|pair| format!("&{pair}")).collect();
    format!("<?cursor={cursor}{rest}>; rel=\"next\"")
}

/// Where to read from, and from which cursor on what comes is handed out.
async fn open(gateway: &Gateway, topic: &Topic, from: From, has_end: bool) -> Result<(Source, Cursor), Failure> {
    let broker = &gateway.broker;
    let positions = broker.positions(&topic.name).await?;
    let (cursor, start) = match from {
        From::Earliest => (Cursor::at(positions.iter().map(|position| position.earliest)), Start::Earliest),
        From::End => (at_end(&positions), Start::End),
        From::Offset(offset) => (Cursor::at(positions.iter().map(|_| offset)), Start::Offset(offset)),
        From::Time(time_ms) => {
            let cursor = Cursor::at(broker.offsets_at(&topic.name, time_ms).await?);
            (cursor.clone(), cursor.start())
        }
        From::Cursor(cursor) => (cursor.clone(), cursor.start()),
    };
    if has_end {
        let ends = Ends::new(&positions, |partition| cursor.place(partition).next);
        if ends.are_reached() {
            return Ok((Source::AtEnd, cursor));
        }
        return Ok((Source::Until { deliveries: broker.read(&topic.name, start).await?, ends }, cursor));
    }
    if cursor.is_at_end_of(&positions) {
        // What is stored after it was joined comes by the feed; what was before, and comes too, the cursor tells.
        let following = gateway.feeds.follow_unawaited(&topic.name).await?;
        let positions = broker.positions(&topic.name).await?;
        if start == Start::End {
            return Ok((Source::Live(following), at_end(&positions)));
        }
        if cursor.is_at_end_of(&positions) {
            return Ok((Source::Live(following), cursor));
        }
    }
    Ok((Source::From(broker.read(&topic.name, start).await?), cursor))
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

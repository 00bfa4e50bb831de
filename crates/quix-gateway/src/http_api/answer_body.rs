//! The bodies of reads: handed over slice by slice. A reader that takes nothing holds little, and nothing of the server for longer
//! than it may.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::form::{PART_BYTES, Text};
use super::source::TOO_SLOW;
use super::tail::{Next, Tail};
use crate::metrics::Metrics;

/// How long a body may be left untaken, and where it counts that one was.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    pub(super) stall: Duration,
    pub(super) metrics: Metrics,
}

/// Reads on and on, `first` before it. A task of its own reads, so that it notices its end even if nobody asks the body.
pub(super) fn going_on(mut tail: Tail, first: Text, patience: Patience) -> Body {
    body(async move |parts| {
        let form = tail.form;
        let mut text = first;
        loop {
            for mut part in text.into_parts() {
                let bytes = part.len();
                let why = tokio::select! {
                    biased;
                    why = &mut tail.end => why,
                    handed = hand_over(&parts, &mut part, &patience) => match handed {
                        Ok(()) => continue,
                        Err(Left::Gone) => return None,
                        Err(Left::Stalled) => TOO_SLOW.to_owned(),
                    }
                };
                // Within a message nothing else can be said.
                let is_between = part.len() == bytes;
                return Some(if is_between { Ok(form.error(&why)) } else { Err(io::Error::other(why)) });
            }
            tokio::select! {
                biased;
                () = parts.closed() => return None,
                next = tail.next() => match next {
                    Next::Text(next) => text = next,
                    Next::Last(word) => return (!word.is_empty()).then_some(Ok(word)),
                }
            }
        }
    })
}

/// What was read. Whoever does not take it is cut off: an end within it would look as if it were whole.
pub(super) fn whole(text: Text, kept: impl Send + 'static, patience: Patience) -> Body {
    let mut parts = text.into_parts();
    if parts.iter().map(Bytes::len).sum::<usize>() <= PART_BYTES {
        return Body::from(parts.pop().unwrap_or_default());
    }
    body(async move |sender| {
        let _kept = kept;
        for mut part in parts {
            match hand_over(&sender, &mut part, &patience).await {
                Ok(()) => {}
                Err(Left::Gone) => return None,
                Err(Left::Stalled) => return Some(Err(io::Error::new(io::ErrorKind::TimedOut, TOO_SLOW))),
            }
        }
        None
    })
}

/// Why a part was not handed over whole.
enum Left {
    /// There is nobody any more.
    Gone,
    /// The slice before was not taken in time.
    Stalled,
}

/// Hands over all of a part; what is left of it was not. Slices show that a slow reader is there: the next is taken when hardly
/// anything of those before is unsent. Cancel safe.
async fn hand_over(slices: &mpsc::Sender<Bytes>, part: &mut Bytes, patience: &Patience) -> Result<(), Left> {
    while !part.is_empty() {
        match timeout(patience.stall, slices.reserve()).await {
            Ok(Ok(permit)) => permit.send(part.split_to(part.len().min(PART_BYTES))),
            Ok(Err(_)) => return Err(Left::Gone),
            Err(_) => {
                patience.metrics.limit_hit("write_stall");
                return Err(Left::Stalled);
            }
        }
    }
    Ok(())
}

type LastWord = Option<Result<Bytes, io::Error>>;

/// A body of the slices that a task hands over, and its last word when it has given back all else. It breaks off if the task does.
fn body<F>(task: impl FnOnce(mpsc::Sender<Bytes>) -> F) -> Body
where
    F: Future<Output = LastWord> + Send + 'static,
{
    let (sender, parts) = mpsc::channel(1);
    let (say, word) = oneshot::channel::<LastWord>();
    let task = task(sender);
    tokio::spawn(async move { _ = say.send(task.await) });
    let rest = stream::unfold((parts, Some(word)), |(mut parts, word)| async move {
        if let Some(part) = parts.recv().await {
            return Some((Ok(part), (parts, word)));
        }
        let broken_off = |_| Some(Err(io::Error::other("the server stopped writing")));
        let said = word?.await.unwrap_or_else(broken_off)?;
        Some((said, (parts, None)))
    });
    Body::from_stream(rest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::to_bytes;
    use futures::{FutureExt, StreamExt};
    use kafka_bridge::broker::{Broker, Start};
    use kafka_bridge::memory::MemoryBroker;
    use kafka_bridge::record::NewRecord;

    use super::*;
    use crate::audience::Wishes;
    use crate::http_api::Held;
    use crate::http_api::cursor::Cursor;
    use crate::http_api::form::Form;
    use crate::http_api::lines::PackageLines;
    use crate::http_api::source::Source;
    use crate::http_api::tail::Opened;
    use crate::read_rules::Rows;
    use crate::replays::{Client, Replays};
    use crate::subscription::{Kind, Scope, Select, Subscription};
    use crate::topics::Topic;

    /// As when a token is revoked while its bearer, over HTTP/2, lets everything lie.
    #[tokio::test]
    async fn a_body_that_nobody_asks_ends_when_its_time_has_come() {
        let broker = MemoryBroker::new();
        broker.create_topic("t", None).await.unwrap();
        for _ in 0..9 {
            let value = "x".repeat(100_000);
            let record = NewRecord { key: None, value: value.as_bytes(), headers: &[] };
            broker.append("t", record).unwrap().await.unwrap();
        }
        let all = Subscription { kind: Kind::Packages, stream: Select::All, id: Select::All, scope: Scope::Topic };
        let lines =
            PackageLines::new(Wishes::from([all]), Cursor::at([0]), Rows::default(), Held::new(usize::MAX).share());
        let topic = Arc::new(Topic { name: "t".into(), id: "ws-t".into() });
        let source = Source::From(broker.read("t", Start::Earliest).await.unwrap());
        let (revoke, revoked) = oneshot::channel::<String>();
        let end = async move { revoked.await.unwrap() }.boxed();
        let replays = Replays::new(1, Duration::from_secs(3600));
        let permit = Some(replays.take(Client::Unknown).await.unwrap());
        let tail = Tail::new(Opened { source, cut_back: Vec::new(), permit }, topic, lines, Form::Lines, end);
        let patience = Patience { stall: Duration::from_secs(3600), metrics: Metrics::default() };
        let body = going_on(tail, Text::default(), patience);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(replays.take(Client::Unknown).now_or_never().is_none(), "it goes on");
        revoke.send("Access was revoked.".to_owned()).unwrap();
        timeout(Duration::from_secs(30), replays.take(Client::Unknown)).await.unwrap().unwrap();
        let mut body = body.into_data_stream();
        let mut said = Vec::new();
        let broken_off = loop {
            match body.next().await {
                Some(Ok(slice)) => said.extend_from_slice(&slice),
                Some(Err(error)) => break error,
                None => panic!("it looks whole"),
            }
        };
        assert!(broken_off.to_string().contains("Access was revoked."), "within a message: {broken_off}");
        assert!(said.len() < 300_000, "what it had not handed over is let go of: {}", said.len());
    }

    /// A message may be far larger than what is taken of it in the time of a stall.
    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_gets_all_and_one_that_stops_within_a_message_no_last_word() {
        let text = || {
            let mut text = Text::default();
            (0..2).for_each(|_| text.add(&[&vec![b'x'; 4 << 20], b"\n"]));
            text.add(&[b"last\n"]);
            text
        };
        let patience = Patience { stall: Duration::from_secs(1), metrics: Metrics::default() };
        let live = || {
            let topic = Arc::new(Topic { name: "t".into(), id: "ws-t".into() });
            let lines = PackageLines::new(Wishes::default(), Cursor::default(), Rows::default(), Held::new(0).share());
            let opened = Opened { source: Source::AtEnd, cut_back: Vec::new(), permit: None };
            let end = std::future::pending().boxed();
            going_on(Tail::new(opened, topic, lines, Form::Events, end), text(), patience.clone())
        };
        let bounded = || whole(text(), (), patience.clone());
        let bodies: [&dyn Fn() -> Body; 2] = [&bounded, &live];
        for (new, last_word) in bodies.iter().zip([Bytes::new(), Form::Events.end()]) {
            let mut body = new().into_data_stream();
            let mut taken = 0;
            while let Some(slice) = body.next().await {
                let slice = slice.unwrap();
                taken += slice.len();
                tokio::time::sleep(Duration::from_secs_f64(slice.len() as f64 / 100_000.0)).await;
            }
            assert_eq!(taken, text().len() + last_word.len());
        }
        for new in bodies {
            let mut body = new().into_data_stream();
            body.next().await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
            body.next().await.unwrap().unwrap(); // was handed over
            body.next().await.unwrap().unwrap_err();
        }
    }

    #[tokio::test]
    async fn a_body_whose_task_breaks_off_is_not_whole() {
        let body = body(async move |slices| {
            slices.send(Bytes::from_static(b"x")).await.unwrap();
            panic!("as it should in this test")
        });
        to_bytes(body, usize::MAX).await.unwrap_err();
    }
}

//! The bodies of reads: handed over part by part. A reader that takes nothing holds a part or two, and nothing of the server for
//! longer than it may.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::form::Text;
use super::tail::{Next, TOO_SLOW, Tail};
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
            for part in text.into_parts() {
                tokio::select! {
                    biased;
                    why = &mut tail.end => return Some(Ok(form.error(&why))),
                    handed = hand_over(&parts, part, &patience) => match handed {
                        Ok(()) => {}
                        Err(Left::Gone) => return None,
                        Err(Left::Stalled) => return Some(Ok(form.error(TOO_SLOW))),
                    }
                }
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
    if parts.len() <= 1 {
        return Body::from(parts.pop().unwrap_or_default());
    }
    body(async move |sender| {
        let _kept = kept;
        for part in parts {
            match hand_over(&sender, part, &patience).await {
                Ok(()) => {}
                Err(Left::Gone) => return None,
                Err(Left::Stalled) => return Some(Err(io::Error::new(io::ErrorKind::TimedOut, TOO_SLOW))),
            }
        }
        None
    })
}

/// Why a part was not handed over.
enum Left {
    /// There is nobody any more.
    Gone,
    /// The one before was not taken in time.
    Stalled,
}

async fn hand_over(parts: &mpsc::Sender<Bytes>, part: Bytes, patience: &Patience) -> Result<(), Left> {
    match timeout(patience.stall, parts.reserve()).await {
        Ok(Ok(permit)) => {
            permit.send(part);
            Ok(())
        }
        Ok(Err(_)) => Err(Left::Gone),
        Err(_) => {
            patience.metrics.limit_hit("write_stall");
            Err(Left::Stalled)
        }
    }
}

type LastWord = Option<Result<Bytes, io::Error>>;

/// A body of the parts that a task hands over, and its last word when it has given back all else.
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
        let said = word?.await.ok()??;
        Some((said, (parts, None)))
    });
    Body::from_stream(rest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::to_bytes;
    use futures::FutureExt;
    use kafka_bridge::broker::{Broker, Start};
    use kafka_bridge::memory::MemoryBroker;
    use kafka_bridge::record::NewRecord;

    use super::*;
    use crate::audience::Wishes;
    use crate::http_api::cursor::Cursor;
    use crate::http_api::form::Form;
    use crate::http_api::lines::PackageLines;
    use crate::http_api::tail::Source;
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
        let lines = PackageLines::new(Wishes::from([all]), Cursor::at([0]));
        let topic = Arc::new(Topic { name: "t".into(), id: "ws-t".into() });
        let deliveries = broker.read("t", Start::Earliest).await.unwrap();
        let (revoke, revoked) = oneshot::channel::<String>();
        let end = async move { revoked.await.unwrap() }.boxed();
        let mut tail = Tail::new(Source::From(deliveries), topic, lines, Form::Lines, end);
        let replays = Replays::new(1);
        tail.permit = replays.take(Client::Unknown);
        let patience = Patience { stall: Duration::from_secs(3600), metrics: Metrics::default() };
        let body = going_on(tail, Text::default(), patience);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(replays.take(Client::Unknown).is_none(), "it goes on");
        revoke.send("Access was revoked.".to_owned()).unwrap();
        let given_back = async {
            while replays.take(Client::Unknown).is_none() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), given_back).await.unwrap();
        let said = to_bytes(body, usize::MAX).await.unwrap();
        assert!(said.ends_with(b"}\n{\"error\":\"Access was revoked.\"}\n"));
        assert!(said.len() < 300_000, "what it had not handed over is let go of: {}", said.len());
    }
}

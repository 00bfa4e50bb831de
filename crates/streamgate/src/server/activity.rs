//! `Activity`: the streams of one HTTP/2 connection, which ends when it has had none for a while.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::Notify;

/// How many streams a connection has.
#[derive(Debug, Default)]
pub(super) struct Activity {
    streams: AtomicUsize,
    changed: Notify,
}

/// One of them, for as long as any clone is held.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    _held: Arc<Held>,
}

#[derive(Debug)]
struct Held(Arc<Activity>);

impl Activity {
    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>) -> Stream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_one();
        Stream { _held: Arc::new(Held(self.clone())) }
    }

    /// Waits until there has been no stream for so long. For one to wait.
    pub(super) async fn ceases(&self, time: Duration) {
        loop {
            let changed = self.changed.notified();
            if self.streams.load(Ordering::Relaxed) > 0 {
                changed.await;
            } else if tokio::time::timeout(time, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Stream {
    /// The body of an answer, which holds the stream until it is sent.
    pub(super) fn through(self, body: Body) -> Body {
        Body::new(Sent { body, _stream: self })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }
}

struct Sent {
    body: Body,
    _stream: Stream,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ceases_when_no_stream_was_there_for_the_whole_time() {
        let (activity, time) = (Arc::<Activity>::default(), Duration::from_secs(75));
        let begin = Instant::now();
        activity.ceases(time).await;
        assert_eq!(begin.elapsed(), time, "none came at all");

        let begin = Instant::now();
        let (streams, ends) = (activity.clone(), async {
            activity.ceases(time).await;
            begin.elapsed().as_secs()
        });
        let requests = async {
            tokio::time::sleep(Duration::from_secs(74)).await;
            drop(streams.begin());
            tokio::time::sleep(Duration::from_secs(74)).await;
            let long = streams.begin();
            let body = long.clone().through(Body::from("x"));
            drop((long, streams.begin()));
            tokio::time::sleep(Duration::from_secs(1_000)).await;
            drop(body);
        };
        let (ended_after, ()) = tokio::join!(ends, requests);
        assert_eq!(ended_after, 74 + 74 + 1_000 + 75);
    }
}

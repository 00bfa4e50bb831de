//! The task of one feed: joins, leaves, fan-out, and the wait for a follower whose queue is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::{FeedEvent, Feeds, Request};
use crate::broker::{Deliveries, Delivery, ReadError, Start};

/// The feed's end of one follower.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) id: u64,
    pub(super) sender: mpsc::Sender<Arc<FeedEvent>>,
    /// Raised before the queue is closed on a follower that is too slow.
    pub(super) cut: Arc<AtomicBool>,
    /// How long it is waited for.
    pub(super) patience: Duration,
    /// The event that did not fit, and the moment at which patience ends.
    pub(super) behind: Option<(Arc<FeedEvent>, Instant)>,
}

/// Runs one feed until its topic goes or cannot be read, the broker stops, or nobody has followed for a while.
pub(super) async fn run(feeds: Arc<Feeds>, topic: String, id: u64, mut inbox: mpsc::UnboundedReceiver<Request>) {
    // Before the inbox goes, on every way out: who asks a feed that ended must find it out of the map.
    let out_of_map = OutOfMap { feeds: &feeds, topic: &topic, id };
    match feeds.broker.read(&topic, Start::End).await {
        Ok(deliveries) => {
            tracing::debug!(topic, "feed started");
            feeds.metrics.feeds.inc();
            let task = Task { feeds: &feeds, followers: Vec::new(), idle_since: Some(Instant::now()), over: false };
            task.serve(deliveries, &mut inbox, out_of_map).await;
            // A request on its way in while the inbox is dropped would stay in it, never answered; `recv` waits for it.
            inbox.close();
            while inbox.recv().await.is_some() {}
            feeds.metrics.feeds.dec();
            tracing::debug!(topic, "feed ended");
        }
        Err(error) => {
            drop(out_of_map);
            tracing::debug!(topic, %error, "feed not started");
            refuse_all(&mut inbox, &error).await;
        }
    }
}

struct OutOfMap<'a> {
    feeds: &'a Feeds,
    topic: &'a str,
    id: u64,
}

impl Drop for OutOfMap<'_> {
    fn drop(&mut self) {
        self.feeds.close(self.topic, self.id);
    }
}

struct Task<'a> {
    feeds: &'a Feeds,
    followers: Vec<Follower>,
    /// Since when nobody follows.
    idle_since: Option<Instant>,
    /// The last delivery has come.
    over: bool,
}

enum Cause {
    Request(Option<Request>),
    Delivery(Option<Delivery>),
    /// The follower at the head of the wait has room, or does not get it in time.
    Room,
    Lingered,
}

impl Task<'_> {
    async fn serve(
        mut self,
        mut deliveries: Deliveries,
        inbox: &mut mpsc::UnboundedReceiver<Request>,
        out_of_map: OutOfMap<'_>,
    ) {
        let mut out_of_map = Some(out_of_map);
        loop {
            match self.next_cause(&mut deliveries, inbox).await {
                Cause::Request(Some(Request::Join { follower, joined })) => self.join(follower, joined),
                Cause::Request(Some(Request::Leave(id))) => self.remove(|follower| follower.id == id),
                Cause::Delivery(Some(delivery)) => {
                    if delivery.is_last() {
                        out_of_map = None; // first, so that whoever hears of it and follows again gets a new feed
                        self.over = true;
                    }
                    if let Some(event) = event_of(delivery) {
                        self.fan_out(event);
                    }
                }
                Cause::Room => self.retry(),
                Cause::Delivery(None) | Cause::Request(None) | Cause::Lingered => break,
            }
            if self.over && !self.waits() {
                break;
            }
        }
        drop(out_of_map);
        self.remove(|_| true);
    }

    /// The closed list of what moves a feed. While a follower is waited for, nothing is read: that is the back-pressure.
    async fn next_cause(&self, deliveries: &mut Deliveries, inbox: &mut mpsc::UnboundedReceiver<Request>) -> Cause {
        let linger_end = self.idle_since.map(|since| since + self.feeds.settings.linger);
        let waits = self.waits();
        tokio::select! {
            biased;
            request = inbox.recv() => Cause::Request(request),
            () = self.room(), if waits => Cause::Room,
            delivery = deliveries.next(), if !waits && !self.over => Cause::Delivery(delivery),
            () = sleep_until(linger_end.unwrap_or_else(Instant::now)), if linger_end.is_some() => Cause::Lingered,
        }
    }

    fn join(&mut self, follower: Follower, joined: oneshot::Sender<Result<(), ReadError>>) {
        if self.over {
            return; // the unanswered request makes the caller try again, with a new feed
        }
        // Taken in before it is answered: whatever is handed out from now on reaches it.
        self.followers.push(follower);
        self.feeds.metrics.followers.inc();
        self.idle_since = None;
        let _ = joined.send(Ok(())); // whoever gave up leaves by its drop
    }

    fn remove(&mut self, which: impl Fn(&Follower) -> bool) {
        let before = self.followers.len();
        self.followers.retain(|follower| !which(follower));
        self.feeds.metrics.followers.dec_by((before - self.followers.len()) as i64);
        if self.followers.is_empty() && self.idle_since.is_none() {
            self.idle_since = Some(Instant::now());
        }
    }

    fn fan_out(&mut self, event: FeedEvent) {
        let event = Arc::new(event);
        let now = Instant::now();
        for follower in &mut self.followers {
            follower.offer(event.clone(), now + follower.patience);
        }
    }

    fn waits(&self) -> bool {
        self.followers.iter().any(|follower| follower.behind.is_some())
    }

    /// Until the first follower that is waited for has room, has left, or is out of time.
    async fn room(&self) {
        let behind = self.followers.iter().find_map(|follower| Some((follower, follower.behind.as_ref()?.1)));
        if let Some((follower, patience_ends)) = behind {
            tokio::select! {
                _ = follower.sender.reserve() => {} // given back at once: only this task sends
                () = sleep_until(patience_ends) => {}
            }
        }
    }

    fn retry(&mut self) {
        let now = Instant::now();
        for follower in &mut self.followers {
            if let Some((event, patience_ends)) = follower.behind.take() {
                follower.offer(event, patience_ends);
            }
        }
        let late = |follower: &Follower| follower.behind.as_ref().is_some_and(|(_, ends)| *ends <= now);
        for follower in self.followers.iter().filter(|follower| late(follower)) {
            tracing::warn!(follower = follower.id, "a follower is too slow and was cut off");
            self.feeds.metrics.count_limit("feed_queue");
            follower.cut.store(true, Ordering::Release);
        }
        self.remove(late);
    }
}

impl Follower {
    fn offer(&mut self, event: Arc<FeedEvent>, patience_ends: Instant) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.sender.try_send(event) {
            self.behind = Some((event, patience_ends));
        } // one that is closed has left; its word to us is on the way
    }
}

fn event_of(delivery: Delivery) -> Option<FeedEvent> {
    match delivery {
        Delivery::Batch(batch) => Some(FeedEvent::Batch(batch)),
        Delivery::Gap { partition, next_offset, lost } => Some(FeedEvent::Gap { partition, next_offset, lost }),
        Delivery::Unreadable { partition, offset } => Some(FeedEvent::Unreadable { partition, offset }),
        Delivery::TopicGone => Some(FeedEvent::TopicGone),
        Delivery::CaughtUp { .. } => None,
    }
}

/// Answers those who wait for a start that failed. Later ones find the feed out of the map.
async fn refuse_all(inbox: &mut mpsc::UnboundedReceiver<Request>, error: &ReadError) {
    inbox.close();
    while let Some(request) = inbox.recv().await {
        if let Request::Join { joined, .. } = request {
            let _ = joined.send(Err(error.clone()));
        }
    }
}

//! `Feeds`: one live read per followed topic, shared by however many followers.
//!
//! ```text
//!  follow ──► Feeds (map) ──► Feed task: read(topic, End) ──► Arc<FeedEvent> ──► queue ──► Following
//!                                                                           └──► queue ──► Following
//! ```

mod task;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::broker::{Broker, ReadError};
use crate::metrics::Metrics;
use crate::record::Batch;

/// All feeds of this process.
#[derive(Debug)]
pub struct Feeds {
    broker: Arc<dyn Broker>,
    settings: FeedSettings,
    metrics: Metrics,
    /// The door of each running feed, by topic.
    running: Mutex<HashMap<String, Door>>,
    ids: AtomicU64,
}

/// How feeds behave.
#[derive(Debug, Clone, Copy)]
pub struct FeedSettings {
    /// How long a feed runs on after its last follower left, so that a page reload finds it warm. Default 60 s.
    pub linger: Duration,
    /// Events a follower may leave waiting. Default 64. At the bound the feed waits for that follower, and reading pauses.
    pub queue: usize,
    /// How long the feed waits for a follower whose queue is full, before it is cut off with [`FeedEvent::TooSlow`].
    /// Default 10 s, the age at which a subscriber's own queue gives up.
    pub patience: Duration,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self { linger: Duration::from_secs(60), queue: 64, patience: Duration::from_secs(10) }
    }
}

/// What followers are handed, shared among them and in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedEvent {
    /// Records that arrived together; never empty.
    Batch(Batch),
    /// Records are missing here; see [`Delivery::Gap`](crate::broker::Delivery::Gap).
    Gap {
        /// Partition, from 0.
        partition: i32,
        /// First offset that can still come.
        next_offset: i64,
        /// Number of offsets skipped, 0 when the topic was cut back.
        lost: i64,
    },
    /// What is stored from here on cannot be read; nothing follows. See
    /// [`Delivery::Unreadable`](crate::broker::Delivery::Unreadable).
    Unreadable {
        /// Partition, from 0.
        partition: i32,
        /// First offset that cannot be read.
        offset: i64,
    },
    /// The topic was deleted or made anew; nothing follows.
    TopicGone,
    /// This follower did not take its events for [`FeedSettings::patience`] and was cut off; nothing follows.
    TooSlow,
}

impl Feeds {
    /// Feeds of `broker` that linger that long after their last follower; see [`FeedSettings`] for the rest.
    pub fn new(broker: Arc<dyn Broker>, linger: Duration) -> Arc<Self> {
        Self::with(broker, FeedSettings { linger, ..FeedSettings::default() }, Metrics::default())
    }

    /// Feeds with all settings, counting into `metrics`.
    pub fn with(broker: Arc<dyn Broker>, settings: FeedSettings, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { broker, settings, metrics, running: Mutex::default(), ids: AtomicU64::new(0) })
    }

    /// Follows a topic live. When this completes, every record acknowledged afterwards reaches the follower, in offset
    /// order per partition. Must run in a tokio runtime: the first follower of a topic starts its task there.
    ///
    /// # Errors
    /// Those of [`Broker::read`]; all who wait for the same start get the same one.
    pub async fn follow(self: &Arc<Self>, topic: &str) -> Result<Following, ReadError> {
        self.follow_with(topic, self.settings.patience).await
    }

    /// The same for somebody who is never waited for: a full queue cuts it off at once, so that it holds up nobody.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub async fn follow_unawaited(self: &Arc<Self>, topic: &str) -> Result<Following, ReadError> {
        self.follow_with(topic, Duration::ZERO).await
    }

    async fn follow_with(self: &Arc<Self>, topic: &str, patience: Duration) -> Result<Following, ReadError> {
        loop {
            let door = self.door(topic);
            let (sender, receiver) = mpsc::channel(self.settings.queue);
            let id = self.ids.fetch_add(1, Ordering::Relaxed);
            let cut = Arc::new(AtomicBool::new(false));
            let (joined, answer) = oneshot::channel();
            // Made before the request, so that its drop leaves whatever becomes of this call.
            let following = Following { receiver, id, door: door.requests.clone(), cut: cut.clone(), ended: false };
            let follower = task::Follower { id, sender, cut, patience, behind: None };
            let _ = door.requests.send(Request::Join { follower, joined }); // fails as the answer does
            match answer.await {
                Ok(Ok(())) => return Ok(following),
                Ok(Err(error)) => return Err(error),
                Err(_) => {} // that feed was just ending and is out of the map: start anew
            }
        }
    }

    /// Topics that have a running feed now, in no order.
    pub fn followed(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The running feed of a topic, or a new one.
    fn door(self: &Arc<Self>, topic: &str) -> Door {
        let mut running = self.lock();
        if let Some(door) = running.get(topic) {
            return door.clone();
        }
        let (requests, inbox) = mpsc::unbounded_channel();
        let door = Door { id: self.ids.fetch_add(1, Ordering::Relaxed), requests };
        running.insert(topic.to_owned(), door.clone());
        tokio::spawn(task::run(self.clone(), topic.to_owned(), door.id, inbox));
        door
    }

    /// Takes a feed out of the map, so that the next follower starts a new one.
    fn close(&self, topic: &str, id: u64) {
        let mut running = self.lock();
        if running.get(topic).is_some_and(|door| door.id == id) {
            running.remove(topic);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Door>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One follower's end of a feed. Dropping it leaves.
#[derive(Debug)]
pub struct Following {
    receiver: mpsc::Receiver<Arc<FeedEvent>>,
    id: u64,
    door: mpsc::UnboundedSender<Request>,
    cut: Arc<AtomicBool>,
    ended: bool,
}

impl Following {
    /// The next event; `None` after one that says that nothing follows, or when the broker was shut down. Cancel safe.
    pub async fn recv(&mut self) -> Option<Arc<FeedEvent>> {
        match self.receiver.recv().await {
            Some(event) => Some(event),
            None => self.last_word(),
        }
    }

    /// The next event if one waits.
    pub fn try_recv(&mut self) -> Option<Arc<FeedEvent>> {
        match self.receiver.try_recv() {
            Ok(event) => Some(event),
            Err(mpsc::error::TryRecvError::Empty) => None,
            Err(mpsc::error::TryRecvError::Disconnected) => self.last_word(),
        }
    }

    /// Waits for an event, then appends all that wait to `events`, at most `limit`; the number appended. 0 means what
    /// `None` means for [`Following::recv`]. Cancel safe.
    pub async fn recv_many(&mut self, events: &mut Vec<Arc<FeedEvent>>, limit: usize) -> usize {
        let taken = self.receiver.recv_many(events, limit).await;
        if taken > 0 || limit == 0 {
            return taken;
        }
        let last = self.last_word();
        let told = usize::from(last.is_some());
        events.extend(last);
        told
    }

    /// After the queue has run dry for good: why, if there is more to say.
    fn last_word(&mut self) -> Option<Arc<FeedEvent>> {
        let tell = self.cut.load(Ordering::Acquire) && !self.ended;
        self.ended = true;
        tell.then(|| Arc::new(FeedEvent::TooSlow))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.door.send(Request::Leave(self.id)); // a feed that has ended needs no word
    }
}

/// What reaches a feed's task. Unbounded, as there are at most two per follower.
#[derive(Debug)]
enum Request {
    Join { follower: task::Follower, joined: oneshot::Sender<Result<(), ReadError>> },
    Leave(u64),
}

#[derive(Debug, Clone)]
struct Door {
    id: u64,
    requests: mpsc::UnboundedSender<Request>,
}

//! Everybody who follows a topic. One task owns their subscriptions, so no lock is held while their sockets are written; it
//! takes what the topic's feed brings, encodes each callback once, and hands everyone who gets the same the same frame.
//!
//! ```text
//!  Command ──► Book ──► Audiences (equal subscriptions) ──► Groups (equal wishes of a stream)
//!  Record  ──► Intake ──► Package ──► Delivery ─────────────────┴──► Frames ──► Chunk ──► every member's outbox
//! ```

mod audiences;
mod book;
mod callbacks;
mod desk;
mod frames;
mod groups;
mod intake;
mod sampler;
mod wanted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_bridge::broker::ReadError;
use kafka_bridge::feed::{FeedEvent, Feeds, Following};
use kafka_bridge::record::Record;
use signalr_server::{CloseReason, ConnectionHandle, ConnectionId, Pushed};
use tokio::sync::{mpsc, oneshot};

use crate::metrics::{AudienceMetrics, Metrics};
use crate::subscription::{Scope, Subscription};
use crate::topics::Topic;

#[cfg(feature = "testing")]
pub(crate) use self::audiences::Member;
pub(crate) use self::book::Ending;
pub(crate) use self::callbacks::{Delivery, Takers};
pub(crate) use self::desk::Desk;
pub(crate) use self::frames::Callback;
use self::frames::{Chunk, Parcel};
pub(crate) use self::groups::Group;
pub(crate) use self::intake::Intake;
pub(crate) use self::wanted::{Wanted, Wishes};

/// Asked of a topic's task. A task that is going leaves commands unanswered; ask the next one.
#[derive(Debug)]
pub(crate) enum Command {
    /// Add subscriptions, or if one is not there and may not be added, none; answered when in force.
    Subscribe {
        connection: ConnectionHandle,
        subscriptions: Vec<Subscription>,
        may_add: bool,
        done: oneshot::Sender<Result<Subscribed, ReadError>>,
    },
    /// End some; answered with their number when nothing more of them is sent.
    Unsubscribe { connection: ConnectionId, ending: Ending, done: oneshot::Sender<usize> },
}

/// What became of a wish to subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subscribed {
    /// One at least is new.
    Added,
    /// All were there.
    WasThere,
    /// Nothing was added, though something was not there.
    NotAdded,
}

/// Starts the task of a topic; it ends with the topic's last subscription.
pub(crate) fn start(
    topic: Arc<Topic>,
    packages_per_second: Option<u32>,
    feeds: Arc<Feeds>,
    metrics: Metrics,
) -> mpsc::Sender<Command> {
    let (door, commands) = mpsc::channel(WAITING_COMMANDS);
    let desk = Desk::new(topic.clone(), packages_per_second, &metrics);
    tokio::spawn(run(topic, desk, feeds, metrics, commands));
    door
}

async fn run(
    topic: Arc<Topic>,
    desk: Desk<ConnectionHandle>,
    feeds: Arc<Feeds>,
    metrics: Metrics,
    mut commands: mpsc::Receiver<Command>,
) {
    match feeds.follow(&topic.name).await {
        Ok(following) => {
            let task = Task { topic, following, commands, desk, metrics, ended: Vec::new() };
            task.run().await;
        }
        Err(error) => {
            commands.close();
            // A command may be on its way in: `recv` waits for it.
            while let Some(command) = commands.recv().await {
                if let Command::Subscribe { done, .. } = command {
                    let _ = done.send(Err(error.clone()));
                }
            }
        }
    }
}

struct Task {
    topic: Arc<Topic>,
    following: Following,
    commands: mpsc::Receiver<Command>,
    desk: Desk<ConnectionHandle>,
    metrics: Metrics,
    /// Members that have ended, to be taken out when nothing is gathered.
    ended: Vec<ConnectionId>,
}

/// Whatever ends the task, nobody is left without a sign.
impl Drop for Task {
    fn drop(&mut self) {
        self.end_all("The server stopped reading the topic.");
    }
}

impl Task {
    async fn run(mut self) {
        let mut waiting = Vec::new();
        let mut had_members = false;
        while !(had_members && self.desk.book.is_empty()) {
            let expiry = self.desk.intake.next_expiry().map(tokio::time::Instant::from_std);
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                taken = self.following.recv_many(&mut waiting, EVENTS_PER_TURN) => {
                    if taken == 0 {
                        self.end_all("The server stopped reading the topic.");
                        break;
                    }
                    self.take(&waiting).await;
                    waiting.clear();
                }
                () = tokio::time::sleep_until(expiry.unwrap_or_else(tokio::time::Instant::now)), if expiry.is_some() => {
                    self.desk.expire();
                }
                // Whoever wanted to join has gone before it could.
                () = tokio::time::sleep(UNUSED), if self.desk.book.is_empty() => break,
            }
            had_members |= !self.desk.book.is_empty();
            self.desk.counts.members.set(self.desk.book.len() as i64);
        }
        self.desk.counts.members.set(0);
        // From here on commands fail to be sent, or are dropped with their answers; whoever asked, asks a new task.
        // One that is on its way in while the receiver is dropped would stay in the channel, never answered; `recv` waits.
        self.commands.close();
        while self.commands.recv().await.is_some() {}
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Subscribe { connection, subscriptions, may_add, done } => {
                let id = connection.id();
                let subscribed = if subscriptions.iter().all(|subscription| self.desk.book.has(id, subscription)) {
                    Subscribed::WasThere
                } else if may_add {
                    for subscription in subscriptions {
                        self.desk.book.add(id, &connection, subscription);
                    }
                    Subscribed::Added
                } else {
                    Subscribed::NotAdded
                };
                let _ = done.send(Ok(subscribed));
            }
            Command::Unsubscribe { connection, ending, done } => {
                let ended = self.desk.book.end(connection, &ending);
                // A handle keeps a socket, so who has left is let go of at once; other changes wait for the next record.
                if self.desk.book.get(connection).is_none() {
                    self.desk.settle();
                }
                let _ = done.send(ended);
            }
        }
    }

    /// Delivers what has arrived, all of it gathered; what broke the sequence ends the connections that must not miss it.
    async fn take(&mut self, events: &[Arc<FeedEvent>]) {
        self.desk.settle();
        for event in events {
            let broken = match &**event {
                FeedEvent::Batch(batch) => {
                    self.deliver(&batch.records).await;
                    continue;
                }
                FeedEvent::TopicGone => {
                    self.send().await;
                    self.end_named(&format!("Topic '{}' is gone.", self.topic.name));
                    continue;
                }
                FeedEvent::Gap { lost, .. } => format!("{lost} records of topic '{}' are gone.", self.topic.name),
                FeedEvent::Unreadable { .. } => self.topic.unreadable(),
                FeedEvent::TooSlow => "The server fell behind the topic.".to_owned(),
            };
            self.send().await;
            self.end_all(&broken);
        }
        self.send().await;
        self.observe_age(events);
    }

    async fn deliver(&mut self, records: &[Record]) {
        for record in records {
            let Self { desk, ended, .. } = self;
            let counts = desk.counts.clone();
            desk.gather(record, |audiences, chunk| {
                let now = Instant::now();
                for parcel in &chunk.parcels {
                    for member in audiences.members(parcel.audience) {
                        push(member, &chunk, parcel, now, &counts, ended);
                    }
                }
            });
            if self.desk.is_full() {
                self.send().await;
            }
        }
    }

    /// Hands over what is gathered.
    async fn send(&mut self) {
        if let Some(chunk) = self.desk.take() {
            let (mut writes, now) = (0, Instant::now());
            for parcel in &chunk.parcels {
                for member in self.desk.members(parcel.audience) {
                    writes += 1;
                    if writes % WRITES_PER_TURN == 0 {
                        tokio::task::yield_now().await;
                    }
                    push(member, &chunk, parcel, now, &self.desk.counts, &mut self.ended);
                }
            }
        }
        for member in self.ended.drain(..) {
            self.desk.book.end(member, &Ending::All);
        }
        self.desk.settle();
    }

    /// From the broker's time of the latest record to now, by two clocks that may differ.
    fn observe_age(&self, events: &[Arc<FeedEvent>]) {
        let latest = events.iter().rev().find_map(|event| match &**event {
            FeedEvent::Batch(batch) => batch.records.last()?.timestamp_ms,
            _ => None,
        });
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        if let (Some(stored_ms), Ok(now)) = (latest, now) {
            let age_ms = now.as_millis() as i64 - stored_ms;
            self.metrics.delivery_seconds.observe(age_ms.max(0) as f64 / 1000.0);
        }
    }

    /// Quix's callbacks have no sign for a gap, so the connection ends with one; a new one starts at the live end.
    fn end_all(&mut self, reason: &str) {
        self.end_some(reason, |_| true);
    }

    /// Ends those who asked for this very topic; to whoever follows all topics there is just one less.
    fn end_named(&mut self, reason: &str) {
        self.end_some(reason, |subscription| subscription.scope == Scope::Topic);
    }

    fn end_some(&mut self, reason: &str, cuts: impl Fn(&Subscription) -> bool) {
        let entries = self.desk.book.take();
        let cut = entries.iter().filter(|entry| entry.wishes.iter().any(&cuts));
        let count = cut.clone().count();
        if count > 0 {
            tracing::warn!(topic = self.topic.name, reason, connections = count, "subscribers were cut off");
        }
        cut.for_each(|entry| entry.member.end(CloseReason::Fault(reason.to_owned().into())));
        self.desk.settle();
    }
}

/// Hands a member its part of a chunk.
fn push(
    member: &ConnectionHandle,
    chunk: &Chunk,
    parcel: &Parcel,
    now: Instant,
    counts: &AudienceMetrics,
    ended: &mut Vec<ConnectionId>,
) {
    let frame = &chunk.frames[parcel.frame];
    if member.push(frame, now) == Pushed::Ended {
        ended.push(member.id());
    } else {
        counts.delivered.inc_by(parcel.callbacks as u64);
        counts.delivered_bytes.inc_by(frame.wire_len() as u64);
    }
}

/// Commands that may wait for a task that is writing.
const WAITING_COMMANDS: usize = 256;

/// How long a topic's task waits for its first subscription.
const UNUSED: Duration = Duration::from_secs(5);

/// Batches gathered into one turn.
const EVENTS_PER_TURN: usize = 64;

/// Writes before others get their turn. Measured: 64 keeps a timer's delay at 3 ms and costs nothing.
const WRITES_PER_TURN: usize = 64;

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
use signalr_server::{ConnectionHandle, ConnectionId, Frame};
use tokio::sync::{mpsc, oneshot};

use crate::fan_out::{Round, STOPPED, cut_off};
use crate::metrics::{AudienceMetrics, Metrics};
use crate::subscription::{Scope, Subscription};
use crate::topics::Topic;

#[cfg(feature = "testing")]
pub(crate) use self::audiences::Member;
pub(crate) use self::book::Ending;
pub(crate) use self::callbacks::{Delivery, Takers};
pub(crate) use self::desk::{Desk, Reading};
pub(crate) use self::frames::Callback;
use self::frames::Parcel;
pub(crate) use self::groups::Group;
pub(crate) use self::intake::{Intake, Part, PutTogether};
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
    /// The connection has ended, and with it all it had.
    Leave { connection: ConnectionId },
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
pub(crate) fn start(topic: Arc<Topic>, reading: Reading, feeds: Arc<Feeds>, metrics: Metrics) -> mpsc::Sender<Command> {
    let (door, commands) = mpsc::channel(WAITING_COMMANDS);
    let desk = Desk::new(topic.clone(), reading, &metrics);
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
            Task { topic, following, commands, desk, metrics }.run().await;
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
}

/// Whatever ends the task, nobody is left without a sign.
impl Drop for Task {
    fn drop(&mut self) {
        self.end_all(STOPPED);
    }
}

impl Task {
    async fn run(mut self) {
        let mut waiting = Vec::new();
        let mut had_members = false;
        while !(had_members && self.desk.book.is_empty()) {
            let expiry = self.desk.intake.next_expiry();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => {
                        self.obey(command);
                        // Equal subscriptions are shared from here on, and a socket is let go of with its handle.
                        if self.commands.is_empty() {
                            self.desk.settle();
                        }
                    }
                    None => break,
                },
                taken = self.following.recv_many(&mut waiting, EVENTS_PER_TURN) => {
                    if taken == 0 {
                        break; // which tells everybody
                    }
                    self.take(&waiting).await;
                    waiting.clear();
                }
                () = expired(expiry) => self.desk.expire(),
                // Whoever wanted to join has gone before it could.
                () = async { tokio::time::sleep(UNUSED).await }, if self.desk.book.is_empty() => break,
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
                let _ = done.send(self.desk.book.end(connection, &ending));
            }
            Command::Leave { connection } => drop(self.desk.book.end(connection, &Ending::All)),
        }
    }

    /// Delivers what has arrived, all of it gathered; what broke the sequence ends the connections that must not miss it.
    async fn take(&mut self, events: &[Arc<FeedEvent>]) {
        self.desk.settle();
        let mut round = Round::begin();
        for event in events {
            let broken = match &**event {
                FeedEvent::Batch(batch) => {
                    for record in &batch.records {
                        round = self.deliver(record, round).await;
                    }
                    continue;
                }
                FeedEvent::TopicGone => {
                    round = self.send(round).await;
                    self.end_named(&format!("Topic '{}' is gone.", self.topic.name));
                    continue;
                }
                FeedEvent::Gap { lost, .. } => format!("{lost} records of topic '{}' are gone.", self.topic.name),
                FeedEvent::Unreadable { .. } => self.topic.unreadable(),
                FeedEvent::TooSlow => "The server fell behind the topic.".to_owned(),
            };
            round = self.send(round).await;
            self.end_all(&broken);
        }
        self.send(round).await;
        self.observe_age(events);
    }

    /// Gathers what a record comes to, and hands over what is enough; the round that goes on, or a new one.
    async fn deliver(&mut self, record: &Record, mut round: Round) -> Round {
        let counts = self.desk.counts.clone();
        self.desk.gather(record, |audiences, chunk| {
            for parcel in &chunk.parcels {
                let frame = &chunk.frames[parcel.frame];
                let taken =
                    audiences.members(parcel.audience).iter().filter(|member| round.push(member, frame)).count();
                count(&counts, taken, parcel, frame);
            }
        });
        if self.desk.is_full() { self.send(round).await } else { round }
    }

    /// Hands over what is gathered; a new round.
    async fn send(&mut self, mut round: Round) -> Round {
        if let Some(chunk) = self.desk.take() {
            for parcel in &chunk.parcels {
                let (frame, mut taken) = (&chunk.frames[parcel.frame], 0);
                for member in self.desk.members(parcel.audience) {
                    round.pause().await;
                    taken += usize::from(round.push(member, frame));
                }
                count(&self.desk.counts, taken, parcel, frame);
            }
        }
        for member in round.ended() {
            self.desk.book.end(member, &Ending::All);
        }
        self.desk.settle();
        Round::begin()
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
        cut_off(&self.topic.name, reason, cut.map(|entry| &entry.member));
        self.desk.settle();
    }
}

/// Waits until then, or for ever.
async fn expired(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Notes that so many members have taken their part of a chunk.
fn count(counts: &AudienceMetrics, members: usize, parcel: &Parcel, frame: &Frame) {
    counts.delivered.inc_by((members * parcel.callbacks) as u64);
    counts.delivered_bytes.inc_by((members * frame.wire_len()) as u64);
}

/// Commands that may wait for a task that is writing.
const WAITING_COMMANDS: usize = 256;

/// How long a topic's task waits for its first subscription.
const UNUSED: Duration = Duration::from_secs(5);

/// Batches gathered into one turn.
const EVENTS_PER_TURN: usize = 64;

#[cfg(test)]
mod tests {
    use kafka_bridge::broker::Broker;
    use kafka_bridge::memory::MemoryBroker;

    use super::*;
    use crate::subscription::{Kind, Select};
    use crate::tools_for_tests::connect;

    #[tokio::test]
    async fn whatever_ends_the_task_its_subscribers_are_told() {
        let broker: Arc<dyn Broker> = Arc::new(MemoryBroker::new());
        broker.create_topic("f1", None).await.unwrap();
        let following = Feeds::new(broker, Duration::from_secs(60)).follow("f1").await.unwrap();
        let (topic, metrics) = (Arc::new(Topic { name: "f1".into(), id: "ws-f1".into() }), Metrics::default());
        let (_door, commands) = mpsc::channel(1);
        let desk = Desk::new(topic.clone(), Reading::default(), &metrics);
        let mut task = Task { topic, following, commands, desk, metrics };
        let (client, connection) = connect().await;
        let subscriptions =
            vec![Subscription { kind: Kind::Packages, stream: Select::All, id: Select::All, scope: Scope::AllTopics }];
        task.obey(Command::Subscribe { connection, subscriptions, may_add: true, done: oneshot::channel().0 });
        drop(task);
        let closed = tokio::time::timeout(Duration::from_secs(60), client.closed()).await.unwrap().to_string();
        assert!(closed.contains(STOPPED), "{closed}");
    }
}

//! `Audience`: all connections with the same subscription. A task of its own owns the list of members, so no lock is held
//! while their sockets are written; it encodes each batch once per encoding and hands everyone the same frames.

mod frames;
mod members;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_bridge::broker::ReadError;
use kafka_bridge::feed::{FeedEvent, Feeds, Following};
use kafka_bridge::record::Record;
use signalr_server::{CloseReason, ConnectionHandle, ConnectionId, Encoding, Pushed};
use tokio::sync::{mpsc, oneshot};

use crate::metrics::{AudienceMetrics, Metrics};
use crate::topics::Topic;

use self::frames::Frames;
pub(crate) use self::frames::package_received;
use self::members::Members;

/// Asked of an audience. An audience that is going leaves commands unanswered; ask the next one.
#[derive(Debug)]
pub(crate) enum Command {
    /// Become a member; answered when in force.
    Join { connection: ConnectionHandle, joined: oneshot::Sender<Result<(), ReadError>> },
    /// Stop being one; answered when nothing more is sent.
    Leave { connection: ConnectionId, left: oneshot::Sender<()> },
}

/// Starts the audience of all packages of a topic; it ends with its last member.
pub(crate) fn start(topic: Arc<Topic>, feeds: Arc<Feeds>, metrics: Metrics) -> mpsc::Sender<Command> {
    let (door, commands) = mpsc::channel(WAITING_COMMANDS);
    tokio::spawn(run(topic, feeds, metrics, commands));
    door
}

async fn run(topic: Arc<Topic>, feeds: Arc<Feeds>, metrics: Metrics, mut commands: mpsc::Receiver<Command>) {
    match feeds.follow(&topic.name).await {
        Ok(following) => {
            let counts = metrics.audience(&topic.name);
            Audience { topic, following, commands, members: Members::default(), metrics, counts }.run().await;
        }
        Err(error) => {
            commands.close();
            // A command may be on its way in: `recv` waits for it.
            while let Some(command) = commands.recv().await {
                if let Command::Join { joined, .. } = command {
                    let _ = joined.send(Err(error.clone()));
                }
            }
        }
    }
}

struct Audience {
    topic: Arc<Topic>,
    following: Following,
    commands: mpsc::Receiver<Command>,
    members: Members,
    metrics: Metrics,
    counts: AudienceMetrics,
}

impl Audience {
    async fn run(mut self) {
        let mut waiting = Vec::new();
        let mut had_members = false;
        while !(had_members && self.members.is_empty()) {
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
                // Whoever wanted to join has gone before it could.
                () = tokio::time::sleep(UNUSED), if self.members.is_empty() => break,
            }
            had_members |= !self.members.is_empty();
            self.counts.members.set(self.members.len() as i64);
        }
        self.counts.members.set(0);
        // From here on commands fail to be sent, or are dropped with their answers; whoever asked, asks a new audience.
        // One that is on its way in while the receiver is dropped would stay in the channel, never answered; `recv` waits.
        self.commands.close();
        while self.commands.recv().await.is_some() {}
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Join { connection, joined } => {
                self.members.insert(connection);
                let _ = joined.send(Ok(()));
            }
            Command::Leave { connection, left } => {
                self.members.remove(connection);
                let _ = left.send(());
            }
        }
    }

    /// Delivers what has arrived, all of it gathered; what broke the sequence ends the connections that must not miss it.
    async fn take(&mut self, events: &[Arc<FeedEvent>]) {
        let mut records = Vec::new();
        for event in events {
            let broken = match &**event {
                FeedEvent::Batch(batch) => {
                    records.extend(&batch.records);
                    continue;
                }
                FeedEvent::Gap { lost, .. } => format!("{lost} records of topic '{}' are gone.", self.topic.name),
                FeedEvent::Unreadable { .. } => self.topic.unreadable(),
                FeedEvent::TopicGone => format!("Topic '{}' is gone.", self.topic.name),
                FeedEvent::TooSlow => "The server fell behind the topic.".to_owned(),
            };
            self.deliver(&records).await;
            records.clear();
            self.end_all(&broken);
        }
        self.deliver(&records).await;
    }

    async fn deliver(&mut self, records: &[&Record]) {
        let Some(last) = records.last() else { return };
        let mut frames = Frames::new(&self.topic, records, self.members.encodings(), &self.metrics);
        let (mut deliveries, mut bytes) = (0, 0);
        self.counts.packages.inc_by(records.len() as u64);
        while let Some(chunk) = frames.next_chunk() {
            let now = Instant::now();
            let mut ended = Vec::new();
            for (index, member) in self.members.iter().enumerate() {
                if index % WRITES_PER_TURN == WRITES_PER_TURN - 1 {
                    tokio::task::yield_now().await;
                }
                let Some(frame) = chunk.frame(member.encoding().unwrap_or(Encoding::Json)) else { continue };
                if member.push(frame, now) == Pushed::Ended {
                    ended.push(member.id());
                } else {
                    deliveries += chunk.packages() as u64;
                    bytes += frame.wire_len() as u64;
                }
            }
            ended.into_iter().for_each(|member| self.members.remove(member));
        }
        self.counts.delivered.inc_by(deliveries);
        self.counts.delivered_bytes.inc_by(bytes);
        self.observe_age(last);
    }

    /// From the broker's time to now, by two clocks that may differ.
    fn observe_age(&self, record: &Record) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        if let (Some(stored_ms), Ok(now)) = (record.timestamp_ms, now) {
            let age_ms = now.as_millis() as i64 - stored_ms;
            self.metrics.delivery_seconds.observe(age_ms.max(0) as f64 / 1000.0);
        }
    }

    /// Quix's callbacks have no sign for a gap, so the connection ends with one; a new one starts at the live end.
    fn end_all(&mut self, reason: &str) {
        tracing::warn!(topic = self.topic.name, reason, members = self.members.len(), "subscribers were cut off");
        for member in self.members.take() {
            member.end(CloseReason::Fault(reason.to_owned().into()));
        }
    }
}

/// Commands that may wait for an audience that is writing.
const WAITING_COMMANDS: usize = 256;

/// How long an audience waits for its first member.
const UNUSED: Duration = Duration::from_secs(5);

/// Batches gathered into one turn.
const EVENTS_PER_TURN: usize = 64;

/// Writes before others get their turn. Measured: 64 keeps a timer's delay at 3 ms and costs nothing.
const WRITES_PER_TURN: usize = 64;

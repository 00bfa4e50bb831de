//! `Subscriptions`: who follows what. Connections with the same subscription are one audience.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_bridge::feed::Feeds;
use signalr_server::{ConnectionHandle, ConnectionId};
use tokio::sync::{mpsc, oneshot};

use crate::audience::{self, Command};
use crate::errors::Failure;
use crate::metrics::Metrics;
use crate::topics::Topic;

#[derive(Debug)]
pub(crate) struct Subscriptions {
    feeds: Arc<Feeds>,
    metrics: Metrics,
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The door of each running audience, by topic name.
    audiences: HashMap<String, mpsc::Sender<Command>>,
    /// Topics of each connection, to leave them when it ends.
    topics: HashMap<ConnectionId, HashSet<String>>,
}

impl Subscriptions {
    pub(crate) fn new(feeds: Arc<Feeds>, metrics: Metrics, limit: usize) -> Self {
        Self { feeds, metrics, limit, state: Mutex::default() }
    }

    /// Makes a connection a member of the topic's audience; twice is once. When this completes, every package that is
    /// acknowledged afterwards reaches it.
    pub(crate) async fn join(&self, topic: &Arc<Topic>, connection: &ConnectionHandle) -> Result<(), Failure> {
        self.note(topic, connection.id())?;
        let joined = self.ask_to_join(topic, connection).await;
        if joined.is_err() {
            self.forget(topic, connection.id());
        }
        // The connection may have ended meanwhile, after its topics were left.
        if connection.is_ended() {
            self.leave_all(connection.id()).await;
        }
        joined
    }

    async fn ask_to_join(&self, topic: &Arc<Topic>, connection: &ConnectionHandle) -> Result<(), Failure> {
        loop {
            let (joined, answer) = oneshot::channel();
            let door = self.audience(topic);
            // An audience that has just lost its last member goes, and leaves what it did not take unanswered.
            if door.send(Command::Join { connection: connection.clone(), joined }).await.is_ok()
                && let Ok(result) = answer.await
            {
                return result.map_err(Failure::from);
            }
        }
    }

    /// Ends one subscription, if there is one. When this completes nothing more of it is sent.
    pub(crate) async fn leave(&self, topic: &Topic, connection: ConnectionId) {
        if self.forget(topic, connection) {
            self.ask_to_leave(&topic.name, connection).await;
        }
    }

    /// Ends all subscriptions of a connection.
    pub(crate) async fn leave_all(&self, connection: ConnectionId) {
        let topics = self.lock().topics.remove(&connection);
        for topic in topics.into_iter().flatten() {
            self.ask_to_leave(&topic, connection).await;
        }
    }

    async fn ask_to_leave(&self, topic: &str, connection: ConnectionId) {
        let door = self.lock().audiences.get(topic).cloned();
        let (left, answer) = oneshot::channel();
        if let Some(door) = door
            && door.send(Command::Leave { connection, left }).await.is_ok()
        {
            // No answer: the audience is gone, and its members with it.
            let _ = answer.await;
        }
    }

    fn audience(&self, topic: &Arc<Topic>) -> mpsc::Sender<Command> {
        let mut state = self.lock();
        match state.audiences.get(&topic.name) {
            Some(door) if !door.is_closed() => door.clone(),
            _ => {
                let metrics = self.metrics.clone();
                let door = audience::start(topic.clone(), self.feeds.clone(), metrics);
                state.audiences.insert(topic.name.clone(), door.clone());
                door
            }
        }
    }

    fn note(&self, topic: &Topic, connection: ConnectionId) -> Result<(), Failure> {
        let mut state = self.lock();
        let topics = state.topics.entry(connection).or_default();
        if topics.len() >= self.limit && !topics.contains(&topic.name) {
            self.metrics.limit_hit("subscriptions");
            return Err(Failure::TooManySubscriptions(self.limit));
        }
        topics.insert(topic.name.clone());
        Ok(())
    }

    fn forget(&self, topic: &Topic, connection: ConnectionId) -> bool {
        let mut state = self.lock();
        let Some(topics) = state.topics.get_mut(&connection) else { return false };
        let was_there = topics.remove(&topic.name);
        if topics.is_empty() {
            state.topics.remove(&connection);
        }
        was_there
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

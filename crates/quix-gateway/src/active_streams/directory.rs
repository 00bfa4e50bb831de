//! `ActiveStreams`: the running task of each topic, and what each connection has subscribed to.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use kafka_bridge::broker::{Broker, BrokerError, ReadError};
use signalr_server::{ConnectionHandle, ConnectionId};
use tokio::sync::{mpsc, oneshot};

use super::follower::{Follower, Running};
use super::settings::StreamSettings;
use super::shares::Shares;
use super::state::State;
use super::subscribers::Subscriber;
use super::task::{self, Gate, Parts, Request, Subject};
use super::tracker::Load;
use crate::errors::Failure;
use crate::gateway::Settings;
use crate::metrics::Metrics;
use crate::read_rules::ReadRules;
use crate::subscription::Scope;
use crate::subscriptions::Reach;
use crate::topics::{Topic, TopicDirectory};
use crate::visitor::Visitor;

#[derive(Debug)]
pub(crate) struct ActiveStreams {
    broker: Arc<dyn Broker>,
    topics: Arc<TopicDirectory>,
    settings: StreamSettings,
    max_subscriptions: usize,
    max_name_bytes: usize,
    reads: ReadRules,
    metrics: Metrics,
    shares: Arc<Shares>,
    state: Mutex<Noted>,
    /// All topics, and when they were asked for; held over the question, so that it is asked once.
    listed: tokio::sync::Mutex<Option<(Instant, Arc<[String]>)>>,
}

/// Leads to a topic's task; closed when that is going.
pub(crate) type Door = mpsc::Sender<Request>;

#[derive(Debug, Default)]
struct Noted {
    /// The door of each running task, by the topic's name.
    tasks: HashMap<String, Door>,
    /// Subscriptions of each connection, to leave them when it ends.
    subscribed: HashMap<ConnectionId, HashSet<(Subject, Reach)>>,
    /// Those to all topics.
    followers: HashMap<(ConnectionId, Subject), Running>,
}

impl ActiveStreams {
    pub(crate) fn new(
        broker: Arc<dyn Broker>,
        topics: Arc<TopicDirectory>,
        settings: &Settings,
        metrics: Metrics,
    ) -> Self {
        let streams = settings.streams.clone();
        let total = Load { streams: streams.max_streams, bytes: streams.max_bytes };
        Self {
            broker,
            topics,
            max_subscriptions: settings.max_subscriptions,
            max_name_bytes: settings.max_name_bytes,
            reads: settings.reads.clone(),
            metrics,
            shares: Shares::new(streams.max_streams_per_topic, total),
            settings: streams,
            state: Mutex::default(),
            listed: tokio::sync::Mutex::default(),
        }
    }

    /// The streams of a topic that are active now, or its measurements; each change from then on is told to the connection
    /// once the gates are dropped. Twice is once. Of all topics, what is not known in time comes as changes. A call ends
    /// with its connection, and before [`leave_all`](Self::leave_all) is called for it.
    pub(crate) async fn subscribe<S: State>(
        self: &Arc<Self>,
        reach: &Reach,
        visitor: &Visitor,
        connection: &ConnectionHandle,
    ) -> Result<(S, Vec<Gate>), Failure> {
        self.note(S::SUBJECT, reach, connection.id())?;
        let subscribed = match reach {
            Reach::Topic(topic) => {
                let (connection, topic) = (connection.clone(), topic.clone());
                let answered = self.ask(Subscriber { connection, topic, scope: Scope::Topic }).await;
                answered.map(|(state, gate, _)| (state, vec![gate])).map_err(Failure::from)
            }
            Reach::AllTopics => self.follow(visitor, connection).await.map_err(Failure::from),
        };
        let id = connection.id();
        if subscribed.is_err() && !self.lock().followers.contains_key(&(id, S::SUBJECT)) {
            self.forget(S::SUBJECT, reach, id);
        }
        subscribed
    }

    async fn follow<S: State>(
        self: &Arc<Self>,
        visitor: &Visitor,
        connection: &ConnectionHandle,
    ) -> Result<(S, Vec<Gate>), BrokerError> {
        let mut follower = Follower::new(self.clone(), visitor.clone(), connection.clone());
        follower.look(Duration::ZERO).await?;
        let deadline = tokio::time::Instant::now() + self.settings.look_back_wait;
        let (mut all, mut gates) = (S::default(), Vec::new());
        while let Ok(Some(part)) = tokio::time::timeout_at(deadline, follower.next()).await {
            all.add(part.state);
            gates.push(part.gate);
        }
        if all.bound(self.settings.max_list_bytes) {
            self.metrics.limit_hit("active_streams_list");
        }
        let (gate, answered) = oneshot::channel();
        gates.push(gate);
        self.lock().followers.entry((connection.id(), S::SUBJECT)).or_insert_with(|| follower.spawn(answered));
        Ok((all, gates))
    }

    /// Ends the subscription to a topic, told by name or id, or to all of them, if there is one. When this completes nothing
    /// more of it is sent.
    pub(crate) async fn unsubscribe(&self, subject: Subject, topic: &str, connection: ConnectionId) {
        if let Some(reach) = self.subscribed_to(subject, topic, connection) {
            self.leave(subject, &reach, connection).await;
            self.forget(subject, &reach, connection);
        }
    }

    /// Ends all subscriptions of a connection.
    pub(crate) async fn leave_all(&self, connection: ConnectionId) {
        let subscribed = self.lock().subscribed.remove(&connection);
        for (subject, reach) in subscribed.into_iter().flatten() {
            self.leave(subject, &reach, connection).await;
        }
    }

    async fn leave(&self, subject: Subject, reach: &Reach, connection: ConnectionId) {
        let doors = match reach {
            Reach::Topic(topic) => self.lock().tasks.get(&topic.name).cloned().into_iter().collect(),
            Reach::AllTopics => {
                let follower = self.lock().followers.remove(&(connection, subject));
                if let Some(follower) = follower {
                    follower.stop().await;
                }
                // Everywhere: of what was only begun nobody knows.
                self.lock().tasks.values().cloned().collect::<Vec<_>>()
            }
        };
        let scope = reach.scope();
        join_all(doors.into_iter().map(async |door| {
            let (left, answer) = oneshot::channel();
            if door.send(Request::Leave { subject, connection, scope, left }).await.is_ok() {
                // No answer: the task is gone, and its subscribers with it.
                let _ = answer.await;
            }
        }))
        .await;
    }

    /// Asks a topic's task to take in a subscriber; what it answers, and where it is.
    pub(crate) async fn ask<S: State>(&self, subscriber: Subscriber) -> Result<(S, Gate, Door), ReadError> {
        loop {
            let (answer, answered) = oneshot::channel();
            let door = self.task(&subscriber.topic.name);
            // A task that is just ending leaves what it did not take unanswered.
            if door.send(S::request(subscriber.clone(), answer)).await.is_ok()
                && let Ok(answered) = answered.await
            {
                return answered.map(|(state, gate)| (state, gate, door));
            }
        }
    }

    /// The names of all topics, as they were at most so long ago. Those who wait for an answer share the next one.
    pub(crate) async fn topic_names(&self, age: Duration) -> Result<Arc<[String]>, BrokerError> {
        let called = Instant::now();
        let mut listed = self.listed.lock().await;
        match &*listed {
            Some((at, names)) if *at >= called || at.elapsed() < age => Ok(names.clone()),
            _ => {
                let (at, names) = (Instant::now(), Arc::from(self.topics.all().await?));
                *listed = Some((at, Arc::clone(&names)));
                Ok(names)
            }
        }
    }

    /// What a topic is called by a visitor.
    pub(crate) fn names(&self, visitor: &Visitor, name: &str) -> Topic {
        self.topics.names(visitor, name)
    }

    fn task(&self, topic: &str) -> Door {
        let mut state = self.lock();
        match state.tasks.get(topic) {
            Some(door) if !door.is_closed() => door.clone(),
            _ => {
                let door = task::start(Parts {
                    topic: topic.to_owned(),
                    broker: self.broker.clone(),
                    settings: self.settings.clone(),
                    max_name_bytes: self.max_name_bytes,
                    rows: self.reads.of(topic),
                    metrics: self.metrics.clone(),
                    share: self.shares.join(),
                });
                state.tasks.retain(|_, door| !door.is_closed());
                state.tasks.insert(topic.to_owned(), door.clone());
                door
            }
        }
    }

    fn note(&self, subject: Subject, reach: &Reach, connection: ConnectionId) -> Result<(), Failure> {
        let mut state = self.lock();
        let subscribed = state.subscribed.entry(connection).or_default();
        let subscription = (subject, reach.clone());
        if subscribed.len() >= self.max_subscriptions && !subscribed.contains(&subscription) {
            self.metrics.limit_hits("subscriptions", 1);
            return Err(Failure::TooManySubscriptions(self.max_subscriptions));
        }
        subscribed.insert(subscription);
        Ok(())
    }

    /// The topic of this name, else of this id, that a connection subscribed to; or all of them.
    fn subscribed_to(&self, subject: Subject, text: &str, connection: ConnectionId) -> Option<Reach> {
        let state = self.lock();
        let reaches = || {
            let subscribed = state.subscribed.get(&connection).into_iter().flatten();
            subscribed.filter(|(noted, _)| *noted == subject).map(|(_, reach)| reach)
        };
        let named = |is_it: fn(&Topic, &str) -> bool| {
            reaches().find(|reach| match reach {
                Reach::Topic(topic) => is_it(topic, text),
                Reach::AllTopics => text == "*",
            })
        };
        named(|topic, text| topic.name == text).or_else(|| named(|topic, text| topic.id == text)).cloned()
    }

    fn forget(&self, subject: Subject, reach: &Reach, connection: ConnectionId) {
        let mut state = self.lock();
        if let Some(subscribed) = state.subscribed.get_mut(&connection) {
            subscribed.remove(&(subject, reach.clone()));
            if subscribed.is_empty() {
                state.subscribed.remove(&connection);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;

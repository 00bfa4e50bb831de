//! `ActiveStreams`: the running task of each topic, and what each connection has subscribed to.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_bridge::broker::Broker;
use signalr_server::{ConnectionHandle, ConnectionId};
use tokio::sync::{mpsc, oneshot};

use super::form::StreamList;
use super::settings::StreamSettings;
use super::shares::Shares;
use super::task::{self, Answer, Gate, Parts, Request, Subject};
use super::tracker::Load;
use crate::errors::Failure;
use crate::gateway::Settings;
use crate::metrics::Metrics;
use crate::topic_metrics::TopicMetrics;
use crate::topics::Topic;

#[derive(Debug)]
pub(crate) struct ActiveStreams {
    broker: Arc<dyn Broker>,
    settings: StreamSettings,
    max_subscriptions: usize,
    max_name_bytes: usize,
    metrics: Metrics,
    shares: Arc<Shares>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The door of each running task. A topic that two workspaces follow has two: its id is in what they are sent.
    tasks: HashMap<Arc<Topic>, mpsc::Sender<Request>>,
    /// Subscriptions of each connection, to leave them when it ends.
    subscribed: HashMap<ConnectionId, HashSet<(Subject, Arc<Topic>)>>,
}

impl ActiveStreams {
    pub(crate) fn new(broker: Arc<dyn Broker>, settings: &Settings, metrics: Metrics) -> Self {
        let streams = settings.streams.clone();
        let total = Load { streams: streams.max_streams, bytes: streams.max_bytes };
        Self {
            broker,
            max_subscriptions: settings.max_subscriptions,
            max_name_bytes: settings.max_name_bytes,
            metrics,
            shares: Shares::new(streams.max_streams_per_topic, total),
            settings: streams,
            state: Mutex::default(),
        }
    }

    /// The streams of a topic that are active now; each change from then on is told to the connection once the gate is
    /// dropped. Twice is once.
    pub(crate) async fn subscribe(
        &self,
        topic: &Arc<Topic>,
        connection: &ConnectionHandle,
    ) -> Result<(StreamList, Gate), Failure> {
        let ask = |connection, answer| Request::Streams { connection, answer };
        self.join(Subject::Streams, topic, connection, ask).await
    }

    /// The same for the measurements of a topic.
    pub(crate) async fn subscribe_to_metrics(
        &self,
        topic: &Arc<Topic>,
        connection: &ConnectionHandle,
    ) -> Result<(Vec<TopicMetrics>, Gate), Failure> {
        let ask = |connection, answer| Request::Metrics { connection, answer };
        self.join(Subject::Metrics, topic, connection, ask).await
    }

    /// Ends the subscription to a topic, told by name or id, if there is one. When this completes nothing more of it is
    /// sent.
    pub(crate) async fn unsubscribe(&self, subject: Subject, topic: &str, connection: ConnectionId) {
        if let Some(topic) = self.subscribed_to(subject, topic, connection) {
            self.ask_to_leave(subject, &topic, connection).await;
            self.forget(subject, &topic, connection);
        }
    }

    /// Ends all subscriptions of a connection.
    pub(crate) async fn leave_all(&self, connection: ConnectionId) {
        let subscribed = self.lock().subscribed.remove(&connection);
        for (subject, topic) in subscribed.into_iter().flatten() {
            self.ask_to_leave(subject, &topic, connection).await;
        }
    }

    /// A call ends with its connection, and before [`leave_all`](Self::leave_all) is called for it.
    async fn join<T>(
        &self,
        subject: Subject,
        topic: &Arc<Topic>,
        connection: &ConnectionHandle,
        ask: impl Fn(ConnectionHandle, Answer<T>) -> Request,
    ) -> Result<(T, Gate), Failure> {
        self.note(subject, topic, connection.id())?;
        let answered = loop {
            let (answer, answered) = oneshot::channel();
            // A task that is just ending leaves what it did not take unanswered.
            if self.task(topic).send(ask(connection.clone(), answer)).await.is_ok()
                && let Ok(answered) = answered.await
            {
                break answered;
            }
        };
        if answered.is_err() {
            self.forget(subject, topic, connection.id());
        }
        Ok(answered?)
    }

    async fn ask_to_leave(&self, subject: Subject, topic: &Arc<Topic>, connection: ConnectionId) {
        let door = self.lock().tasks.get(topic).cloned();
        let (left, answer) = oneshot::channel();
        if let Some(door) = door
            && door.send(Request::Leave { subject, connection, left }).await.is_ok()
        {
            // No answer: the task is gone, and its subscribers with it.
            let _ = answer.await;
        }
    }

    fn task(&self, topic: &Arc<Topic>) -> mpsc::Sender<Request> {
        let mut state = self.lock();
        match state.tasks.get(topic) {
            Some(door) if !door.is_closed() => door.clone(),
            _ => {
                let door = task::start(Parts {
                    topic: topic.clone(),
                    broker: self.broker.clone(),
                    settings: self.settings.clone(),
                    max_name_bytes: self.max_name_bytes,
                    metrics: self.metrics.clone(),
                    share: self.shares.join(),
                });
                state.tasks.retain(|_, door| !door.is_closed());
                state.tasks.insert(topic.clone(), door.clone());
                door
            }
        }
    }

    fn note(&self, subject: Subject, topic: &Arc<Topic>, connection: ConnectionId) -> Result<(), Failure> {
        let mut state = self.lock();
        let subscribed = state.subscribed.entry(connection).or_default();
        let subscription = (subject, topic.clone());
        if subscribed.len() >= self.max_subscriptions && !subscribed.contains(&subscription) {
            self.metrics.limit_hits("subscriptions", 1);
            return Err(Failure::TooManySubscriptions(self.max_subscriptions));
        }
        subscribed.insert(subscription);
        Ok(())
    }

    /// The topic of this name, else of this id, that a connection subscribed to.
    fn subscribed_to(&self, subject: Subject, text: &str, connection: ConnectionId) -> Option<Arc<Topic>> {
        let state = self.lock();
        let topics = || {
            let subscribed = state.subscribed.get(&connection).into_iter().flatten();
            subscribed.filter(|(noted, _)| *noted == subject).map(|(_, topic)| topic)
        };
        topics().find(|topic| topic.name == text).or_else(|| topics().find(|topic| topic.id == text)).cloned()
    }

    fn forget(&self, subject: Subject, topic: &Arc<Topic>, connection: ConnectionId) {
        let mut state = self.lock();
        if let Some(subscribed) = state.subscribed.get_mut(&connection) {
            subscribed.remove(&(subject, topic.clone()));
            if subscribed.is_empty() {
                state.subscribed.remove(&connection);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

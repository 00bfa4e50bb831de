//! `Follower`: one connection's subscription to topic `*`. It subscribes to every topic there is, and to those that come.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use kafka_bridge::broker::{BrokerError, ReadError};
use signalr_server::{ConnectionHandle, Encoding, Pushed};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::calls::Calls;
use super::directory::{ActiveStreams, Door};
use super::state::State;
use super::subscribers::Subscriber;
use super::task::Gate;
use crate::subscription::Scope;
use crate::topics::Topic;
use crate::visitor::Visitor;

pub(crate) struct Follower<S> {
    directory: Arc<ActiveStreams>,
    visitor: Visitor,
    connection: ConnectionHandle,
    /// By name: the tasks it is subscribed at.
    joined: HashMap<String, Door>,
    /// Topics whose tasks have been asked.
    asked: HashSet<String>,
    joining: FuturesUnordered<BoxFuture<'static, (Arc<Topic>, Joined<S>)>>,
    /// Looking back takes the broker's time.
    places: Arc<Semaphore>,
}

/// What a topic's task has answered.
type Joined<S> = Result<(S, Gate, Door), ReadError>;

/// The state of a topic that was joined; its changes come once the gate is dropped.
pub(crate) struct Part<S> {
    topic: Arc<Topic>,
    pub(crate) state: S,
    pub(crate) gate: Gate,
}

/// A follower that goes by itself.
#[derive(Debug)]
pub(crate) struct Running(JoinHandle<()>);

impl<S: State> Follower<S> {
    pub(crate) fn new(directory: Arc<ActiveStreams>, visitor: Visitor, connection: ConnectionHandle) -> Self {
        Self {
            directory,
            visitor,
            connection,
            joined: HashMap::new(),
            asked: HashSet::new(),
            joining: FuturesUnordered::new(),
            places: Arc::new(Semaphore::new(LOOK_BACKS_AT_ONCE)),
        }
    }

    /// Begins to join the topics that are there now and may be read. What is known may be so old.
    pub(crate) async fn look(&mut self, age: Duration) -> Result<(), BrokerError> {
        let names = self.directory.topic_names(age).await?;
        // A topic whose task has ended is joined anew, if it is there.
        self.joined.retain(|_, door| !door.is_closed());
        for name in names.iter().filter(|name| self.visitor.may_read(name)) {
            if !self.joined.contains_key(name) && self.asked.insert(name.clone()) {
                self.ask(name);
            }
        }
        Ok(())
    }

    fn ask(&self, name: &str) {
        let topic = Arc::new(self.directory.names(&self.visitor, name));
        let (directory, connection, places) = (self.directory.clone(), self.connection.clone(), self.places.clone());
        let joining = async move {
            let _place = places.acquire().await;
            let subscriber = Subscriber { connection, topic: topic.clone(), scope: Scope::AllTopics };
            (topic, directory.ask(subscriber).await)
        };
        self.joining.push(joining.boxed());
    }

    /// Waits for the next topic; `None` when all that were asked have answered. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Part<S>> {
        loop {
            let (topic, joined) = self.joining.next().await?;
            self.asked.remove(&topic.name);
            match joined {
                Ok((state, gate, door)) => {
                    self.joined.insert(topic.name.clone(), door);
                    return Some(Part { topic, state, gate });
                }
                Err(error) => tracing::debug!(topic = topic.name, %error, "not followed yet; it is tried again"),
            }
        }
    }

    /// Goes on by itself: what a topic's state is comes as calls from now on.
    pub(crate) fn spawn(self) -> Running {
        Running(tokio::spawn(self.run()))
    }

    async fn run(mut self) {
        let mut look_at = tokio::time::Instant::now() + LOOK_AGAIN;
        while !self.connection.is_ended() {
            tokio::select! {
                Some(part) = self.next() => self.tell(&part),
                () = tokio::time::sleep_until(look_at) => {
                    if let Err(error) = self.look(LOOK_AGAIN / 2).await {
                        tracing::debug!(%error, "topics could not be listed");
                    }
                    look_at = tokio::time::Instant::now() + LOOK_AGAIN;
                }
            }
        }
    }

    fn tell(&self, part: &Part<S>) {
        let mut calls = Calls::default();
        calls.open(self.connection.encoding().unwrap_or(Encoding::Json), &part.topic);
        part.state.tell(&mut calls);
        let (frames, now) = (calls.finish(), Instant::now());
        let mut frames = frames.values().flatten();
        let _ = frames.all(|frame| self.connection.push(frame, now) != Pushed::Ended);
    }
}

impl Running {
    /// When this completes it asks for nothing more.
    pub(crate) async fn stop(mut self) {
        self.0.abort();
        let _ = (&mut self.0).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How often topics are looked for that came.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Of one follower.
const LOOK_BACKS_AT_ONCE: usize = 4;

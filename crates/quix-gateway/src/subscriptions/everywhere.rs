//! `Everywhere`: subscriptions to topic `*`. Whoever has one is a subscriber of every topic there is, and of those that come.
//!
//! A topic that comes by its first use here is followed before that use goes on; one that others make is found within
//! [`LOOK_AGAIN`].

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::join_all;
use kafka_bridge::broker::ReadError;
use signalr_server::{ConnectionHandle, ConnectionId};
use tokio::sync::Mutex;

use super::doors::{Door, Doors};
use crate::audience::{Ending, Subscribed};
use crate::errors::Failure;
use crate::subscription::Subscription;
use crate::topics::{Topic, TopicDirectory};

#[derive(Debug)]
pub(crate) struct Everywhere {
    doors: Arc<Doors>,
    topics: Arc<TopicDirectory>,
    /// Held over whole changes, so that a topic and a subscription that come together find each other.
    state: Mutex<State>,
    /// Whether anybody follows all topics; to be looked at without waiting.
    in_use: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    followers: HashMap<ConnectionId, Follower>,
    /// By name: where all of them have their subscriptions.
    followed: HashMap<String, Door>,
}

#[derive(Debug)]
struct Follower {
    connection: ConnectionHandle,
    subscriptions: BTreeSet<Subscription>,
}

/// Which topics `*` means to a connection: all of its workspace that it may read.
fn may_read(_connection: &ConnectionHandle, _topic: &Topic) -> bool {
    true
}

impl Everywhere {
    pub(crate) fn new(doors: Arc<Doors>, topics: Arc<TopicDirectory>) -> Arc<Self> {
        Arc::new(Self { doors, topics, state: Mutex::default(), in_use: AtomicBool::new(false) })
    }

    /// Adds a subscription to all topics, if it is there already or may be added. When this completes it is in force.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        connection: &ConnectionHandle,
        subscription: Subscription,
        may_add: bool,
    ) -> Result<Subscribed, Failure> {
        let mut state = self.state.lock().await;
        let follower = state.followers.get(&connection.id());
        if follower.is_some_and(|follower| follower.subscriptions.contains(&subscription)) {
            return Ok(Subscribed::WasThere);
        }
        if !may_add {
            return Ok(Subscribed::NotAdded);
        }
        // From here on new topics wait for the lock rather than go by.
        let watched = self.in_use.swap(true, Ordering::AcqRel);
        if !watched {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
        let topics = self.topics.all().await?;
        let followed: Vec<_> = topics.iter().filter(|topic| state.follows(topic)).collect();
        let new = || Follower { connection: connection.clone(), subscriptions: BTreeSet::new() };
        state.followers.entry(connection.id()).or_insert_with(new).subscriptions.insert(subscription.clone());
        let mut added = self.follow_new(&mut state, &topics).await;
        let readable = followed.into_iter().filter(|topic| may_read(connection, topic));
        let own = std::slice::from_ref(&subscription);
        let joined = join_all(readable.map(|topic| self.doors.subscribe(topic, connection, own, true))).await;
        for joined in joined {
            added = added.and(unless_gone(joined.map(drop)));
        }
        if let Err(error) = added {
            self.end(&mut state, connection.id(), &Ending::One(subscription)).await;
            return Err(error.into());
        }
        Ok(Subscribed::Added)
    }

    /// Ends subscriptions to all topics; their number. When this completes nothing more of them is sent.
    pub(crate) async fn unsubscribe(&self, connection: ConnectionId, ending: &Ending) -> usize {
        self.end(&mut *self.state.lock().await, connection, ending).await
    }

    /// Ends all of a connection that has ended, also what was only begun.
    pub(crate) async fn leave(&self, connection: ConnectionId) {
        self.end(&mut *self.state.lock().await, connection, &Ending::All).await;
    }

    /// Follows a topic that has just been found or made, before anything is written to it.
    pub(crate) async fn topic_came(&self, topic: &Arc<Topic>) {
        if self.in_use.load(Ordering::Acquire) {
            let mut state = self.state.lock().await;
            if !state.follows(topic) {
                let door = self.follow(&state.followers, topic).await;
                state.note(topic, door).unwrap_or_else(|error| {
                    tracing::warn!(topic = topic.name, %error, "not followed by those who follow all topics");
                });
            }
        }
    }

    /// Follows those topics that are not yet, all at once, and forgets those that are no more.
    async fn follow_new(&self, state: &mut State, topics: &[Arc<Topic>]) -> Result<(), ReadError> {
        state.followed.retain(|name, _| topics.iter().any(|topic| topic.name == *name));
        let new: Vec<_> = topics.iter().filter(|topic| !state.follows(topic)).collect();
        let doors = join_all(new.iter().map(|topic| self.follow(&state.followers, topic))).await;
        let mut all = Ok(());
        for (topic, door) in new.into_iter().zip(doors) {
            all = all.and(state.note(topic, door));
        }
        all
    }

    /// Adds a topic for all that may read it; `None` if nobody may.
    async fn follow(
        &self,
        followers: &HashMap<ConnectionId, Follower>,
        topic: &Arc<Topic>,
    ) -> Result<Option<Door>, ReadError> {
        let mut door = None;
        for Follower { connection, subscriptions } in followers.values() {
            if may_read(connection, topic) {
                let subscriptions: Vec<_> = subscriptions.iter().cloned().collect();
                door = Some(self.doors.subscribe(topic, connection, &subscriptions, true).await?.1);
            }
        }
        Ok(door)
    }

    /// At every topic that is followed by anybody: what was only begun is at some that are not noted here.
    async fn end(&self, state: &mut State, connection: ConnectionId, ending: &Ending) -> usize {
        let ended = state.end(connection, ending);
        let topics = self.doors.topics();
        join_all(topics.iter().map(|topic| self.doors.unsubscribe(topic, connection, ending.clone()))).await;
        ended
    }

    /// Looks for topics that others have made; `false` when nobody follows all of them any more.
    async fn look(&self) -> bool {
        let topics = self.topics.all().await;
        let mut state = self.state.lock().await;
        if state.followers.is_empty() {
            state.followed.clear();
            self.in_use.store(false, Ordering::Release);
            return false;
        }
        match topics {
            Ok(topics) => {
                if let Err(error) = self.follow_new(&mut state, &topics).await {
                    tracing::warn!(%error, "a new topic is not followed by those who follow all; it is tried again");
                }
            }
            Err(error) => tracing::debug!(%error, "topics could not be listed"),
        }
        true
    }
}

impl State {
    fn follows(&self, topic: &Topic) -> bool {
        self.followed.get(&topic.name).is_some_and(|door| !door.is_closed())
    }

    /// Notes where a topic is followed; without, it is tried again.
    fn note(&mut self, topic: &Topic, door: Result<Option<Door>, ReadError>) -> Result<(), ReadError> {
        unless_gone(door.map(|door| self.followed.extend(door.map(|door| (topic.name.clone(), door)))))
    }

    fn end(&mut self, connection: ConnectionId, ending: &Ending) -> usize {
        let Some(follower) = self.followers.get_mut(&connection) else { return 0 };
        let before = follower.subscriptions.len();
        follower.subscriptions.retain(|subscription| !ending.ends(subscription));
        let left = follower.subscriptions.len();
        if left == 0 {
            self.followers.remove(&connection);
        }
        before - left
    }
}

/// A topic may go after it was listed.
fn unless_gone(followed: Result<(), ReadError>) -> Result<(), ReadError> {
    match followed {
        Err(ReadError::UnknownTopic(_)) => Ok(()),
        other => other,
    }
}

async fn watch(everywhere: Weak<Everywhere>) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        match everywhere.upgrade() {
            Some(everywhere) if everywhere.look().await => {}
            _ => break,
        }
    }
}

/// How often topics are looked for that others have made.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

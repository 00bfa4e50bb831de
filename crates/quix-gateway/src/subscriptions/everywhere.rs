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
use crate::topics::TopicDirectory;
use crate::visitor::Visitor;

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
    /// By name: where those who may read it have their subscriptions, for each of their workspaces.
    followed: HashMap<String, Vec<Door>>,
}

#[derive(Debug)]
struct Follower {
    visitor: Visitor,
    connection: ConnectionHandle,
    subscriptions: BTreeSet<Subscription>,
}

impl Everywhere {
    pub(crate) fn new(doors: Arc<Doors>, topics: Arc<TopicDirectory>) -> Arc<Self> {
        Arc::new(Self { doors, topics, state: Mutex::default(), in_use: AtomicBool::new(false) })
    }

    /// Adds a subscription to all topics, if it is there already or may be added. When this completes it is in force.
    pub(crate) async fn subscribe(
        self: &Arc<Self>,
        visitor: &Visitor,
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
        let names = self.topics.all().await?;
        let (followed, new): (Vec<_>, Vec<_>) = names.iter().partition(|name| state.follows(name));
        let follower =
            || Follower { visitor: visitor.clone(), connection: connection.clone(), subscriptions: BTreeSet::new() };
        state.followers.entry(connection.id()).or_insert_with(follower).subscriptions.insert(subscription.clone());
        let mut added = self.follow_new(&mut state, &new).await;
        let readable = followed.into_iter().filter(|name| visitor.may_read(name));
        let own = std::slice::from_ref(&subscription);
        let joined = join_all(readable.map(async |name| {
            let topic = Arc::new(self.topics.names(visitor, name));
            (name, self.doors.subscribe(&topic, connection, own, true).await)
        }));
        for (name, joined) in joined.await {
            added = added.and(state.note(name, joined.map(|(_, door)| vec![door])));
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
    pub(crate) async fn topic_came(&self, name: &str) {
        if self.in_use.load(Ordering::Acquire) {
            let mut state = self.state.lock().await;
            if !state.follows(name) {
                let doors = self.follow(&state.followers, name).await;
                state.note(name, doors).unwrap_or_else(|error| {
                    tracing::warn!(topic = name, %error, "not followed by those who follow all topics");
                });
            }
        }
    }

    /// Follows topics that nobody does yet, all at once.
    async fn follow_new(&self, state: &mut State, names: &[&String]) -> Result<(), ReadError> {
        let doors = join_all(names.iter().map(|name| self.follow(&state.followers, name))).await;
        let mut all = Ok(());
        for (name, doors) in names.iter().zip(doors) {
            all = all.and(state.note(name, doors));
        }
        all
    }

    /// Adds a topic for all that may read it; nowhere if nobody may.
    async fn follow(&self, followers: &HashMap<ConnectionId, Follower>, name: &str) -> Result<Vec<Door>, ReadError> {
        let mut doors = Vec::new();
        for Follower { visitor, connection, subscriptions } in followers.values() {
            if visitor.may_read(name) {
                let topic = Arc::new(self.topics.names(visitor, name));
                let subscriptions: Vec<_> = subscriptions.iter().cloned().collect();
                doors.push(self.doors.subscribe(&topic, connection, &subscriptions, true).await?.1);
            }
        }
        Ok(doors)
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
        let names = self.topics.all().await;
        let mut state = self.state.lock().await;
        if state.followers.is_empty() {
            state.followed.clear();
            self.in_use.store(false, Ordering::Release);
            return false;
        }
        match names {
            Ok(names) => {
                state.followed.retain(|followed, _| names.contains(followed));
                let new: Vec<_> = names.iter().filter(|name| !state.follows(name)).collect();
                if let Err(error) = self.follow_new(&mut state, &new).await {
                    tracing::warn!(%error, "a new topic is not followed by those who follow all; it is tried again");
                }
            }
            Err(error) => tracing::debug!(%error, "topics could not be listed"),
        }
        true
    }
}

impl State {
    fn follows(&self, name: &str) -> bool {
        self.followed.get(name).is_some_and(|doors| !doors.is_empty() && !doors.iter().any(Door::is_closed))
    }

    /// Notes where a topic is followed; if nowhere, it is tried again. A topic may go after it was listed.
    fn note(&mut self, name: &str, joined: Result<Vec<Door>, ReadError>) -> Result<(), ReadError> {
        let new = match joined {
            Err(ReadError::UnknownTopic(_)) => return Ok(()),
            joined => joined?,
        };
        let doors = self.followed.entry(name.to_owned()).or_default();
        doors.retain(|door| !door.is_closed());
        for door in new {
            if !doors.iter().any(|noted| noted.same_channel(&door)) {
                doors.push(door);
            }
        }
        Ok(())
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

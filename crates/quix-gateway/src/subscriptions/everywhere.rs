//! `Everywhere`: subscriptions to topic `*`. Whoever has one is a subscriber of every topic there is, and of those that come.
//!
//! A topic that comes by its first use here is followed before that use goes on; one that others make is found within
//! [`LOOK_AGAIN`].

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::future::join_all;
use kafka_bridge::broker::ReadError;
use signalr_server::{ConnectionHandle, ConnectionId};

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
    state: Mutex<State>,
    /// Whether anybody follows all topics; to be looked at without a lock.
    in_use: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    followers: HashMap<ConnectionId, Arc<Follower>>,
    /// By name: where all followers that may read it have their subscriptions, for each of their workspaces.
    followed: HashMap<String, Vec<Door>>,
}

#[derive(Debug)]
struct Follower {
    visitor: Visitor,
    connection: ConnectionHandle,
    /// Locked over whole changes, at all topics: one that comes meanwhile finds them before or after. A topic that is slow
    /// to follow so holds up this connection and no other.
    subscriptions: tokio::sync::Mutex<BTreeSet<Subscription>>,
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
        let follower = self.follower(visitor, connection, may_add);
        let Some(follower) = follower else { return Ok(Subscribed::NotAdded) };
        let mut subscriptions = follower.subscriptions.lock().await;
        if subscriptions.contains(&subscription) {
            return Ok(Subscribed::WasThere);
        }
        if !may_add {
            return Ok(Subscribed::NotAdded);
        }
        subscriptions.insert(subscription.clone());
        if let Err(error) = self.follow_all(&follower, &subscription).await {
            self.end(Some(visitor), &mut subscriptions, connection.id(), &Ending::One(subscription)).await;
            return Err(error);
        }
        Ok(Subscribed::Added)
    }

    /// Ends subscriptions to all topics; their number. When this completes nothing more of them is sent.
    pub(crate) async fn unsubscribe(&self, connection: ConnectionId, ending: &Ending) -> usize {
        let follower = self.lock().followers.get(&connection).cloned();
        match follower {
            Some(follower) => {
                let mut subscriptions = follower.subscriptions.lock().await;
                self.end(Some(&follower.visitor), &mut subscriptions, connection, ending).await
            }
            // It has ended, and may have begun something before.
            None => self.end(None, &mut BTreeSet::new(), connection, ending).await,
        }
    }

    /// Ends all of a connection that has ended, also what was only begun.
    pub(crate) async fn leave(&self, connection: ConnectionId) {
        self.unsubscribe(connection, &Ending::All).await;
    }

    /// Follows a topic that has just been found or made, before anything is written to it.
    pub(crate) async fn topic_came(&self, name: &str) {
        if self.in_use.load(Ordering::Acquire) && !self.lock().follows(name) {
            self.follow(name).await.unwrap_or_else(|error| {
                tracing::warn!(topic = name, %error, "not followed by those who follow all topics");
            });
        }
    }

    /// The one that there is; if there is none, a new one if it may be.
    fn follower(
        self: &Arc<Self>,
        visitor: &Visitor,
        connection: &ConnectionHandle,
        may_add: bool,
    ) -> Option<Arc<Follower>> {
        let mut state = self.lock();
        if !may_add {
            return state.followers.get(&connection.id()).cloned();
        }
        // From here on topics that come do not go by: they are told, or found at the broker.
        if !self.in_use.swap(true, Ordering::AcqRel) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
        let new = || Follower {
            visitor: visitor.clone(),
            connection: connection.clone(),
            subscriptions: tokio::sync::Mutex::default(),
        };
        Some(state.followers.entry(connection.id()).or_insert_with(|| Arc::new(new())).clone())
    }

    /// Subscribes at all topics there are.
    async fn follow_all(&self, follower: &Follower, subscription: &Subscription) -> Result<(), Failure> {
        let names = self.topics.all().await?;
        let own = std::slice::from_ref(subscription);
        let readable = names.iter().filter(|name| follower.visitor.may_read(name));
        let joined = join_all(readable.map(async |name| (name, self.join(follower, name, own).await))).await;
        for (name, joined) in joined {
            let door = none_if_gone(joined)?;
            let mut state = self.lock();
            match door {
                Some(door) if state.are_among(|id| id == follower.connection.id()) => state.note(name, vec![door]),
                Some(_) => {}
                None => _ = state.followed.remove(name), // should it be there, it is tried again
            }
        }
        Ok(())
    }

    /// Adds a topic for all that may read it. If it was not there for one of them, or another came meanwhile, it is noted for
    /// none and so tried again, should it be there.
    async fn follow(&self, name: &str) -> Result<(), ReadError> {
        let followers = self.lock().followers.clone();
        let readers = followers.values().filter(|follower| follower.visitor.may_read(name));
        let joined = join_all(readers.map(async |follower| {
            let subscriptions = follower.subscriptions.lock().await;
            let own: Vec<_> = subscriptions.iter().cloned().collect();
            if own.is_empty() { Ok(None) } else { self.join(follower, name, &own).await.map(Some) }
        }));
        let doors = joined.await.into_iter().filter_map(Result::transpose).collect();
        let Some(doors) = none_if_gone(doors)? else { return Ok(()) };
        let mut state = self.lock();
        if state.are_among(|id| followers.contains_key(&id)) {
            state.note(name, doors);
        }
        Ok(())
    }

    async fn join(&self, follower: &Follower, name: &str, own: &[Subscription]) -> Result<Door, ReadError> {
        let topic = Arc::new(self.topics.names(&follower.visitor, name));
        self.doors.subscribe(&topic, &follower.connection, own, true).await.map(|(_, door)| door)
    }

    /// At every topic that is followed by anybody, as far as the visitor may read it, for what was only begun is noted nowhere.
    async fn end(
        &self,
        visitor: Option<&Visitor>,
        subscriptions: &mut BTreeSet<Subscription>,
        connection: ConnectionId,
        ending: &Ending,
    ) -> usize {
        let before = subscriptions.len();
        subscriptions.retain(|subscription| !ending.ends(subscription));
        if subscriptions.is_empty() {
            self.lock().followers.remove(&connection);
        }
        let topics = self.doors.topics();
        let topics = topics.iter().filter(|topic| visitor.is_none_or(|visitor| visitor.may_read(&topic.name)));
        join_all(topics.map(|topic| self.doors.unsubscribe(topic, connection, ending.clone()))).await;
        before - subscriptions.len()
    }

    /// Looks for topics that others have made; `false` when nobody follows all of them any more.
    async fn look(&self) -> bool {
        let names = self.topics.all().await;
        let new: Vec<_> = {
            let mut state = self.lock();
            if state.followers.is_empty() {
                state.followed.clear();
                self.in_use.store(false, Ordering::Release);
                return false;
            }
            let Ok(names) = &names else { return true }; // it is asked again
            state.followed.retain(|followed, _| names.contains(followed));
            names.iter().filter(|name| !state.follows(name)).collect()
        };
        let followed = join_all(new.into_iter().map(async |name| (name, self.follow(name).await))).await;
        for (topic, error) in followed.into_iter().filter_map(|(name, followed)| Some((name, followed.err()?))) {
            tracing::warn!(topic, %error, "not followed by those who follow all topics; it is tried again");
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn follows(&self, name: &str) -> bool {
        self.followed.get(name).is_some_and(|doors| !doors.is_empty() && !doors.iter().any(Door::is_closed))
    }

    /// Whether nobody follows all topics but these.
    fn are_among(&self, these: impl Fn(ConnectionId) -> bool) -> bool {
        self.followers.keys().all(|id| these(*id))
    }

    /// Notes where a topic is followed; if nowhere, it is tried again.
    fn note(&mut self, name: &str, new: Vec<Door>) {
        let doors = self.followed.entry(name.to_owned()).or_default();
        doors.retain(|door| !door.is_closed());
        for door in new {
            if !doors.iter().any(|noted| noted.same_channel(&door)) {
                doors.push(door);
            }
        }
    }
}

/// A topic may go after it was listed.
fn none_if_gone<T>(joined: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match joined {
        Err(ReadError::UnknownTopic(_)) => Ok(None),
        joined => joined.map(Some),
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

#[cfg(test)]
mod tests {
    use kafka_bridge::broker::Broker;
    use kafka_bridge::feed::Feeds;
    use kafka_bridge::memory::MemoryBroker;
    use kafka_bridge::misbehaving::MisbehavingBroker;

    use super::*;
    use crate::gateway::Settings;
    use crate::metrics::Metrics;
    use crate::subscription::{Kind, Scope, Select};
    use crate::tools_for_tests::{connect, visitor};
    use crate::topics::TopicPolicy;

    #[tokio::test]
    async fn who_waits_for_a_topic_holds_up_nobody_who_does_not() {
        let (_, broker, everywhere) = stage(&["t", "slow"]).await;
        broker.hold_joins(Some("slow"));
        let (_client, waits) = connect().await;
        let subscribing = everywhere.clone();
        let waiting = tokio::spawn(async move {
            let visitor = visitor("read:*");
            subscribing.subscribe(&visitor, &waits, packages(), true).await
        });
        tokio::task::yield_now().await;
        for _ in 0..3 {
            let (_client, connection) = connect().await;
            let visitor = visitor("read:t");
            let subscribed = in_time(everywhere.subscribe(&visitor, &connection, packages(), true)).await;
            assert_eq!(subscribed, Ok(Subscribed::Added));
            assert_eq!(in_time(everywhere.unsubscribe(connection.id(), &Ending::All)).await, 1);
        }
        assert!(!waiting.is_finished(), "it is in force when it completes");
        broker.hold_joins(None);
        assert_eq!(in_time(waiting).await.unwrap(), Ok(Subscribed::Added));
    }

    #[tokio::test]
    async fn a_topic_that_was_not_there_for_one_is_tried_again_for_all() {
        let (_, broker, everywhere) = stage(&[]).await;
        let ((_a, early), (_b, late)) = (connect().await, connect().await);
        let (reader, elsewhere) = (visitor("read:*"), visitor("read:*").in_workspace("other"));
        everywhere.subscribe(&reader, &early, packages(), true).await.unwrap();
        everywhere.subscribe(&elsewhere, &late, packages(), true).await.unwrap();

        let last = everywhere.lock().followers[&late.id()].clone();
        let held = last.subscriptions.lock().await;
        broker.hold_joins(Some("new"));
        let following = everywhere.clone();
        let following = tokio::spawn(async move { following.follow("new").await });
        until(|| !everywhere.doors.topics().is_empty()).await;
        broker.hold_joins(None);
        until(|| everywhere.doors.topics().is_empty()).await; // it is not there for the first
        broker.create_topic("new", None).await.unwrap();
        drop(held);
        in_time(following).await.unwrap().unwrap();

        assert!(in_time(everywhere.look()).await);
        let topic = Arc::new(everywhere.topics.names(&reader, "new"));
        let (found, _) = everywhere.doors.subscribe(&topic, &early, &[packages()], false).await.unwrap();
        assert_eq!(found, Subscribed::WasThere);
    }

    #[tokio::test]
    async fn a_topic_that_was_not_there_for_one_that_came_is_not_noted() {
        let (memory, broker, everywhere) = stage(&["gone"]).await;
        broker.hold_joins(Some("gone"));
        let (_client, connection) = connect().await;
        let coming = everywhere.clone();
        let coming =
            tokio::spawn(async move { coming.subscribe(&visitor("read:*"), &connection, packages(), true).await });
        until(|| !everywhere.doors.topics().is_empty()).await;
        let (door, _open) = tokio::sync::mpsc::channel(1);
        everywhere.lock().note("gone", vec![door]); // for others
        assert!(memory.delete_topic("gone"));
        broker.hold_joins(None);
        assert_eq!(in_time(coming).await.unwrap(), Ok(Subscribed::Added));
        assert!(!everywhere.lock().follows("gone"));
    }

    #[tokio::test]
    async fn a_topic_is_not_noted_as_long_as_somebody_comes() {
        let (_, broker, everywhere) = stage(&["t"]).await;
        let ((_a, early), (_b, late)) = (connect().await, connect().await);
        everywhere.subscribe(&visitor("read:*"), &early, packages(), true).await.unwrap();
        broker.create_topic("new", None).await.unwrap();
        broker.hold_joins(Some("new"));
        let following = everywhere.clone();
        let following = tokio::spawn(async move { following.follow("new").await });
        until(|| everywhere.doors.topics().len() == 2).await;
        everywhere.follower(&visitor("read:t"), &late, true).unwrap();
        broker.hold_joins(None);
        in_time(following).await.unwrap().unwrap();
        assert!(!everywhere.lock().follows("new"));
        assert!(in_time(everywhere.look()).await && everywhere.lock().follows("new"));
    }

    /// A broker with these topics, which may misbehave, and those who follow all of them.
    async fn stage(names: &[&str]) -> (Arc<MemoryBroker>, Arc<MisbehavingBroker>, Arc<Everywhere>) {
        let memory = Arc::new(MemoryBroker::new());
        let broker = MisbehavingBroker::new(memory.clone());
        for name in names {
            broker.create_topic(name, None).await.unwrap();
        }
        let policy = TopicPolicy { workspace: "ws".into(), create: false, max_topics: 3 };
        let topics = Arc::new(TopicDirectory::new(broker.clone(), policy));
        let feeds = Feeds::new(broker.clone(), Duration::from_secs(60));
        let doors = Arc::new(Doors::new(feeds, Metrics::default(), &Settings::default()));
        let everywhere = Everywhere::new(doors, topics);
        everywhere.in_use.store(true, Ordering::Release); // so that nobody looks but the test
        (memory, broker, everywhere)
    }

    async fn until(condition: impl Fn() -> bool) {
        in_time(async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    fn packages() -> Subscription {
        Subscription { kind: Kind::Packages, stream: Select::All, id: Select::All, scope: Scope::AllTopics }
    }

    async fn in_time<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(60), future).await.expect("in time")
    }
}

//! `Subscriptions`: what connections follow, within their limit. What they are each topic's task knows (`audience.rs`).

mod doors;
mod everywhere;
mod ledger;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_bridge::feed::Feeds;
use signalr_server::{ConnectionHandle, ConnectionId};

use crate::audience::{Ending, Subscribed};
use crate::errors::Failure;
use crate::gateway::Settings;
use crate::metrics::Metrics;
use crate::subscription::{Scope, Subscription};
use crate::topics::{Topic, TopicDirectory};
use crate::visitor::Visitor;

use self::doors::Doors;
use self::everywhere::Everywhere;
use self::ledger::Ledger;

/// The topics that a subscription is to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    Topic(Arc<Topic>),
    /// `*`
    AllTopics,
}

#[derive(Debug)]
pub(crate) struct Subscriptions {
    doors: Arc<Doors>,
    everywhere: Arc<Everywhere>,
    metrics: Metrics,
    limit: usize,
    /// Of subscriptions to all topics.
    wildcard_limit: usize,
    /// Of each connection that has subscriptions, to count them and to leave when it ends.
    ledgers: Mutex<HashMap<ConnectionId, Ledger>>,
}

impl Reach {
    /// What subscriptions of this reach are noted with.
    pub(crate) fn scope(&self) -> Scope {
        match self {
            Self::Topic(_) => Scope::Topic,
            Self::AllTopics => Scope::AllTopics,
        }
    }
}

impl Subscriptions {
    pub(crate) fn new(feeds: Arc<Feeds>, topics: Arc<TopicDirectory>, metrics: Metrics, settings: &Settings) -> Self {
        let doors = Arc::new(Doors::new(feeds, metrics.clone(), settings));
        let everywhere = Everywhere::new(doors.clone(), topics);
        let (limit, wildcard_limit) = (settings.max_subscriptions, settings.max_wildcard_subscriptions);
        Self { doors, everywhere, metrics, limit, wildcard_limit, ledgers: Mutex::default() }
    }

    /// Adds a subscription, whose topic the visitor may read; twice is once. When this completes, every package that is acknowledged afterwards counts.
    pub(crate) async fn subscribe(
        &self,
        reach: &Reach,
        visitor: &Visitor,
        connection: &ConnectionHandle,
        subscription: Subscription,
    ) -> Result<(), Failure> {
        let reserved = self.reserve(reach, connection.id());
        let may_add = reserved.is_ok();
        if !may_add && !self.has(reach, connection.id()) {
            return self.refuse(reserved);
        }
        let subscribed = match reach {
            Reach::Topic(topic) => {
                let subscribed = self.doors.subscribe(topic, connection, &[subscription], may_add).await;
                subscribed.map(|(subscribed, _)| subscribed).map_err(Failure::from)
            }
            Reach::AllTopics => self.everywhere.subscribe(visitor, connection, subscription, may_add).await,
        };
        if may_add && !matches!(subscribed, Ok(Subscribed::Added)) {
            self.release(reach, connection.id(), 1);
        }
        // The connection may have ended meanwhile, after its subscriptions did.
        if connection.is_ended() {
            self.end_at(reach, connection.id(), Ending::All).await;
            self.leave_all(connection.id()).await;
        }
        match subscribed? {
            Subscribed::Added | Subscribed::WasThere => Ok(()),
            Subscribed::NotAdded => self.refuse(reserved),
        }
    }

    /// Ends subscriptions, as far as they are there. When this completes nothing more of them is sent.
    pub(crate) async fn unsubscribe(&self, reach: &Reach, connection: ConnectionId, ending: Ending) {
        if self.has(reach, connection) {
            let ended = self.end_at(reach, connection, ending).await;
            self.release(reach, connection, ended);
        }
    }

    /// Ends all subscriptions of a connection that has ended.
    pub(crate) async fn leave_all(&self, connection: ConnectionId) {
        let Some(ledger) = self.lock().remove(&connection) else { return };
        for topic in ledger.topics() {
            self.doors.leave(topic, connection).await;
        }
        if ledger.has(&Reach::AllTopics) {
            self.everywhere.leave(connection).await;
        }
    }

    /// The topic that a connection has subscriptions to under this name or id.
    pub(crate) fn followed(&self, connection: ConnectionId, text: &str) -> Option<Arc<Topic>> {
        self.lock().get(&connection)?.topic(text)
    }

    /// A topic of this name was found or made by its use: whoever follows all topics follows it from now on.
    pub(crate) async fn topic_came(&self, name: &str) {
        self.everywhere.topic_came(name).await;
    }

    async fn end_at(&self, reach: &Reach, connection: ConnectionId, ending: Ending) -> usize {
        match reach {
            Reach::Topic(topic) => self.doors.unsubscribe(topic, connection, ending).await,
            Reach::AllTopics => self.everywhere.unsubscribe(connection, &ending).await,
        }
    }

    fn has(&self, reach: &Reach, connection: ConnectionId) -> bool {
        self.lock().get(&connection).is_some_and(|ledger| ledger.has(reach))
    }

    /// Counts one more, if there is room. If there is not, the wish may still be for what is there already.
    fn reserve(&self, reach: &Reach, connection: ConnectionId) -> Result<(), Failure> {
        let mut ledgers = self.lock();
        let ledger = ledgers.entry(connection).or_default();
        if ledger.count() >= self.limit {
            return Err(Failure::TooManySubscriptions(self.limit));
        }
        if *reach == Reach::AllTopics && ledger.everywhere() >= self.wildcard_limit {
            return Err(Failure::TooManyWildcards(self.wildcard_limit));
        }
        ledger.add(reach);
        Ok(())
    }

    fn refuse(&self, refusal: Result<(), Failure>) -> Result<(), Failure> {
        refusal.inspect_err(|failure| {
            self.metrics.limit_hit(match failure {
                Failure::TooManyWildcards(_) => "wildcard_subscriptions",
                _ => "subscriptions",
            })
        })
    }

    fn release(&self, reach: &Reach, connection: ConnectionId, ended: usize) {
        let mut ledgers = self.lock();
        let Some(ledger) = ledgers.get_mut(&connection) else { return };
        ledger.subtract(reach, ended);
        if ledger.count() == 0 {
            ledgers.remove(&connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Ledger>> {
        self.ledgers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

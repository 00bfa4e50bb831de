//! `Doors`: how to reach the tasks of the topics that are followed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_bridge::broker::ReadError;
use kafka_bridge::feed::Feeds;
use signalr_server::{ConnectionHandle, ConnectionId};
use tokio::sync::{mpsc, oneshot};

use crate::audience::{self, Command, Ending, Reading, Subscribed};
use crate::gateway::Settings;
use crate::metrics::Metrics;
use crate::read_rules::ReadRules;
use crate::subscription::Subscription;
use crate::topics::Topic;

/// Leads to a topic's task; closed when that is going.
pub(crate) type Door = mpsc::Sender<Command>;

#[derive(Debug)]
pub(crate) struct Doors {
    feeds: Arc<Feeds>,
    reads: ReadRules,
    packages_per_second: Option<u32>,
    metrics: Metrics,
    /// A topic that two workspaces follow has two: its id is in what they are sent.
    open: Mutex<HashMap<Arc<Topic>, Door>>,
}

impl Doors {
    pub(crate) fn new(feeds: Arc<Feeds>, metrics: Metrics, settings: &Settings) -> Self {
        let (reads, packages_per_second) = (settings.reads.clone(), settings.max_packages_per_second);
        Self { feeds, reads, packages_per_second, metrics, open: Mutex::default() }
    }

    /// Adds subscriptions of a connection to a topic, if they are there already or may be added. When this completes they
    /// are in force: every package acknowledged afterwards counts. They last as long as the door is open.
    pub(crate) async fn subscribe(
        &self,
        topic: &Arc<Topic>,
        connection: &ConnectionHandle,
        subscriptions: &[Subscription],
        may_add: bool,
    ) -> Result<(Subscribed, Door), ReadError> {
        loop {
            let (done, answer) = oneshot::channel();
            let (connection, subscriptions) = (connection.clone(), subscriptions.to_vec());
            let command = Command::Subscribe { connection, subscriptions, may_add, done };
            // A task that has just lost its last subscription goes, and leaves what it did not take unanswered.
            let door = self.door(topic);
            if door.send(command).await.is_ok()
                && let Ok(result) = answer.await
            {
                return Ok((result?, door));
            }
        }
    }

    /// Ends subscriptions of a connection to a topic; their number. When this completes nothing more of them is sent.
    pub(crate) async fn unsubscribe(&self, topic: &Topic, connection: ConnectionId, ending: Ending) -> usize {
        let door = self.lock().get(topic).cloned();
        let (done, answer) = oneshot::channel();
        match door {
            Some(door) if door.send(Command::Unsubscribe { connection, ending, done }).await.is_ok() => {
                // No answer: the task is gone, and its subscriptions with it.
                answer.await.unwrap_or_default()
            }
            _ => 0,
        }
    }

    /// Ends what a connection had that has ended.
    pub(crate) async fn leave(&self, topic: &Topic, connection: ConnectionId) {
        let door = self.lock().get(topic).cloned();
        if let Some(door) = door {
            // A task that is gone has no subscriptions either.
            let _ = door.send(Command::Leave { connection }).await;
        }
    }

    /// The topics that have a running task.
    pub(crate) fn topics(&self) -> Vec<Arc<Topic>> {
        let running = |(topic, door): (&Arc<Topic>, &Door)| (!door.is_closed()).then(|| topic.clone());
        self.lock().iter().filter_map(running).collect()
    }

    fn door(&self, topic: &Arc<Topic>) -> Door {
        let mut open = self.lock();
        match open.get(topic) {
            Some(door) if !door.is_closed() => door.clone(),
            _ => {
                open.retain(|_, door| !door.is_closed());
                let rows = self.reads.of(&topic.name);
                let reading = Reading { rows, packages_per_second: self.packages_per_second };
                let door = audience::start(topic.clone(), reading, self.feeds.clone(), self.metrics.clone());
                open.insert(topic.clone(), door.clone());
                door
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<Topic>, Door>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

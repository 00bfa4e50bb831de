//! `Replays`: how many reads of older records each client may have at a time over HTTP, so that none takes all that there are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use access::Digest;
use kafka_bridge::broker::{Broker, Deliveries, Start};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::errors::Failure;

/// Those under way, by client.
#[derive(Debug)]
pub(crate) struct Replays {
    most: usize,
    /// For a permit.
    wait: Duration,
    shares: Mutex<HashMap<Client, Share>>,
}

/// Who reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    User(String),
    /// Of a token without a user.
    Token(Digest),
    Address(IpAddr),
    /// Of whom nothing is known; all of them together.
    Unknown,
}

/// What one client may have. There is one while somebody uses it.
#[derive(Debug)]
struct Share {
    free: Arc<Semaphore>,
    /// Who has a permit or waits for one.
    users: usize,
}

impl Replays {
    /// At most so many for each; whoever wants one more waits so long.
    pub(crate) fn new(most: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self { most, wait, shares: Mutex::default() })
    }

    /// A permit, given back when dropped. Who comes first gets it first: what reconnects at once, as the pages of a user do
    /// after a restart, needs each of them for a moment only.
    ///
    /// # Errors
    /// [`Failure::TooManyReplays`] if none was given back in time, or more wait than may.
    pub(crate) async fn take(self: &Arc<Self>, client: Client) -> Result<Permit, Failure> {
        let refused = || Failure::TooManyReplays(self.most);
        let (free, mut permit) = self.queue(client).ok_or_else(refused)?;
        let held = timeout(self.wait, free.acquire_owned()).await.map_err(|_| refused())?;
        permit.held = Some(held.expect("it is never closed"));
        Ok(permit)
    }

    /// A permit that has still to be acquired; `None` if too many wait.
    fn queue(self: &Arc<Self>, client: Client) -> Option<(Arc<Semaphore>, Permit)> {
        let mut shares = self.lock();
        let new = || Share { free: Arc::new(Semaphore::new(self.most)), users: 0 };
        let share = shares.entry(client.clone()).or_insert_with(new);
        (share.users < self.most + MAX_WAITING).then(|| {
            share.users += 1;
            (share.free.clone(), Permit { held: None, replays: self.clone(), client })
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, Share>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One read under way.
#[derive(Debug)]
pub(crate) struct Permit {
    held: Option<OwnedSemaphorePermit>,
    replays: Arc<Replays>,
    client: Client,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut shares = self.replays.lock();
        self.held = None;
        let Some(share) = shares.get_mut(&self.client) else { return };
        share.users -= 1;
        if share.users == 0 {
            shares.remove(&self.client);
        }
    }
}

/// Opens reads of older records for one client.
#[derive(Debug, Clone)]
pub(crate) struct Replayer {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) replays: Arc<Replays>,
    pub(crate) client: Client,
}

impl Replayer {
    /// A read of a topic, and the permit for it, to be held until it has come to the end.
    ///
    /// # Errors
    /// Those of [`Replays::take`] and of [`Broker::read`].
    pub(crate) async fn open(&self, topic: &str, start: Start) -> Result<(Deliveries, Permit), Failure> {
        let permit = self.replays.take(self.client.clone()).await?;
        Ok((self.broker.read(topic, start).await?, permit))
    }
}

/// Requests of one client that may wait at a time.
const MAX_WAITING: usize = 256;

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_client_has_permits_of_its_own_and_what_is_given_back_leaves_nothing() {
        let replays = Replays::new(2, Duration::from_secs(10));
        let user = |name: &str| Client::User(name.to_owned());
        let first = replays.take(user("a")).await.unwrap();
        let _second = replays.take(user("a")).await.unwrap();
        assert_eq!(replays.take(user("a")).await.unwrap_err(), Failure::TooManyReplays(2));
        let other = replays.take(user("b")).await.unwrap();
        drop((first, other));
        assert_eq!(replays.lock().len(), 1);
        assert_eq!(replays.lock()[&user("a")].users, 1, "who went away waits no more");
        replays.take(user("a")).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_when_all_are_taken_gets_one_in_its_turn_and_very_many_are_refused_at_once() {
        let replays = Replays::new(2, Duration::from_secs(10));
        let order = Mutex::new(Vec::new());
        let reads = async |number: usize| {
            let permit = replays.take(Client::Unknown).await;
            order.lock().unwrap().push(number);
            tokio::time::sleep(Duration::from_secs(1)).await;
            permit.is_ok()
        };
        assert!(join_all((0..20).map(&reads)).await.into_iter().all(|read| read));
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());

        let begun = tokio::time::Instant::now();
        let held = [replays.take(Client::Unknown).await.unwrap(), replays.take(Client::Unknown).await.unwrap()];
        let mut waiting = Box::pin(join_all((0..MAX_WAITING).map(|_| replays.take(Client::Unknown))));
        assert!(futures::poll!(&mut waiting).is_pending());
        replays.take(Client::Unknown).await.unwrap_err();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        drop((held, waiting));
        assert!(replays.lock().is_empty());
    }
}

//! `Replays`: how many reads of older records each client may have at a time over HTTP, so that none takes all that there are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use access::Digest;

/// Those under way, by client.
#[derive(Debug)]
pub(crate) struct Replays {
    most: usize,
    taken: Mutex<HashMap<Client, usize>>,
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

impl Replays {
    /// At most so many for each.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// A permit, given back when dropped; `None` if the client has as many as it may.
    pub(crate) fn take(self: &Arc<Self>, client: Client) -> Option<Permit> {
        let mut taken = self.lock();
        let count = taken.get(&client).copied().unwrap_or_default();
        (count < self.most).then(|| {
            taken.insert(client.clone(), count + 1);
            Permit { replays: self.clone(), client }
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One read under way.
#[derive(Debug)]
pub(crate) struct Permit {
    replays: Arc<Replays>,
    client: Client,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.replays.lock();
        let Some(count) = taken.get_mut(&self.client) else { return };
        *count -= 1;
        if *count == 0 {
            taken.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_permits_of_its_own_and_what_is_given_back_leaves_nothing() {
        let replays = Replays::new(2);
        let user = |name: &str| Client::User(name.to_owned());
        let (first, _second) = (replays.take(user("a")).unwrap(), replays.take(user("a")).unwrap());
        assert!(replays.take(user("a")).is_none());
        let other = replays.take(user("b")).unwrap();
        drop((first, other));
        assert_eq!(replays.lock().len(), 1);
        assert!(replays.take(user("a")).is_some());
    }
}

//! `Newcomers`: connections of which no request was let in yet. Past so many the oldest goes: whoever only holds
//! connections open keeps nobody out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

use super::addresses::network;
use crate::config::Limits;

/// All of them.
#[derive(Debug)]
pub(super) struct Newcomers {
    limits: Limits,
    table: Arc<Table>,
}

/// One of them, until [`is_let_in`](Self::is_let_in) or dropped.
#[derive(Debug)]
pub(super) struct Newcomer {
    table: Arc<Table>,
    number: u64,
    must_go: Notify,
    is_known: AtomicBool,
}

#[derive(Debug, Default)]
struct Table(Mutex<Entries>);

/// In the order in which they came.
#[derive(Debug, Default)]
struct Entries {
    next: u64,
    all: BTreeMap<u64, (IpAddr, Weak<Newcomer>)>,
    /// Of addresses that may have so many only.
    of: HashMap<IpAddr, BTreeSet<u64>>,
}

impl Newcomers {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), table: Arc::default() }
    }

    /// Takes one more, of an address of which there may be so many; and the limit past which another must go for it, if one
    /// must.
    pub(super) fn arrive(&self, client: IpAddr, most: Option<u32>) -> (Arc<Newcomer>, Option<&'static str>) {
        let client = client.to_canonical();
        let address = network(client);
        let mut entries = self.table.lock();
        let number = entries.next;
        entries.next += 1;
        let (table, must_go, is_known) = (self.table.clone(), Notify::new(), AtomicBool::new(false));
        let newcomer = Arc::new(Newcomer { table, number, must_go, is_known });
        entries.all.insert(number, (address, Arc::downgrade(&newcomer)));
        let oldest = most.and_then(|most| entries.oldest_of(address, number, most));
        let oldest = oldest.or_else(|| entries.oldest(self.limits.unauthenticated));
        if let Some((number, _)) = oldest
            && let Some(oldest) = entries.remove(number).and_then(|oldest| oldest.upgrade())
        {
            // Outside of the lock, which its end would take.
            drop(entries);
            oldest.must_go.notify_one();
        }
        (newcomer, oldest.map(|(_, limit)| limit))
    }
}

impl Newcomer {
    /// A request of it was let in: it is none any more.
    pub(super) fn is_let_in(&self) {
        if !self.is_known.load(Ordering::Relaxed) && !self.is_known.swap(true, Ordering::Relaxed) {
            self.table.lock().remove(self.number);
        }
    }

    /// Waits until it must go.
    pub(super) async fn must_go(&self) {
        self.must_go.notified().await;
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.is_let_in();
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Adds one of an address that may have so many; the oldest of them, if there are more.
    fn oldest_of(&mut self, address: IpAddr, number: u64, most: u32) -> Option<(u64, &'static str)> {
        let own = self.of.entry(address).or_default();
        own.insert(number);
        let oldest = own.first().filter(|_| own.len() > most as usize)?;
        Some((*oldest, "unauthenticated_per_address"))
    }

    /// The oldest of all, if there are more than so many.
    fn oldest(&self, most: u32) -> Option<(u64, &'static str)> {
        let oldest = self.all.keys().next().filter(|_| self.all.len() > most as usize)?;
        Some((*oldest, "unauthenticated"))
    }

    fn remove(&mut self, number: u64) -> Option<Weak<Newcomer>> {
        let (address, newcomer) = self.all.remove(&number)?;
        if let Some(own) = self.of.get_mut(&address) {
            own.remove(&number);
            if own.is_empty() {
                self.of.remove(&address);
            }
        }
        Some(newcomer)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn past_so_many_the_oldest_goes_that_nobody_knows() {
        let limits = Limits { unauthenticated: 3, ..Limits::default() };
        let newcomers = Newcomers::new(&limits);
        let mut held: Vec<_> = ["10.0.0.1", "10.0.0.2", "127.0.0.1"].map(|client| arrive(&newcomers, client)).into();
        assert!(held.iter().all(|(_, limit)| limit.is_none()));
        held[0].0.is_let_in();
        held.push(arrive(&newcomers, "10.0.0.3"));
        assert_eq!(held[3].1, None, "one of them is known");
        held.push(arrive(&newcomers, "10.0.0.4"));
        assert_eq!(held[4].1, Some("unauthenticated"));
        let gone: Vec<_> = held.iter().map(|(newcomer, _)| newcomer.must_go().now_or_never().is_some()).collect();
        assert_eq!(gone, [false, true, false, false, false]);
        held.clear();
        let entries = newcomers.table.lock();
        assert!(entries.all.is_empty() && entries.of.is_empty());
    }

    #[test]
    fn of_one_address_there_are_fewer() {
        let limits = Limits { unauthenticated_per_address: Some(2), ..Limits::default() };
        let newcomers = Newcomers::new(&limits);
        let held = ["10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.1"].map(|client| arrive(&newcomers, client));
        let gone = held.each_ref().map(|(newcomer, _)| newcomer.must_go().now_or_never().is_some());
        assert_eq!((gone, held[3].1), ([true, false, false, false], Some("unauthenticated_per_address")));
    }

    fn arrive(newcomers: &Newcomers, client: &str) -> (Arc<Newcomer>, Option<&'static str>) {
        let client = client.parse().unwrap();
        newcomers.arrive(client, newcomers.limits.unauthenticated_of(client))
    }
}

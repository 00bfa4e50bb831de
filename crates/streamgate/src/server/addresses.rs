//! `Addresses`: how many connections each address has, and how fast new ones come, so that none takes the room of all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Limits;

/// The connections of all addresses that are counted.
#[derive(Debug)]
pub(super) struct Addresses {
    limits: Limits,
    table: Arc<Table>,
}

/// What happens to a new connection.
#[derive(Debug)]
pub(super) enum Admission {
    /// It is served; nobody counts if there is no place.
    Served(Option<Place>),
    /// It is told that it is one too many, by the limit of this name.
    Refused(&'static str, Place),
    /// It is closed unread, for this limit.
    Unread(&'static str),
}

/// One of an address's connections, for as long as it is held. Clones are the same connection.
#[derive(Debug, Clone)]
pub(super) struct Place {
    _held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    table: Arc<Table>,
    address: IpAddr,
}

#[derive(Debug, Default)]
struct Table(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    of: HashMap<IpAddr, Entry>,
    /// At so many entries those that say nothing any more are looked for.
    tidy_at: usize,
}

#[derive(Debug)]
struct Entry {
    open: u32,
    served: Pace,
    /// Of those that are not closed unread.
    answered: Pace,
}

impl Addresses {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), table: Arc::default() }
    }

    /// Counts a new connection.
    pub(super) fn admit(&self, client: IpAddr, now: Instant) -> Admission {
        let client = client.to_canonical();
        let (most, rate) = (self.limits.connections_of(client), self.limits.new_connections_of(client));
        if most.is_none() && rate.is_none() {
            return Admission::Served(None);
        }
        let mut entries = self.table.lock();
        entries.tidy(now);
        let address = network(client);
        let entry = entries.of.entry(address).or_insert(Entry { open: 0, served: Pace(now), answered: Pace(now) });
        if rate.is_some_and(|rate| !entry.answered.takes(now, rate.saturating_mul(2))) {
            return Admission::Unread(NEW_CONNECTIONS);
        }
        let is_too_fast = rate.is_some_and(|rate| !entry.served.takes(now, rate));
        if most.is_some_and(|most| entry.open >= most.saturating_add((most / 8).max(4))) {
            return Admission::Unread(CONNECTIONS);
        }
        let is_too_many = most.is_some_and(|most| entry.open >= most);
        entry.open += 1;
        let place = Place { _held: Arc::new(Held { table: self.table.clone(), address }) };
        match (is_too_fast, is_too_many) {
            (true, _) => Admission::Refused(NEW_CONNECTIONS, place),
            (_, true) => Admission::Refused(CONNECTIONS, place),
            _ => Admission::Served(Some(place)),
        }
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// Keeps no more than twice what has something to say, and some.
    fn tidy(&mut self, now: Instant) {
        if self.of.len() >= self.tidy_at {
            self.of.retain(|_, entry| !entry.is_idle(now));
            self.tidy_at = (2 * self.of.len()).max(LEAST_TIDY);
        }
    }
}

impl Entry {
    /// Whether a new entry would say the same.
    fn is_idle(&self, now: Instant) -> bool {
        self.open == 0 && self.served.0 <= now && self.answered.0 <= now
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut entries = self.table.lock();
        if let Some(entry) = entries.of.get_mut(&self.address) {
            entry.open -= 1;
        }
    }
}

/// The moment at which all that was taken is paid for, each by its share of a second (GCRA).
#[derive(Debug)]
struct Pace(Instant);

impl Pace {
    /// Takes one, if no more than [`BURST`] is owed then.
    fn takes(&mut self, now: Instant, per_second: u32) -> bool {
        let paid = self.0.max(now) + Duration::from_secs(1) / per_second;
        let fits = paid - now <= BURST;
        if fits {
            self.0 = paid;
        }
        fits
    }
}

/// Whoever has one address of IPv6 has the 2⁶⁴ beside it.
pub(super) fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

const CONNECTIONS: &str = "connections_per_address";
const NEW_CONNECTIONS: &str = "new_connections_per_address";

/// As many as come in this time may come at once.
const BURST: Duration = Duration::from_secs(2);

/// So few entries are not worth a look.
const LEAST_TIDY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_served_refused_and_closed_unread_and_room_comes_back() {
        let addresses = Addresses::new(&Limits { connections_per_address: Some(16), ..Limits::default() });
        let admit = || addresses.admit(client("10.0.0.1"), Instant::now());
        let mut served: Vec<_> = (0..16).map(|_| place(admit())).collect();
        let refused: Vec<_> = (0..4).map(|_| admit()).collect();
        assert!(refused.iter().all(|admission| matches!(admission, Admission::Refused(CONNECTIONS, _))), "{refused:?}");
        assert!(matches!(admit(), Admission::Unread(CONNECTIONS)));
        place(addresses.admit(client("10.0.0.2"), Instant::now()));
        drop(refused);
        let one = served.pop().unwrap();
        let same = one.clone();
        drop(one);
        assert!(matches!(admit(), Admission::Refused(..)), "it is held twice");
        drop(same);
        place(admit());
    }

    #[test]
    fn new_connections_come_at_their_rate_after_twice_as_many_at_once() {
        let limits =
            Limits { new_connections_per_address: Some(200), connections_per_address: Some(0), ..Limits::default() };
        let addresses = Addresses::new(&limits);
        let begin = Instant::now();
        let count = |second: u64, connections: u32| {
            let mut counts = [0, 0, 0];
            for _ in 0..connections {
                match addresses.admit(client("127.0.0.1"), begin + Duration::from_secs(second)) {
                    Admission::Served(_) => counts[0] += 1,
                    Admission::Refused(NEW_CONNECTIONS, _) => counts[1] += 1,
                    Admission::Unread(NEW_CONNECTIONS) => counts[2] += 1,
                    other => panic!("{other:?}"),
                }
            }
            counts
        };
        assert_eq!(count(0, 400), [400, 0, 0]);
        assert_eq!(count(0, 1), [0, 1, 0]);
        assert_eq!(count(0, 1000), [0, 399, 601], "twice that is answered");
        assert_eq!(count(1, 1000), [200, 200, 600], "and so per second");
        assert_eq!(count(9, 401), [400, 1, 0], "and all of it after a rest");
    }

    #[test]
    fn who_is_counted_together() {
        let limits = Limits { connections_per_address: Some(1), ..Limits::default() };
        for (first, second, together) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
        ] {
            let addresses = Addresses::new(&limits);
            let _held = addresses.admit(client(first), Instant::now());
            let is_refused = matches!(addresses.admit(client(second), Instant::now()), Admission::Refused(..));
            assert_eq!(is_refused, together, "{first} {second}");
        }
    }

    #[test]
    fn this_machine_is_counted_only_where_that_was_asked_for() {
        for (setting, here, elsewhere) in
            [(None, None, Some(2_000)), (Some(0), None, None), (Some(7), Some(7), Some(7))]
        {
            let limits = Limits { connections_per_address: setting, ..Limits::default() };
            let bound = |address: &str| limits.connections_of(client(address));
            assert_eq!((bound("127.0.0.2"), bound("::1")), (here, here), "{setting:?}");
            assert_eq!((bound("10.0.0.1"), bound("2001:db8::1")), (elsewhere, elsewhere), "{setting:?}");
        }
    }

    #[test]
    fn addresses_that_say_nothing_any_more_leave() {
        let addresses = Addresses::new(&Limits::default());
        let begin = Instant::now();
        let held = addresses.admit(client("10.0.0.1"), begin);
        for number in 0..100_000_u32 {
            // A thousand new addresses per second.
            let now = begin + Duration::from_millis(number.into());
            addresses.admit(IpAddr::from((0xC000_0000 + number).to_be_bytes()), now);
            assert!(addresses.table.lock().of.len() <= LEAST_TIDY, "at address {number}");
        }
        assert!(addresses.table.lock().of.contains_key(&client("10.0.0.1")), "as long as it has a connection");
        drop(held);
    }

    fn place(admission: Admission) -> Place {
        match admission {
            Admission::Served(Some(place)) => place,
            other => panic!("{other:?}"),
        }
    }

    fn client(address: &str) -> IpAddr {
        address.parse().unwrap()
    }
}

//! `Failures`: how many guesses at tokens came from each address lately, so that nobody tries many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::addresses::network;
use crate::config::Limits;

/// The failures of all addresses that are counted.
#[derive(Debug)]
pub(super) struct Failures {
    limits: Limits,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// When all failures of an address will be forgotten, each after its share of a minute (GCRA).
    forgotten_at: HashMap<IpAddr, Instant>,
    /// At so many entries those that say nothing any more are looked for.
    tidy_at: usize,
}

impl Failures {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), table: Mutex::default() }
    }

    /// Whether an address has failed so often that it is not listened to; for how long.
    pub(super) fn silence(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        let share = self.share(client)?;
        let forgotten_at = *self.lock().forgotten_at.get(&network(client.to_canonical()))?;
        (forgotten_at + share).checked_duration_since(now + MINUTE).filter(|left| !left.is_zero())
    }

    /// Counts one more.
    pub(super) fn add(&self, client: IpAddr, now: Instant) {
        let Some(share) = self.share(client) else { return };
        let mut table = self.lock();
        if table.forgotten_at.len() >= table.tidy_at {
            table.forgotten_at.retain(|_, forgotten_at| *forgotten_at > now);
            table.tidy_at = (2 * table.forgotten_at.len()).max(LEAST_TIDY);
        }
        let forgotten_at = table.forgotten_at.entry(network(client.to_canonical())).or_insert(now);
        *forgotten_at = (*forgotten_at).max(now) + share;
    }

    fn share(&self, client: IpAddr) -> Option<Duration> {
        Some(MINUTE / self.limits.auth_failures_of(client.to_canonical())?)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// So few entries are not worth a look.
const LEAST_TIDY: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_so_many_in_a_minute_an_address_is_not_listened_to_for_a_while() {
        let failures = Failures::new(&Limits { auth_failures_per_address: Some(6), ..Limits::default() });
        let (one, other, now) = (client("10.0.0.1"), client("10.0.0.2"), Instant::now());
        for number in 0..6 {
            assert_eq!(failures.silence(one, now), None, "{number}");
            failures.add(one, now);
        }
        assert_eq!(failures.silence(one, now), Some(Duration::from_secs(10)), "until one of them is forgotten");
        assert_eq!(failures.silence(client("::ffff:10.0.0.1"), now), Some(Duration::from_secs(10)));
        assert_eq!(failures.silence(other, now), None);
        let later = now + Duration::from_secs(10);
        assert_eq!(failures.silence(one, later), None);
        failures.add(one, later);
        assert!(failures.silence(one, later).is_some());
        assert_eq!(failures.silence(one, later + MINUTE), None);
    }

    #[test]
    fn this_machine_is_counted_only_where_that_was_asked_for() {
        let failures = Failures::new(&Limits::default());
        let now = Instant::now();
        for _ in 0..60 {
            failures.add(client("127.0.0.1"), now);
            failures.add(client("2001:db8::1"), now);
        }
        assert_eq!(failures.silence(client("127.0.0.1"), now), None);
        assert!(failures.silence(client("2001:db8::2"), now).is_some(), "its network is one");
    }

    #[test]
    fn addresses_that_say_nothing_any_more_leave() {
        let failures = Failures::new(&Limits::default());
        let begin = Instant::now();
        for number in 0..30_000_u32 {
            let client = IpAddr::from((0xC000_0000 + number).to_be_bytes());
            failures.add(client, begin + Duration::from_millis(number.into()));
            assert!(failures.lock().forgotten_at.len() <= LEAST_TIDY, "at address {number}");
        }
    }

    fn client(address: &str) -> IpAddr {
        address.parse().unwrap()
    }
}

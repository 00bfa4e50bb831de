//! `Paces`: how many calls a second each of many makes, such as each user.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most so many in a second each in the long run, and as many at once. Remembers nobody who has rested for a second.
#[derive(Debug)]
pub struct Paces<K> {
    per_second: u32,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    of: HashMap<K, Pace>,
    /// At so many entries those that say nothing any more are looked for.
    tidy_at: usize,
}

/// The moment at which all that was taken is paid for, each by its share of a second (GCRA). `None`: long ago.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pace(Option<Instant>);

impl<K: Eq + Hash> Paces<K> {
    /// So many a second each; 0 is taken for 1.
    pub fn new(per_second: u32) -> Self {
        let table = Table { of: HashMap::new(), tidy_at: LEAST_TIDY };
        Self { per_second: per_second.max(1), table: Mutex::new(table) }
    }

    /// Takes one more of somebody's.
    ///
    /// # Errors
    /// When that may be done again; nothing is taken.
    pub fn take<Q>(&self, who: &Q, now: Instant) -> Result<(), Instant>
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned: Into<K>> + Eq + Hash + ?Sized,
    {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pace) = table.of.get_mut(who) {
            return pace.take(now, self.per_second);
        }
        if table.of.len() >= table.tidy_at {
            table.of.retain(|_, pace| pace.0.is_some_and(|paid| paid > now));
            table.tidy_at = (2 * table.of.len()).max(LEAST_TIDY);
        }
        table.of.entry(who.to_owned().into()).or_default().take(now, self.per_second)
    }

    /// The same of somebody who keeps the own pace.
    pub(crate) fn take_own(&self, pace: &mut Pace, now: Instant) -> Result<(), Instant> {
        pace.take(now, self.per_second)
    }
}

impl Pace {
    fn take(&mut self, now: Instant, per_second: u32) -> Result<(), Instant> {
        let paid = self.0.map_or(now, |paid| paid.max(now)) + SECOND / per_second;
        if paid - now > SECOND {
            return Err(paid - SECOND);
        }
        self.0 = Some(paid);
        Ok(())
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// So few entries are not worth a look.
const LEAST_TIDY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_come_at_once_and_then_one_for_each_part_of_a_second() {
        let (paces, start) = (Paces::<String>::new(4), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let take = |who: &str, millis| paces.take(who, at(millis));
        assert_eq!([0; 4].map(|millis| take("ann", millis)), [Ok(()); 4]);
        assert_eq!(take("ann", 0), Err(at(250)));
        assert_eq!(take("ann", 249), Err(at(250)), "who asks in vain does not wait longer for it");
        assert_eq!([take("ann", 250), take("ann", 250)], [Ok(()), Err(at(500))]);
        assert_eq!(take("bob", 250), Ok(()), "others have their own");
        assert_eq!([60_000; 4].map(|millis| take("ann", millis)), [Ok(()); 4]);
        assert_eq!(take("ann", 60_000), Err(at(60_250)), "a rest gives no more than a second's");

        let mut own = Pace::default();
        assert_eq!([0; 4].map(|millis| paces.take_own(&mut own, at(millis))), [Ok(()); 4]);
        assert_eq!(paces.take_own(&mut own, at(0)), Err(at(250)));
    }

    #[test]
    fn whoever_rests_is_forgotten() {
        let (paces, start) = (Paces::<String>::new(1_000), Instant::now());
        for number in 0..20_000_u64 {
            paces.take(number.to_string().as_str(), start + Duration::from_millis(number)).unwrap();
            assert!(paces.table.lock().unwrap().of.len() <= LEAST_TIDY, "at number {number}");
        }
    }
}

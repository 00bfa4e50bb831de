//! `Claims`: who may write an import now, and which of its rows are stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_bridge::broker;
use tokio::time::Instant;
use ways::csv::{Mapping, Stored};

use super::place::Place;

/// The last claims of the imports that were written lately.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<Imports>);

#[derive(Debug, Default)]
struct Imports {
    kept: HashMap<String, Kept>,
    /// How many tickets were given.
    tickets: u64,
}

#[derive(Debug)]
struct Kept {
    ticket: Ticket,
    /// `None`: whoever has the ticket finds out what is stored.
    claim: Option<Arc<Claim>>,
    /// In bytes, when it was used.
    size: usize,
    used: Instant,
}

/// The turn to claim an import: worth something until the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// The right to write an import.
#[derive(Debug)]
pub(super) struct Claim {
    /// Proves it.
    pub(super) secret: String,
    pub(super) mapping: Mapping,
    /// When it was claimed.
    pub(super) place: Place,
    /// Held by the request that writes: pieces come one after the other.
    pub(super) turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    holds: bool,
    stored: Stored,
}

impl Claims {
    /// Takes the right to write from whoever has it, and the turn to claim from whoever has that.
    pub(super) fn end(&self, import: &str) -> Ticket {
        let mut imports = self.lock();
        imports.tickets += 1;
        let ticket = Ticket(imports.tickets);
        imports.keep(import, Kept::new(ticket, None));
        ticket
    }

    /// Claims an import, of which these rows were found stored after its ticket was given. `None`: somebody else has taken
    /// a ticket since, so that rows may be stored which were not found.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(super) fn begin(
        &self,
        import: &str,
        ticket: Ticket,
        mapping: Mapping,
        place: Place,
        stored: Stored,
    ) -> Result<Option<Arc<Claim>>, getrandom::Error> {
        let secret = format!("{:016x}", getrandom::u64()?);
        let mut imports = self.lock();
        if imports.kept.get(import).is_none_or(|kept| kept.ticket != ticket) {
            return Ok(None);
        }
        let state = Mutex::new(State { holds: true, stored });
        let claim = Arc::new(Claim { secret, mapping, place, turn: tokio::sync::Mutex::default(), state });
        imports.keep(import, Kept::new(ticket, Some(claim.clone())));
        Ok(Some(claim))
    }

    /// The claim that this proves.
    pub(super) fn find(&self, import: &str, secret: &str) -> Option<Arc<Claim>> {
        let mut imports = self.lock();
        let kept = imports.kept.get_mut(import)?;
        let claim = kept.claim.clone().filter(|claim| claim.secret == secret)?;
        (kept.used, kept.size) = (Instant::now(), size_of::<Kept>() + claim.size());
        imports.make_room(import);
        Some(claim)
    }

    fn lock(&self) -> MutexGuard<'_, Imports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Imports {
    fn keep(&mut self, import: &str, kept: Kept) {
        self.kept.insert(import.to_owned(), kept);
        self.make_room(import);
    }

    /// Forgets what was not used lately, and past a bound what was used longest ago, of the same topic if there is any.
    fn make_room(&mut self, import: &str) {
        let now = Instant::now();
        self.kept.retain(|other, kept| other == import || now - kept.used < LONGEST_IDLE);
        let size = |(import, kept): (&String, &Kept)| import.len() + kept.size;
        let mut bytes: usize = self.kept.iter().map(size).sum();
        while self.kept.len() > MOST_CLAIMS || bytes > MOST_BYTES {
            let others = self.kept.iter().filter(|(other, _)| *other != import);
            let oldest = others.min_by_key(|(other, kept)| (topic(other) != topic(import), kept.used));
            let Some(oldest) = oldest.map(|(other, _)| other.clone()) else { return };
            if let Some(kept) = self.kept.remove(&oldest) {
                bytes -= size((&oldest, &kept));
            }
        }
    }
}

/// Of the key of an import.
fn topic(import: &str) -> &str {
    import.split('/').next().unwrap_or_default()
}

impl Kept {
    fn new(ticket: Ticket, claim: Option<Arc<Claim>>) -> Self {
        let size = size_of::<Self>() + claim.as_ref().map_or(0, |claim| claim.size());
        Self { ticket, claim, size, used: Instant::now() }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(claim) = &self.claim {
            claim.end();
        }
    }
}

impl Claim {
    /// It is worth nothing from now on. What is handed over at this moment is before that.
    pub(super) fn end(&self) {
        self.lock().holds = false;
    }

    /// Whether a row is stored, or handed over by this claim. Once ended, it knows of none: what it handed over may have
    /// failed since.
    pub(super) fn has(&self, row: u64) -> bool {
        let state = self.lock();
        state.holds && state.stored.holds(row)
    }

    /// A row was rejected, and would be again: nothing is missing where it was.
    pub(super) fn pass_over(&self, row: u64) {
        self.lock().stored.add(row, row);
    }

    /// Hands rows over, if the claim holds; once handed over they count as stored for as long as it does.
    pub(super) fn hand_over<T, E>(
        &self,
        rows: (u64, u64),
        append: impl FnOnce() -> Result<T, E>,
    ) -> Option<Result<T, E>> {
        let mut state = self.lock();
        if !state.holds {
            return None;
        }
        let appended = append();
        if appended.is_ok() {
            state.stored.add(rows.0, rows.1);
        }
        Some(appended)
    }

    /// Where to look from then on, once all up to a row is done with and its last record is stored. `None`: as before, for
    /// rows behind are stored already, perhaps in front of that record.
    pub(super) fn place_after(&self, row: u64, last: broker::Stored) -> Option<Place> {
        (self.lock().stored.last() <= row).then(|| self.place.after(last))
    }

    /// In bytes.
    fn size(&self) -> usize {
        size_of::<Self>() + self.mapping.size() + self.place.size() + self.lock().stored.size()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MOST_CLAIMS: usize = 1_000;
const MOST_BYTES: usize = 64 << 20;
const LONGEST_IDLE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use ways::csv::{Choices, sniff};

    use super::*;

    fn begin(claims: &Claims, import: &str, stored: Stored) -> Arc<Claim> {
        finish(claims, import, claims.end(import), stored).unwrap()
    }

    fn finish(claims: &Claims, import: &str, ticket: Ticket, stored: Stored) -> Option<Arc<Claim>> {
        let mapping = sniff(b"time,a\n2026-01-01T00:00:00Z,1\n", true, &Choices::default()).unwrap().mapping;
        claims.begin(import, ticket, mapping, Place::end(&[]), stored).unwrap()
    }

    #[test]
    fn a_new_claim_takes_the_right_from_the_one_before() {
        let claims = Claims::default();
        let first = begin(&claims, "i", Stored::default());
        assert_eq!(first.hand_over((1, 5), || Ok::<_, ()>(7)), Some(Ok(7)));
        assert_eq!(first.hand_over((6, 9), || Err::<(), _>(8)), Some(Err(8)));
        assert!(first.has(5) && !first.has(6));
        let mut stored = Stored::default();
        stored.add(1, 3);
        let second = begin(&claims, "i", stored);
        assert_eq!(first.hand_over::<(), ()>((6, 6), || panic!("it must not be written")), None);
        assert!(second.has(3) && !second.has(4));
        assert!(claims.find("i", &first.secret).is_none() && claims.find("other", &second.secret).is_none());
        assert!(claims.find("i", &second.secret).is_some());
        claims.end("i");
        assert!(claims.find("i", &second.secret).is_none());
        assert_eq!(second.hand_over((4, 4), || Ok::<_, ()>(())), None);
    }

    #[test]
    fn of_two_that_claim_at_once_the_one_that_came_later_stands() {
        for later_finishes_first in [false, true] {
            let claims = Claims::default();
            let (earlier, later) = (claims.end("i"), claims.end("i"));
            let mut orders = [(earlier, false), (later, true)];
            if later_finishes_first {
                orders.reverse();
            }
            for (ticket, stands) in orders {
                assert_eq!(finish(&claims, "i", ticket, Stored::default()).is_some(), stands);
            }
        }
    }

    #[test]
    fn the_place_passes_no_row_that_is_stored_and_comes_later() {
        let claims = Claims::default();
        let mut found = Stored::default();
        found.add(3, 4);
        let claim = begin(&claims, "i", found);
        let last = broker::Stored { partition: 0, offset: 9 };
        assert_eq!(claim.hand_over((1, 2), || Ok::<_, ()>(())), Some(Ok(())));
        assert_eq!(claim.place_after(2, last), None, "rows 3 and 4 may lie in front of it");
        assert_eq!(claim.place_after(4, last), Some(claim.place.after(last)));
    }

    #[test]
    fn an_ended_claim_vouches_for_no_row() {
        let claims = Claims::default();
        let claim = begin(&claims, "i", Stored::default());
        assert_eq!(claim.hand_over((1, 5), || Ok::<_, ()>(())), Some(Ok(())));
        assert!(claim.has(5));
        claim.end();
        assert!(!claim.has(5), "whether it was stored has to be read");
    }

    #[test]
    fn of_too_many_the_one_used_longest_ago_goes() {
        let claims = Claims::default();
        let begin = |number: usize| begin(&claims, &number.to_string(), Stored::default());
        let all: Vec<_> = (0..=MOST_CLAIMS).map(begin).collect();
        assert!(!holds(&all[0]) && holds(&all[1]));
    }

    #[test]
    fn of_too_large_ones_those_of_the_same_topic_go_first() {
        let claims = Claims::default();
        let begin = |import: &str| {
            let mut stored = Stored::default();
            (0..MOST_BYTES as u64 / 80).for_each(|range| stored.add(2 * range, 2 * range)); // at least a fifth of the budget
            begin(&claims, import, stored)
        };
        let (other, first, second) = (begin("other/1"), begin("own/1"), begin("own/2"));
        let mut more = 3;
        while holds(&first) {
            assert!(more < 7, "nothing goes");
            begin(&format!("own/{more}"));
            more += 1;
        }
        assert!(holds(&other) && holds(&second));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_nobody_uses_goes() {
        let claims = Claims::default();
        let (idle, used) = (begin(&claims, "a", Stored::default()), begin(&claims, "b", Stored::default()));
        tokio::time::advance(LONGEST_IDLE / 2).await;
        claims.find("b", &used.secret).unwrap();
        tokio::time::advance(LONGEST_IDLE / 2).await;
        claims.find("b", &used.secret).unwrap();
        assert!(!holds(&idle) && holds(&used));
    }

    fn holds(claim: &Claim) -> bool {
        claim.hand_over((1, 1), || Ok::<_, ()>(())).is_some()
    }
}

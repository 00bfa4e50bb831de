//! `Claims`: who may write an import now, and which of its rows are stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ways::csv::{Mapping, Stored};

/// The last claims of the imports that were written lately.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<HashMap<String, Kept>>);

#[derive(Debug)]
struct Kept {
    claim: Arc<Claim>,
    used: Instant,
}

/// The right to write an import.
#[derive(Debug)]
pub(super) struct Claim {
    /// Proves it.
    pub(super) secret: String,
    pub(super) mapping: Mapping,
    /// Of the topic, when it was claimed.
    pub(super) partitions: i32,
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
    /// Takes the right to write from whoever has it.
    pub(super) fn end(&self, import: &str) {
        if let Some(kept) = self.lock().remove(import) {
            kept.claim.end();
        }
    }

    /// A new claim of an import, of which these rows are stored.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(super) fn begin(
        &self,
        import: &str,
        mapping: Mapping,
        partitions: i32,
        stored: Stored,
    ) -> Result<Arc<Claim>, getrandom::Error> {
        let secret = format!("{:016x}", getrandom::u64()?);
        let state = Mutex::new(State { holds: true, stored });
        let claim = Arc::new(Claim { secret, mapping, partitions, turn: tokio::sync::Mutex::default(), state });
        let mut claims = self.lock();
        if claims.len() >= MOST_CLAIMS
            && let Some(oldest) = claims.iter().min_by_key(|(_, kept)| kept.used).map(|(import, _)| import.clone())
            && let Some(kept) = claims.remove(&oldest)
        {
            kept.claim.end();
        }
        let kept = Kept { claim: claim.clone(), used: Instant::now() };
        if let Some(before) = claims.insert(import.to_owned(), kept) {
            before.claim.end();
        }
        Ok(claim)
    }

    /// The claim that this proves.
    pub(super) fn find(&self, import: &str, secret: &str) -> Option<Arc<Claim>> {
        let mut claims = self.lock();
        let kept = claims.get_mut(import).filter(|kept| kept.claim.secret == secret)?;
        kept.used = Instant::now();
        Some(kept.claim.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// It is worth nothing from now on. What is handed over at this moment is before that.
    pub(super) fn end(&self) {
        self.lock().holds = false;
    }

    /// Whether a row is stored, or handed over by this claim.
    pub(super) fn has(&self, row: u64) -> bool {
        self.lock().stored.holds(row)
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Past it the one that was used longest ago is forgotten.
const MOST_CLAIMS: usize = 1_000;

#[cfg(test)]
mod tests {
    use ways::csv::{Choices, sniff};

    use super::*;

    #[test]
    fn a_new_claim_takes_the_right_from_the_one_before() {
        let claims = Claims::default();
        let mapping = sniff(b"time,a\n2026-01-01T00:00:00Z,1\n", true, &Choices::default()).unwrap().mapping;
        let begin = |stored| claims.begin("i", mapping.clone(), 1, stored).unwrap();
        let first = begin(Stored::default());
        assert_eq!(first.hand_over((1, 5), || Ok::<_, ()>(7)), Some(Ok(7)));
        assert_eq!(first.hand_over((6, 9), || Err::<(), _>(8)), Some(Err(8)));
        assert!(first.has(5) && !first.has(6));
        let mut stored = Stored::default();
        stored.add(1, 3);
        let second = begin(stored);
        assert_eq!(first.hand_over::<(), ()>((6, 6), || panic!("it must not be written")), None);
        assert!(second.has(3) && !second.has(4));
        assert!(claims.find("i", &first.secret).is_none() && claims.find("other", &second.secret).is_none());
        assert!(claims.find("i", &second.secret).is_some());
        claims.end("i");
        assert!(claims.find("i", &second.secret).is_none());
        assert_eq!(second.hand_over((4, 4), || Ok::<_, ()>(())), None);
    }

    #[test]
    fn of_too_many_the_one_used_longest_ago_goes() {
        let claims = Claims::default();
        let mapping = sniff(b"time,a\n2026-01-01T00:00:00Z,1\n", true, &Choices::default()).unwrap().mapping;
        let all: Vec<_> = (0..=MOST_CLAIMS)
            .map(|number| claims.begin(&number.to_string(), mapping.clone(), 1, Stored::default()).unwrap())
            .collect();
        assert_eq!(all[0].hand_over((1, 1), || Ok::<_, ()>(())), None);
        assert_eq!(all[1].hand_over((1, 1), || Ok::<_, ()>(())), Some(Ok(())));
    }
}

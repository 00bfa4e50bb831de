//! `Changes`: which items are as they were when they were last written. What it remembers is bounded.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Remembers a hash of each item by what tells it from others. Of more than [`REMEMBERED`] the ones not seen for longest are
/// forgotten, and count as new when they come again.
#[derive(Debug, Default)]
pub(super) struct Changes {
    hasher: RandomState,
    recent: HashMap<u64, u64>,
    older: HashMap<u64, u64>,
}

/// An item that is to be remembered once it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    identity: u64,
    content: u64,
}

impl Changes {
    /// What is new about an item: `None` if nothing is. Without a key an item is told by its content.
    pub(super) fn of(&mut self, key: Option<&str>, content: &str) -> Option<Seen> {
        let content = self.hasher.hash_one(content);
        let identity = key.map_or(content, |key| self.hasher.hash_one(key));
        let known = self.recent.get(&identity).copied().or_else(|| self.older.remove(&identity));
        match known {
            Some(known) if known == content => {
                self.keep(identity, content);
                None
            }
            Some(known) => {
                self.keep(identity, known); // it is not written yet
                Some(Seen { identity, content })
            }
            None => Some(Seen { identity, content }),
        }
    }

    /// It was written.
    pub(super) fn remember(&mut self, seen: Seen) {
        self.keep(seen.identity, seen.content);
    }

    /// Nobody can say what was written last: whatever comes next is new.
    pub(super) fn forget(&mut self, seen: Seen) {
        self.recent.remove(&seen.identity);
        self.older.remove(&seen.identity);
    }

    fn keep(&mut self, identity: u64, content: u64) {
        self.recent.insert(identity, content);
        if self.recent.len() > REMEMBERED / 2 {
            self.older = std::mem::take(&mut self.recent);
        }
    }
}

/// Items of one source: 20 000 come to less than a MiB.
pub(super) const REMEMBERED: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn is_new(changes: &mut Changes, key: Option<&str>, content: &str) -> bool {
        changes.of(key, content).inspect(|seen| changes.remember(*seen)).is_some()
    }

    #[test]
    fn items_are_told_by_their_keys_and_without_by_what_they_say() {
        let mut changes = Changes::default();
        for (key, content, expected) in [
            (Some("a"), "1", true),
            (Some("a"), "1", false),
            (Some("b"), "1", true),
            (Some("a"), "2", true),
            (Some("a"), "1", true),
            (None, "x", true),
            (None, "y", true),
            (None, "x", false),
        ] {
            assert_eq!(is_new(&mut changes, key, content), expected, "{key:?} {content}");
        }
    }

    #[test]
    fn what_was_not_written_is_new_again() {
        let mut changes = Changes::default();
        assert!(changes.of(Some("a"), "1").is_some());
        assert!(changes.of(Some("a"), "1").is_some());
        assert!(is_new(&mut changes, Some("a"), "1"));
        assert!(changes.of(Some("a"), "2").is_some());
        assert!(changes.of(Some("a"), "2").is_some());
        assert!(changes.of(Some("a"), "1").is_none(), "that is what was written last");
    }

    #[test]
    fn what_may_be_written_or_not_is_new_again_and_so_is_what_was_before() {
        for content in ["1", "2"] {
            let mut changes = Changes::default();
            assert!(is_new(&mut changes, Some("a"), "1"));
            let seen = changes.of(Some("a"), "2").unwrap();
            changes.forget(seen);
            assert!(is_new(&mut changes, Some("a"), content), "{content}");
        }
    }

    #[test]
    fn memory_is_bounded_and_what_is_seen_again_and_again_is_kept() {
        let mut changes = Changes::default();
        for number in 0..10 * REMEMBERED {
            assert!(is_new(&mut changes, Some(&number.to_string()), "x"));
            assert_eq!(is_new(&mut changes, Some("often"), "x"), number == 0, "{number}");
            assert!(changes.recent.len() + changes.older.len() <= REMEMBERED + 1);
        }
        assert!(is_new(&mut changes, Some("0"), "x"), "forgotten by now");
    }
}

//! `Event`: an event as it is read from a record.

use std::borrow::Cow;

use serde::ser::{Serialize, Serializer};

/// One event of a package; texts borrow from the record. Source: Quix Streams' `EventDataRaw`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Nanoseconds since 1970 UTC; 0 where the writer left it out.
    pub timestamp: i64,
    /// Each name once, in the order written.
    pub tags: EventTags<'a>,
    /// `None` where the writer left it out.
    pub id: Option<Cow<'a, str>>,
    /// The text it carries, often JSON itself.
    pub value: Option<Cow<'a, str>>,
}

/// Tags of an event that was read: names with a text or null.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventTags<'a>(pub Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>);

/// As an object.
impl Serialize for EventTags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

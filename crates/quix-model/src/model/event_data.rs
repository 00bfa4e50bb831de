//! `EventData` and `Events`: events as clients send them in JSON.

use std::fmt;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::tags::{Tags, TagsSeed};
use crate::json::{OptionalTextSeed, TextSeed, TimestampSeed};

/// One event of a stream.
///
/// Deserialises from clients' JSON: members in any case, unknown ones ignored, the last of duplicates wins, lone
/// surrogates in texts become U+FFFD. `id` and `timestamp` are required. Errors name the member at fault and are meant
/// to be shown to the caller. Source: Quix Streaming Writer API, `SendEventData`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventData {
    /// Nanoseconds since 1970 UTC by convention; never converted or checked, any 64-bit integer goes through digit for
    /// digit. JSON may write it `1600000000000000000`, `1.6e18` or `1.0`; a fraction is refused.
    pub timestamp: i64,
    /// Names and texts that qualify the event. Missing or null: empty.
    pub tags: Tags,
    /// What kind of event it is, such as `EventA`. May be empty.
    pub id: String,
    /// The text it carries, often JSON itself. Missing or null: `None`. A number is refused.
    pub value: Option<String>,
}

impl<'de> Deserialize<'de> for EventData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EventVisitor)
    }
}

/// Events of one call. Deserialises from an array or from one object, since clients send either.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Events(pub Vec<EventData>);

impl Deref for Events {
    type Target = [EventData];

    fn deref(&self) -> &[EventData] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Events {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EventsVisitor)
    }
}

/// The four members of an event, by their names in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    Timestamp,
    Tags,
    Id,
    Value,
}

impl Member {
    /// `None` for a name that is not an event's.
    pub(crate) fn named(name: &str) -> Option<Self> {
        const NAMES: [(&str, Member); 4] =
            [("timestamp", Member::Timestamp), ("tags", Member::Tags), ("id", Member::Id), ("value", Member::Value)];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, member)| *member)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = EventData;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event: an object with `id`, `timestamp`, `value` and `tags`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<EventData, A::Error> {
        let (mut timestamp, mut tags, mut id, mut value) = (None, Tags::default(), None, None);
        while let Some(name) = members.next_key_seed(TextSeed("a member name"))? {
            match Member::named(&name) {
                Some(Member::Timestamp) => timestamp = Some(members.next_value_seed(TimestampSeed)?),
                Some(Member::Tags) => tags = members.next_value_seed(TagsSeed)?,
                Some(Member::Id) => {
                    let text = members.next_value_seed(TextSeed("a string as the event's `id`"))?;
                    id = Some(text.into_owned());
                }
                Some(Member::Value) => {
                    let seed = OptionalTextSeed("a string or null as the event's `value`");
                    value = members.next_value_seed(seed)?.map(Into::into);
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(EventData {
            timestamp: timestamp.ok_or_else(|| A::Error::custom("the event has no `timestamp`"))?,
            tags,
            id: id.ok_or_else(|| A::Error::custom("the event has no `id`"))?,
            value,
        })
    }
}

struct EventsVisitor;

impl<'de> Visitor<'de> for EventsVisitor {
    type Value = Events;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of events or one event")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Events, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = items.next_element()? {
            events.push(event);
        }
        Ok(Events(events))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Events, A::Error> {
        let event = EventData::deserialize(MapAccessDeserializer::new(members))?;
        Ok(Events(vec![event]))
    }
}

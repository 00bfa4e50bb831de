//! Events in JSON as any client writes them, to the one form that packages show.
//!
//! Lenient where Quix Streams' .NET client is and wider: what can be understood is an event. One that cannot spoils the
//! array, which then stays raw, since a package mirrors one call.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::canonical::is_canonical;
use crate::event_data::Member;
use crate::integer::parse_integral;
use crate::json::{self, EventJson};
use crate::problem::ReadProblem;
use crate::text::{TextSeed, unquote};

/// An array of events, all four members present in PascalCase; one object becomes an array of one.
pub(super) fn package_json(text: Cow<'_, str>) -> Result<Cow<'_, str>, ReadProblem> {
    if is_canonical(&text) {
        return Ok(text);
    }
    let list: EventList<'_> = serde_json::from_str(&text).map_err(|_| ReadProblem::BadModel)?;
    let events: Vec<Event<'_>> = list.0.iter().map(Event::understood).collect::<Result<_, _>>()?;
    Ok(Cow::Owned(json::text(&events)))
}

/// Events by their members, values still undecoded.
struct EventList<'a>(Vec<RawEvent<'a>>);

#[derive(Default)]
struct RawEvent<'a> {
    timestamp: Option<&'a RawValue>,
    tags: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
}

/// An event understood.
struct Event<'a> {
    timestamp: i64,
    tags: TextMap<'a>,
    id: Option<Cow<'a, str>>,
    value: Option<Cow<'a, str>>,
}

impl<'a> Event<'a> {
    fn understood(raw: &RawEvent<'a>) -> Result<Self, ReadProblem> {
        Ok(Self {
            timestamp: timestamp(raw.timestamp).ok_or(ReadProblem::BadTimestamp)?,
            tags: tags(raw.tags).ok_or(ReadProblem::BadModel)?,
            id: raw.id.and_then(as_text),
            value: raw.value.and_then(as_text),
        })
    }
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EventJson { timestamp: self.timestamp, tags: &self.tags, id: self.id.as_deref(), value: self.value.as_deref() }
            .serialize(serializer)
    }
}

/// Missing or null is 0, as .NET leaves a default out; integers may be texts.
fn timestamp(raw: Option<&RawValue>) -> Option<i64> {
    match raw.map(RawValue::get) {
        None | Some("null") => Some(0),
        Some(text) if text.starts_with('"') => parse_integral(&unquote(text)?),
        Some(number) => parse_integral(number),
    }
}

/// Missing or null is empty.
fn tags(raw: Option<&RawValue>) -> Option<TextMap<'_>> {
    match raw.map(RawValue::get) {
        None | Some("null") => Some(TextMap(Vec::new())),
        Some(object) => serde_json::from_str(object).ok(),
    }
}

/// A string decoded, null as `None`, anything else as the text that was written.
fn as_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get() {
        "null" => None,
        text if text.starts_with('"') => unquote(text),
        other => Some(Cow::Borrowed(other)),
    }
}

/// Tags in the order written. A name given twice is written twice, and JSON readers take the last.
struct TextMap<'a>(Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>);

impl Serialize for TextMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for TextMap<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TextMapVisitor)
    }
}

struct TextMapVisitor;

impl<'de> Visitor<'de> for TextMapVisitor {
    type Value = TextMap<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<TextMap<'de>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(name) = members.next_key_seed(TextSeed("a name"))? {
            pairs.push((name, as_text(members.next_value()?)));
        }
        Ok(TextMap(pairs))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for EventList<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EventListVisitor)
    }
}

struct EventListVisitor;

impl<'de> Visitor<'de> for EventListVisitor {
    type Value = EventList<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of events or one event")
    }

    /// Null elements are left out.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<EventList<'de>, A::Error> {
        let mut events = Vec::new();
        while let Some(item) = items.next_element::<Option<RawEvent<'de>>>()? {
            events.extend(item);
        }
        Ok(EventList(events))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<EventList<'de>, A::Error> {
        let event = RawEvent::deserialize(MapAccessDeserializer::new(members))?;
        Ok(EventList(vec![event]))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawEvent<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawEventVisitor)
    }
}

struct RawEventVisitor;

impl<'de> Visitor<'de> for RawEventVisitor {
    type Value = RawEvent<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event")
    }

    /// Members in any case; the last of duplicates wins.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<RawEvent<'de>, A::Error> {
        let mut event = RawEvent::default();
        while let Some(name) = members.next_key_seed(TextSeed("a member name"))? {
            let place = match Member::named(&name) {
                Some(Member::Timestamp) => &mut event.timestamp,
                Some(Member::Tags) => &mut event.tags,
                Some(Member::Id) => &mut event.id,
                Some(Member::Value) => &mut event.value,
                None => {
                    members.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *place = Some(members.next_value()?);
        }
        Ok(event)
    }
}

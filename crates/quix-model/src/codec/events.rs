//! Events in JSON as any client writes them.
//!
//! Lenient where Quix Streams' .NET client is and wider: what can be understood is an event. One that cannot spoils the
//! array, which then stays raw, since a package mirrors one call.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{TextSeed, parse_integral, unquote};
use crate::model::{Event, EventMember as Member, EventTags, keep_last};
use crate::problem::ReadProblem;

/// An array of events, or one object, which is an array of one.
pub(crate) fn read(text: &str) -> Result<Vec<Event<'_>>, ReadProblem> {
    let list: EventList<'_> = serde_json::from_str(text).map_err(|_| ReadProblem::BadModel)?;
    list.0
}

fn understood(raw: RawEvent<'_>) -> Result<Event<'_>, ReadProblem> {
    Ok(Event {
        timestamp: timestamp(raw.timestamp).ok_or(ReadProblem::BadTimestamp)?,
        tags: tags(raw.tags).ok_or(ReadProblem::BadModel)?,
        id: raw.id.and_then(as_text),
        value: raw.value.and_then(as_text),
    })
}

/// Valid JSON, and the events in it or what is wrong with the first bad one.
struct EventList<'a>(Result<Vec<Event<'a>>, ReadProblem>);

/// An event by its members, their values undecoded.
#[derive(Default)]
struct RawEvent<'a> {
    timestamp: Option<&'a RawValue>,
    tags: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
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
fn tags(raw: Option<&RawValue>) -> Option<EventTags<'_>> {
    match raw.map(RawValue::get) {
        None | Some("null") => Some(EventTags::default()),
        Some(object) => serde_json::from_str::<TextMap<'_>>(object).ok().map(|map| map.0),
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

/// Tags in the order written, each name once.
struct TextMap<'a>(EventTags<'a>);

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
        keep_last(&mut pairs, |(name, _)| name);
        Ok(TextMap(EventTags(pairs)))
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
        let mut events = Ok(Vec::new());
        while let Some(item) = items.next_element::<Option<RawEvent<'de>>>()? {
            let Some(raw) = item else { continue };
            match (&mut events, understood(raw)) {
                (Ok(events), Ok(event)) => events.push(event),
                (Ok(_), Err(problem)) => events = Err(problem),
                (Err(_), _) => {}
            }
        }
        Ok(EventList(events))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<EventList<'de>, A::Error> {
        let event = RawEvent::deserialize(MapAccessDeserializer::new(members))?;
        Ok(EventList(understood(event).map(|event| vec![event])))
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

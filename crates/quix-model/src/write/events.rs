//! Writing events in the default form: one record in the JSON envelope, `EventData[]` always, even for a single one.

use serde::Serialize;
use serde::ser::Serializer;

use super::envelope::append_envelope;
use crate::json;
use crate::model::{EventData, Model, Tags};
use crate::spell::EventJson;

/// Value of the record that carries these events; its key is the stream id, and it has no headers.
///
/// All four members of an event are always written, a null value as `null`: the Python client stops at a missing one.
/// Source: Quix Streams' legacy JSON envelope, as its clients write it by default.
pub fn write_events(events: &[EventData]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FRAME_BYTES + events.iter().map(estimated_bytes).sum::<usize>());
    write_events_into(&mut out, events);
    out
}

/// As [`write_events`], appended to a buffer.
pub fn write_events_into(out: &mut Vec<u8>, events: &[EventData]) {
    append_envelope(out, Model::Events, |out| append_events(out, events));
}

/// The bare array.
pub(super) fn append_events(out: &mut Vec<u8>, events: &[EventData]) {
    json::append(out, &EventList(events));
}

/// The bare object.
pub(super) fn append_event(out: &mut Vec<u8>, event: &EventData) {
    json::append(out, &event_json(event));
}

/// Room for what surrounds the events.
const FRAME_BYTES: usize = 64;

/// A guess: members, a timestamp, and one escape in eight characters of the value, which is often JSON.
fn estimated_bytes(event: &EventData) -> usize {
    let value = event.value.as_ref().map_or(4, |value| value.len() + value.len() / 8);
    let tags: usize = event.tags.iter().map(|(name, value)| name.len() + value.map_or(4, str::len) + 6).sum();
    72 + event.id.len() + value + tags
}

struct EventList<'a>(&'a [EventData]);

impl Serialize for EventList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(event_json))
    }
}

fn event_json(event: &EventData) -> EventJson<'_, Tags> {
    EventJson { timestamp: event.timestamp, tags: &event.tags, id: Some(&event.id), value: event.value.as_deref() }
}

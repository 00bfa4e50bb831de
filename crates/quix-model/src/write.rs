//! Writing events: the value of one Kafka record, in Quix Streams' legacy JSON envelope.
//!
//! ```text
//! {"C":"JT","K":"EventData[]","V":[{"Timestamp":1700000000123456700,"Tags":{},"Id":"tick","Value":"0"}],"S":32,"E":101}
//!      codec      model           ^ byte 32                                                           ^ byte 101
//! ```
//!
//! It is the one form that every Quix Streams client reads, the .NET family and the Python rewrite alike.

use serde::Serialize;
use serde::ser::Serializer;

use crate::event_data::EventData;
use crate::json::{self, EventJson};

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
    let start = out.len();
    out.extend_from_slice(HEAD);
    json::append(out, &EventList(events));
    let end = out.len() - start;
    out.extend_from_slice(b",\"S\":32,\"E\":");
    json::append(out, &end);
    out.push(b'}');
}

/// Everything before the model, whose first byte is therefore at offset 32.
const HEAD: &[u8; 32] = br#"{"C":"JT","K":"EventData[]","V":"#;

/// Room for what surrounds the events.
const FRAME_BYTES: usize = HEAD.len() + 32;

/// A guess: members, a timestamp, and one escape in eight characters of the value, which is often JSON.
fn estimated_bytes(event: &EventData) -> usize {
    let value = event.value.as_ref().map_or(4, |value| value.len() + value.len() / 8);
    let tags: usize = event.tags.iter().map(|(name, value)| name.len() + value.map_or(4, str::len) + 6).sum();
    72 + event.id.len() + value + tags
}

struct EventList<'a>(&'a [EventData]);

impl Serialize for EventList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|event| EventJson {
            timestamp: event.timestamp,
            tags: &event.tags,
            id: Some(&event.id),
            value: event.value.as_deref(),
        }))
    }
}

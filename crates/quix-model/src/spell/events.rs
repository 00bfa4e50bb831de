//! Events: `{"Timestamp":…,"Tags":{…},"Id":…,"Value":…}`, all four members always, in either spelling.

use serde::Serialize;
use serde::ser::Serializer;

use crate::json::append;
use crate::model::Event;

/// An event with the members and the order of Quix Streams' `EventDataRaw`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EventJson<'a, T> {
    pub(crate) timestamp: i64,
    pub(crate) tags: &'a T,
    pub(crate) id: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
}

pub(crate) fn append_events(out: &mut Vec<u8>, events: &[Event<'_>]) {
    append(out, &EventList(events));
}

struct EventList<'a>(&'a [Event<'a>]);

impl Serialize for EventList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|event| EventJson {
            timestamp: event.timestamp,
            tags: &event.tags,
            id: event.id.as_deref(),
            value: event.value.as_deref(),
        }))
    }
}

//! `EventDataReceived`: the argument of the hub callback of that name.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::model::Event;

/// One event as subscribers get it: `{"topicId","topicName","streamId","timestamp","tags","id","value"}`.
///
/// What an event does not have, its id or its value, is null.
#[derive(Debug, Clone, Copy)]
pub struct EventDataReceived<'a> {
    /// `<workspace>-<topic name>`.
    pub topic_id: &'a str,
    /// Short name of the topic.
    pub topic_name: &'a str,
    /// Stream the event belongs to; may be empty.
    pub stream_id: &'a str,
    /// As it was read.
    pub event: &'a Event<'a>,
}

impl Serialize for EventDataReceived<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("EventDataReceived", 7)?;
        object.serialize_field("topicId", self.topic_id)?;
        object.serialize_field("topicName", self.topic_name)?;
        object.serialize_field("streamId", self.stream_id)?;
        object.serialize_field("timestamp", &self.event.timestamp)?;
        object.serialize_field("tags", &self.event.tags)?;
        object.serialize_field("id", &self.event.id)?;
        object.serialize_field("value", &self.event.value)?;
        object.end()
    }
}

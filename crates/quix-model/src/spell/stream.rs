//! `StreamProperties` and `StreamEnd`.

use super::Spelling;
use super::object::Object;
use crate::model::{StreamEnd, StreamProperties};

/// Metadata and parents are always written, so an untouched stream is `{"Metadata":{},"Parents":[]}`.
pub(crate) fn append_properties(out: &mut Vec<u8>, properties: &StreamProperties, spelling: Spelling) {
    let mut object = Object::begin(out, spelling);
    object.text("Name", properties.name.as_deref());
    object.text("Location", properties.location.as_deref());
    object.member("Metadata", &properties.metadata);
    object.member("Parents", &properties.parents);
    object.text("TimeOfRecording", properties.time_of_recording.as_deref());
    object.end();
}

/// `{}` on Kafka for `Closed`, as .NET leaves defaults out.
pub(crate) fn append_end(out: &mut Vec<u8>, end: StreamEnd, spelling: Spelling) {
    let mut object = Object::begin(out, spelling);
    if spelling == Spelling::Package || end != StreamEnd::Closed {
        object.choice("StreamEndType", end.name(), end as u8);
    }
    object.end();
}

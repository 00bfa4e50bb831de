//! `NewRecord`: what is to be appended to a topic for one call.

use super::check::WriteError;
use super::envelope::append_envelope;
use super::events::{append_event, append_events};
use super::settings::{Splitting, WriteForm, WriteSettings};
use crate::codec::Codec;
use crate::headers::{CODEC_ID, MODEL_KEY};
use crate::model::{
    EventData, EventDefinition, Located, Model, ParameterDefinition, StreamEnd, StreamProperties, Timeseries,
    tree_of_list,
};
use crate::spell::{self, Spelling};
use crate::split::{PREFIX_BYTES, prefix};

/// The models of calls.
#[derive(Debug, Clone, Copy)]
pub enum Outgoing<'a> {
    /// `SendEventData`; none at all are a record too.
    Events(&'a [EventData]),
    /// `SendParameterData`.
    ParameterData(&'a Timeseries<'a>),
    /// `CreateStream`, `UpdateStream`.
    StreamProperties(&'a StreamProperties),
    /// All of the stream's.
    ParameterDefinitions(&'a [Located<ParameterDefinition>]),
    /// All of the stream's.
    EventDefinitions(&'a [Located<EventDefinition>]),
    /// `CloseStream`.
    StreamEnd(StreamEnd),
    /// One JSON value as it is, in no Quix form whatever the topic's, and never split: for back ends that know no Quix.
    Json(&'a str),
}

/// Headers and value of a record; its key is the stream id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Names and values, all text.
    pub headers: Vec<(&'static str, &'static str)>,
    /// Never empty.
    pub value: Vec<u8>,
}

/// Records of one call, in a buffer that can be used again: then no call allocates once it has grown.
#[derive(Debug, Default)]
pub struct RecordBuffer {
    /// Of each record.
    headers: Option<[(&'static str, &'static str); 2]>,
    values: Vec<u8>,
    /// Where each value ends.
    ends: Vec<usize>,
}

impl RecordBuffer {
    /// Names and values of each record's headers, all text.
    pub fn headers(&self) -> &[(&'static str, &'static str)] {
        self.headers.as_ref().map_or(&[], |headers| headers)
    }

    /// The value of each record; never an empty one.
    pub fn values(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        self.ends.iter().zip(starts).map(|(end, start)| &self.values[start..*end])
    }

    /// Gives back what it holds beyond so many bytes.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.clear();
        self.values.shrink_to(bytes);
        self.ends.shrink_to(bytes / size_of::<usize>());
    }

    fn clear(&mut self) {
        self.headers = None;
        self.values.clear();
        self.ends.clear();
    }

    fn push(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(&mut self.values);
        self.ends.push(self.values.len());
    }
}

impl WriteSettings {
    /// The records of one call, to be appended in this order to one partition with nothing of the same stream between.
    /// Usually one; several when events are written as plain JSON or a value is split; none for what plain JSON leaves out.
    ///
    /// `split_id` tells split values apart for readers: count up from a random number, one for each call.
    pub fn records(
        &self,
        outgoing: Outgoing<'_>,
        stream_id: &str,
        split_id: u32,
    ) -> Result<Vec<NewRecord>, WriteError> {
        let mut buffer = RecordBuffer::default();
        self.records_into(&mut buffer, outgoing, stream_id, split_id)?;
        let record = |value: &[u8]| NewRecord { headers: buffer.headers().to_vec(), value: value.to_vec() };
        Ok(buffer.values().map(record).collect())
    }

    /// As [`records`](Self::records), in place of what the buffer holds. After an error it holds nothing of use.
    pub fn records_into(
        &self,
        buffer: &mut RecordBuffer,
        outgoing: Outgoing<'_>,
        stream_id: &str,
        split_id: u32,
    ) -> Result<(), WriteError> {
        buffer.clear();
        self.check(&outgoing)?;
        match (self.form, outgoing.model()) {
            (_, None) => buffer.push(|out| outgoing.append(out)),
            (WriteForm::Legacy, Some(model)) => {
                buffer.push(|out| append_envelope(out, model, |out| outgoing.append(out)));
                if buffer.values.len() > self.max_value_bytes {
                    return self.split(buffer, stream_id, split_id);
                }
            }
            (WriteForm::Headers, Some(model)) => {
                buffer.headers = Some([(MODEL_KEY, model.header_key()), (CODEC_ID, Codec::Json.id())]);
                buffer.push(|out| outgoing.append(out));
            }
            (WriteForm::Json, Some(_)) => match outgoing {
                Outgoing::Events(events) => {
                    events.iter().for_each(|event| buffer.push(|out| append_event(out, event)));
                }
                Outgoing::ParameterData(_) => buffer.push(|out| outgoing.append(out)),
                _ => {}
            },
        }
        match buffer.values().map(<[u8]>::len).find(|size| *size > self.max_value_bytes) {
            Some(size) => Err(WriteError::TooLarge { size, limit: self.max_value_bytes }),
            None => Ok(()),
        }
    }

    /// Makes several records of one that is too large, if it may be split.
    fn split(&self, buffer: &mut RecordBuffer, stream_id: &str, split_id: u32) -> Result<(), WriteError> {
        let value = std::mem::take(&mut buffer.values);
        buffer.clear();
        let too_large = WriteError::TooLarge { size: value.len(), limit: self.max_value_bytes };
        let piece_bytes = self.max_value_bytes.saturating_sub(PREFIX_BYTES + stream_id.len());
        if self.splitting == Splitting::Refuse || piece_bytes == 0 {
            return Err(too_large);
        }
        let pieces = value.chunks(piece_bytes);
        let last = match u8::try_from(pieces.len()) {
            Ok(count) => count - 1,
            Err(_) => return Err(too_large),
        };
        for (index, piece) in (0..=last).zip(pieces) {
            buffer.push(|out| {
                out.extend_from_slice(&prefix(split_id, index, last));
                out.extend_from_slice(piece);
            });
        }
        Ok(())
    }
}

impl Outgoing<'_> {
    /// `None`: it is none of Quix's.
    fn model(&self) -> Option<Model> {
        Some(match self {
            Self::Events(_) => Model::Events,
            Self::ParameterData(_) => Model::Timeseries,
            Self::StreamProperties(_) => Model::StreamProperties,
            Self::ParameterDefinitions(_) => Model::ParameterDefinitions,
            Self::EventDefinitions(_) => Model::EventDefinitions,
            Self::StreamEnd(_) => Model::StreamEnd,
            Self::Json(_) => return None,
        })
    }

    fn append(&self, out: &mut Vec<u8>) {
        match self {
            Self::Events(events) => append_events(out, events),
            Self::ParameterData(timeseries) => spell::append_timeseries_folded(out, timeseries),
            Self::StreamProperties(properties) => spell::append_properties(out, properties, Spelling::Kafka),
            Self::ParameterDefinitions(list) => append_tree(out, list),
            Self::EventDefinitions(list) => append_tree(out, list),
            Self::StreamEnd(end) => spell::append_end(out, *end, Spelling::Kafka),
            Self::Json(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
}

/// Of definitions that were checked.
fn append_tree<D: spell::Spelt>(out: &mut Vec<u8>, list: &[Located<D>]) {
    let tree = tree_of_list(list).unwrap_or_default();
    spell::append_definitions(out, &tree, Spelling::Kafka);
}

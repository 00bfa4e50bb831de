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
}

/// Headers and value of a record; its key is the stream id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Names and values, all text.
    pub headers: Vec<(&'static str, &'static str)>,
    /// Never empty.
    pub value: Vec<u8>,
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
        self.check(&outgoing)?;
        let (model, body) = (outgoing.model(), |out: &mut Vec<u8>| outgoing.append(out));
        let mut records = Vec::new();
        match (self.form, outgoing) {
            (WriteForm::Legacy, _) => {
                let mut value = Vec::new();
                append_envelope(&mut value, model, body);
                return self.sized(value, stream_id, split_id);
            }
            (WriteForm::Headers, _) => {
                let headers = vec![(MODEL_KEY, model.header_key()), (CODEC_ID, Codec::Json.id())];
                records.push(NewRecord { headers, value: written(body) });
            }
            (WriteForm::Json, Outgoing::Events(events)) => {
                let event = |event| NewRecord { headers: Vec::new(), value: written(|out| append_event(out, event)) };
                records.extend(events.iter().map(event));
            }
            (WriteForm::Json, Outgoing::ParameterData(_)) => {
                records.push(NewRecord { headers: Vec::new(), value: written(body) });
            }
            (WriteForm::Json, _) => {}
        }
        match records.iter().map(|record| record.value.len()).find(|size| *size > self.max_value_bytes) {
            Some(size) => Err(WriteError::TooLarge { size, limit: self.max_value_bytes }),
            None => Ok(records),
        }
    }

    /// One record, or several if it is too large and may be split.
    fn sized(&self, value: Vec<u8>, stream_id: &str, split_id: u32) -> Result<Vec<NewRecord>, WriteError> {
        let whole = |value| NewRecord { headers: Vec::new(), value };
        if value.len() <= self.max_value_bytes {
            return Ok(vec![whole(value)]);
        }
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
        let segment = |(index, piece): (u8, &[u8])| whole([&prefix(split_id, index, last)[..], piece].concat());
        Ok((0..=last).zip(pieces).map(segment).collect())
    }
}

impl Outgoing<'_> {
    fn model(&self) -> Model {
        match self {
            Self::Events(_) => Model::Events,
            Self::ParameterData(_) => Model::Timeseries,
            Self::StreamProperties(_) => Model::StreamProperties,
            Self::ParameterDefinitions(_) => Model::ParameterDefinitions,
            Self::EventDefinitions(_) => Model::EventDefinitions,
            Self::StreamEnd(_) => Model::StreamEnd,
        }
    }

    fn append(&self, out: &mut Vec<u8>) {
        match self {
            Self::Events(events) => append_events(out, events),
            Self::ParameterData(timeseries) => spell::append_timeseries_folded(out, timeseries),
            Self::StreamProperties(properties) => spell::append_properties(out, properties, Spelling::Kafka),
            Self::ParameterDefinitions(list) => append_tree(out, list),
            Self::EventDefinitions(list) => append_tree(out, list),
            Self::StreamEnd(end) => spell::append_end(out, *end, Spelling::Kafka),
        }
    }
}

/// Of definitions that were checked.
fn append_tree<D: spell::Spelt>(out: &mut Vec<u8>, list: &[Located<D>]) {
    let tree = tree_of_list(list).unwrap_or_default();
    spell::append_definitions(out, &tree, Spelling::Kafka);
}

fn written(append: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut value = Vec::new();
    append(&mut value);
    value
}

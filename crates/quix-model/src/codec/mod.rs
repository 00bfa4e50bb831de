//! Codecs: between the bytes of an encoded model and the model. One file per codec and model.

mod budget;
mod canonical;
mod compact;
mod events;
mod flaw;
mod gzip;
mod protobuf;
mod timeseries;

use std::borrow::Cow;

use crate::data::{Data, Decoded};
use crate::json::Node;
use crate::model::{Model, StreamEnd, StreamProperties, Timeseries, tree_of_record};
use crate::problem::ReadProblem;
use crate::spell;

pub(crate) use budget::Budget;
pub(crate) use flaw::Flaw;
pub(crate) use gzip::inflate;
pub(crate) use timeseries::read_strictly as timeseries_of_caller;

/// How a model is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// `JT`, also read by its older name `J`: the model as JSON.
    Json,
    /// `JT-PaDa-1`, for timeseries: JSON with differences, which lose digits. Read from .NET clients; not for writing,
    /// since Python clients cannot read it.
    Compact,
    /// `PB-Pd`, for timeseries: protobuf. Read from .NET clients; not for writing, since Python clients cannot read it.
    Protobuf,
}

impl Codec {
    /// By its id in an envelope or header; ids are case-sensitive.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        match id {
            "JT" | "J" => Some(Self::Json),
            "JT-PaDa-1" => Some(Self::Compact),
            "PB-Pd" => Some(Self::Protobuf),
            _ => None,
        }
    }

    /// Its id in envelopes and headers.
    pub fn id(self) -> &'static str {
        match self {
            Self::Json => "JT",
            Self::Compact => "JT-PaDa-1",
            Self::Protobuf => "PB-Pd",
        }
    }

    /// Appends parameter data so encoded: the body of an envelope. For tools and tests; the server's own records are
    /// written by [`WriteSettings`](crate::WriteSettings).
    pub fn encode_timeseries(self, out: &mut Vec<u8>, timeseries: &Timeseries<'_>) {
        match self {
            Self::Json => spell::append_timeseries(out, timeseries),
            Self::Compact => compact::write(out, timeseries),
            Self::Protobuf => protobuf::write(out, timeseries),
        }
    }

    /// Whether models come in it at all.
    pub(crate) fn carries(self, model: Model) -> bool {
        self == Self::Json || model == Model::Timeseries
    }

    /// Whether its bytes are JSON.
    pub(crate) fn is_text(self) -> bool {
        self != Self::Protobuf
    }
}

/// A body, taken out of whatever was around it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Opened<'a> {
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// The model; `max_bytes` is what it may stand for beyond the bytes that are there.
pub(crate) fn decode(
    codec: Codec,
    model: Model,
    body: Opened<'_>,
    max_bytes: usize,
) -> Result<Decoded<'_>, ReadProblem> {
    let mut budget = Budget::new(max_bytes);
    let whole = |data| Ok(Decoded { data, problem: None });
    let text = match (codec, body) {
        (Codec::Protobuf, Opened::Bytes(bytes)) => return protobuf::read(bytes, &mut budget).map(timeseries_data),
        (Codec::Compact, Opened::Text(text)) => return compact::read(text, &mut budget).map(timeseries_data),
        (Codec::Json, Opened::Text(text)) => text,
        (Codec::Protobuf, Opened::Text(_)) | (Codec::Json | Codec::Compact, Opened::Bytes(_)) => {
            return Err(ReadProblem::BadModel);
        }
    };
    let node = || Node::parse(text).ok();
    const BAD: ReadProblem = ReadProblem::BadModel;
    match model {
        Model::Timeseries => timeseries::read(text, &mut budget).map(timeseries_data),
        Model::Events => whole(Data::Events(events::read(text)?)),
        Model::StreamProperties => {
            whole(Data::StreamProperties(node().as_ref().and_then(StreamProperties::of_record).ok_or(BAD)?))
        }
        Model::ParameterDefinitions => {
            whole(Data::ParameterDefinitions(node().as_ref().and_then(tree_of_record).ok_or(BAD)?))
        }
        Model::EventDefinitions => whole(Data::EventDefinitions(node().as_ref().and_then(tree_of_record).ok_or(BAD)?)),
        Model::StreamEnd => whole(Data::StreamEnd(node().as_ref().and_then(StreamEnd::of_record).ok_or(BAD)?)),
    }
}

fn timeseries_data<'a>((timeseries, problem): (Timeseries<'a>, Option<ReadProblem>)) -> Decoded<'a> {
    Decoded { data: Data::Timeseries(timeseries), problem }
}

/// The package's JSON if the body is that already, or lacks nothing but an epoch of 0.
pub(crate) fn canonical(codec: Codec, model: Model, body: Opened<'_>) -> Option<Cow<'_, str>> {
    match (codec, model, body) {
        (Codec::Json, Model::Events, Opened::Text(text)) => {
            canonical::are_canonical_events(text).then_some(Cow::Borrowed(text))
        }
        (Codec::Json, Model::Timeseries, Opened::Text(text)) => {
            let has_epoch = canonical::canonical_timeseries(text)?;
            Some(if has_epoch { Cow::Borrowed(text) } else { Cow::Owned(format!("{{\"Epoch\":0,{}", &text[1..])) })
        }
        _ => None,
    }
}

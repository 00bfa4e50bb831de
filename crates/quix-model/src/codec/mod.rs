//! Codecs: from the text of an encoded model to the JSON of a package. One file per codec and model.
//!
//! JSON is read here. The compact and protobuf codecs of timeseries, and what JSON timeseries need beyond being passed
//! on, take their places beside [`events`].

mod canonical;
mod events;

use std::borrow::Cow;

use crate::json;
use crate::model::Model;
use crate::problem::ReadProblem;

/// A codec that this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// `JT` and its older name `J`: the model as JSON.
    Json,
}

impl Codec {
    /// By its id in an envelope or header; ids are case-sensitive.
    pub(crate) fn of_id(id: &str) -> Option<Self> {
        matches!(id, "JT" | "J").then_some(Self::Json)
    }

    /// JSON of the model as packages show it.
    pub(crate) fn decode(self, model: Model, text: Cow<'_, str>) -> Result<Cow<'_, str>, ReadProblem> {
        match (self, model) {
            (Self::Json, Model::Events) => events::package_json(text),
            (Self::Json, _) => object_as_it_stands(text),
        }
    }
}

/// Every model but events is an object.
fn object_as_it_stands(text: Cow<'_, str>) -> Result<Cow<'_, str>, ReadProblem> {
    if text.trim_ascii_start().starts_with('{') && json::is_json(&text) { Ok(text) } else { Err(ReadProblem::BadModel) }
}

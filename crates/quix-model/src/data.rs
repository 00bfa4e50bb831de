//! `Data`: what a package holds, decoded.

use crate::json;
use crate::model::{
    Definitions, Event, EventDefinition, Model, ParameterDefinition, StreamEnd, StreamProperties, Timeseries,
};
use crate::problem::ReadProblem;
use crate::spell::{self, Spelling};

/// A model and what had to be mended in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<'a> {
    /// The model.
    pub data: Data<'a>,
    /// To be counted; the model is good all the same.
    pub problem: Option<ReadProblem>,
}

/// A model of a package.
#[derive(Debug, Clone, PartialEq)]
pub enum Data<'a> {
    /// In the order of the package; a single event is a list of one.
    Events(Vec<Event<'a>>),
    /// Parameter data.
    Timeseries(Timeseries<'a>),
    /// Replaces what was known before.
    StreamProperties(StreamProperties),
    /// Replaces what was known before.
    ParameterDefinitions(Definitions<ParameterDefinition>),
    /// Replaces what was known before.
    EventDefinitions(Definitions<EventDefinition>),
    /// The stream is closed.
    StreamEnd(StreamEnd),
}

impl Data<'_> {
    /// Its kind.
    pub fn model(&self) -> Model {
        match self {
            Self::Events(_) => Model::Events,
            Self::Timeseries(_) => Model::Timeseries,
            Self::StreamProperties(_) => Model::StreamProperties,
            Self::ParameterDefinitions(_) => Model::ParameterDefinitions,
            Self::EventDefinitions(_) => Model::EventDefinitions,
            Self::StreamEnd(_) => Model::StreamEnd,
        }
    }

    /// JSON as packages show it: members in PascalCase, all of them written, nulls and defaults too, enums as numbers.
    /// Source: Quix Streams' `StreamPackage.ToJson`.
    pub fn to_package_json(&self) -> String {
        let mut out = Vec::new();
        match self {
            Self::Events(events) => spell::append_events(&mut out, events),
            Self::Timeseries(timeseries) => spell::append_timeseries_with_epoch(&mut out, timeseries),
            Self::StreamProperties(properties) => spell::append_properties(&mut out, properties, Spelling::Package),
            Self::ParameterDefinitions(tree) => spell::append_definitions(&mut out, tree, Spelling::Package),
            Self::EventDefinitions(tree) => spell::append_definitions(&mut out, tree, Spelling::Package),
            Self::StreamEnd(end) => spell::append_end(&mut out, *end, Spelling::Package),
        }
        json::into_text(out)
    }
}

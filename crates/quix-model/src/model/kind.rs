//! `Model`: the kinds of models, their keys on Kafka and the type names that packages show for them.

/// A model that this crate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Model {
    /// Events, one or many.
    Events,
    /// Parameter data.
    Timeseries,
    /// What is known of a stream as a whole.
    StreamProperties,
    /// What is known of its parameters.
    ParameterDefinitions,
    /// What is known of its events.
    EventDefinitions,
    /// The stream is closed.
    StreamEnd,
}

impl Model {
    /// By its key in an envelope or header; keys are case-sensitive.
    pub(crate) fn of_key(key: &str) -> Option<Self> {
        Some(match key {
            "EventData[]" | "EventData" => Self::Events,
            "ParameterData" | "TimeseriesData" => Self::Timeseries,
            "StreamProperties" => Self::StreamProperties,
            "ParameterDefinitions" => Self::ParameterDefinitions,
            "EventDefinitions" => Self::EventDefinitions,
            "StreamEnd" => Self::StreamEnd,
            _ => return None,
        })
    }

    /// Its key in the envelopes that we write.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Events => "EventData[]",
            Self::Timeseries => "ParameterData",
            Self::StreamProperties => "StreamProperties",
            Self::ParameterDefinitions => "ParameterDefinitions",
            Self::EventDefinitions => "EventDefinitions",
            Self::StreamEnd => "StreamEnd",
        }
    }

    /// Its key in the headers that we write: those who read headers have a new name for timeseries.
    pub(crate) fn header_key(self) -> &'static str {
        match self {
            Self::Timeseries => "TimeseriesData",
            other => other.key(),
        }
    }

    /// `type` of a package. Events are always shown as an array, so a single one has the array's type too.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Events => "QuixStreams.Telemetry.Models.EventDataRaw[]",
            Self::Timeseries => "QuixStreams.Telemetry.Models.TimeseriesDataRaw",
            Self::StreamProperties => "QuixStreams.Telemetry.Models.StreamProperties",
            Self::ParameterDefinitions => "QuixStreams.Telemetry.Models.ParameterDefinitions",
            Self::EventDefinitions => "QuixStreams.Telemetry.Models.EventDefinitions",
            Self::StreamEnd => "QuixStreams.Telemetry.Models.StreamEnd",
        }
    }
}

//! Model keys on Kafka and the type names that packages show for them.

/// A model that this crate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    Events,
    Timeseries,
    StreamProperties,
    ParameterDefinitions,
    EventDefinitions,
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

    /// `type` of a package. Events are always shown as an array, so a single one has the array's type too.
    pub(crate) fn type_name(self) -> &'static str {
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

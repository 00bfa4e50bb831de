//! `ParameterDataReceived`: the argument of the hub callback of that name.

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::number::Number;
use crate::model::{Column, Timeseries};

/// What a subscriber gets of a package of parameter data: the parameters that `wanted` takes, all tags, all timestamps.
///
/// Serialises as `{"topicId","topicName","streamId","epoch","timestamps","numericValues","stringValues","tagValues",
/// "binaryValues"}`. The epoch is 0, the package's own being added to the timestamps; all maps are there, empty or not;
/// integral numbers have no fraction. Nothing is copied to filter.
#[derive(Debug, Clone, Copy)]
pub struct ParameterDataReceived<'a, F> {
    /// `<workspace>-<topic name>`.
    pub topic_id: &'a str,
    /// Short name of the topic.
    pub topic_name: &'a str,
    /// Stream the data belongs to; may be empty.
    pub stream_id: &'a str,
    /// As it was read.
    pub timeseries: &'a Timeseries<'a>,
    /// Whether the subscriber wants a parameter, by its id.
    pub wanted: F,
}

impl<F: Fn(&str) -> bool> ParameterDataReceived<'_, F> {
    /// Whether there is anything for the subscriber: a package without a wanted parameter gives no callback.
    pub fn has_any(&self) -> bool {
        self.timeseries.parameter_ids().any(&self.wanted)
    }
}

impl<F: Fn(&str) -> bool> Serialize for ParameterDataReceived<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Timeseries { numeric, strings, binary, tags, .. } = self.timeseries;
        let mut object = serializer.serialize_struct("ParameterDataReceived", 9)?;
        object.serialize_field("topicId", self.topic_id)?;
        object.serialize_field("topicName", self.topic_name)?;
        object.serialize_field("streamId", self.stream_id)?;
        object.serialize_field("epoch", &0)?;
        object.serialize_field("timestamps", &Timestamps(self.timeseries))?;
        object.serialize_field(
            "numericValues",
            &Map { columns: numeric, wanted: &self.wanted, cell: |number| Number(*number) },
        )?;
        object
            .serialize_field("stringValues", &Map { columns: strings, wanted: &self.wanted, cell: |text| &**text })?;
        object.serialize_field("tagValues", &Map { columns: tags, wanted: &|_: &str| true, cell: |text| &**text })?;
        object.serialize_field("binaryValues", &Map { columns: binary, wanted: &self.wanted, cell: |blob| blob })?;
        object.end()
    }
}

struct Timestamps<'a>(&'a Timeseries<'a>);

impl Serialize for Timestamps<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.absolute_timestamps())
    }
}

/// The wanted ones of some columns.
struct Map<'a, T, U, F> {
    columns: &'a [Column<'a, T>],
    wanted: &'a F,
    cell: fn(&'a T) -> U,
}

impl<T, U: Serialize, F: Fn(&str) -> bool> Serialize for Map<'_, T, U, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wanted = self.columns.iter().filter(|column| (self.wanted)(&column.id));
        serializer.collect_map(wanted.map(|column| (&column.id, Cells(&column.values, self.cell))))
    }
}

struct Cells<'a, T, U>(&'a [Option<T>], fn(&'a T) -> U);

impl<T, U: Serialize> Serialize for Cells<'_, T, U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|value| value.as_ref().map(self.1)))
    }
}

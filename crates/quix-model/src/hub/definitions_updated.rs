//! `DefinitionsUpdated`: the argument of the hub callbacks `ParameterDefinitionsUpdated` and `EventDefinitionsUpdated`.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::number::Number;
use crate::model::{Definitions, EventDefinition, Located, ParameterDefinition};

/// All definitions of a stream as subscribers get them: `{"topicName","topicId","streamId","definitions":[…]}`.
///
/// The definitions are a list, each with the `Location` of its groups, in the order of [`Definitions::located`]. Their
/// members are in PascalCase and always there: `Id, Name, Description, MinimumValue, MaximumValue, Unit, CustomProperties,
/// Format, Location` of a parameter, `Id, Name, Description, CustomProperties, Level, Location` of an event, its level by
/// name. Source: Quix Streaming Reader API, `SubscribeToParameterDefinitions`; `Format`, and all of events, by analogy.
#[derive(Debug, Clone, Copy)]
pub struct DefinitionsUpdated<'a, D> {
    /// `<workspace>-<topic name>`.
    pub topic_id: &'a str,
    /// Short name of the topic.
    pub topic_name: &'a str,
    /// Stream that they are of; may be empty.
    pub stream_id: &'a str,
    /// They replace those before.
    pub definitions: &'a Definitions<D>,
}

impl Serialize for DefinitionsUpdated<'_, ParameterDefinition> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize_with(serializer, |Located { location, definition }| ParameterItem {
            id: definition.id.as_deref(),
            name: definition.name.as_deref(),
            description: definition.description.as_deref(),
            minimum_value: definition.minimum_value.map(Number),
            maximum_value: definition.maximum_value.map(Number),
            unit: definition.unit.as_deref(),
            custom_properties: definition.custom_properties.as_deref(),
            format: definition.format.as_deref(),
            location,
        })
    }
}

impl Serialize for DefinitionsUpdated<'_, EventDefinition> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize_with(serializer, |Located { location, definition }| EventItem {
            id: definition.id.as_deref(),
            name: definition.name.as_deref(),
            description: definition.description.as_deref(),
            custom_properties: definition.custom_properties.as_deref(),
            level: definition.level.name(),
            location,
        })
    }
}

impl<'a, D> DefinitionsUpdated<'a, D> {
    fn serialize_with<S: Serializer, T: Serialize>(
        &self,
        serializer: S,
        item: impl FnMut(Located<&'a D>) -> T,
    ) -> Result<S::Ok, S::Error> {
        let items: Vec<T> = self.definitions.located().into_iter().map(item).collect();
        let mut object = serializer.serialize_struct("DefinitionsUpdated", 4)?;
        object.serialize_field("topicName", self.topic_name)?;
        object.serialize_field("topicId", self.topic_id)?;
        object.serialize_field("streamId", self.stream_id)?;
        object.serialize_field("definitions", &items)?;
        object.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ParameterItem<'a> {
    id: Option<&'a str>,
    name: Option<&'a str>,
    description: Option<&'a str>,
    minimum_value: Option<Number>,
    maximum_value: Option<Number>,
    unit: Option<&'a str>,
    custom_properties: Option<&'a str>,
    format: Option<&'a str>,
    location: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EventItem<'a> {
    id: Option<&'a str>,
    name: Option<&'a str>,
    description: Option<&'a str>,
    custom_properties: Option<&'a str>,
    level: &'static str,
    location: String,
}

//! `ParameterDefinition` and `EventDefinition`: what is known of one parameter, of one event.

use super::properties::{lenient_text, text};
use crate::codec::Flaw;
use crate::json::Node;

/// What is known of a parameter. Source: Quix Streaming Writer API, Quix Streams' `ParameterDefinition`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParameterDefinition {
    /// As in the data. `None` only from writers that left it out.
    pub id: Option<String>,
    /// Shown to people.
    pub name: Option<String>,
    /// Shown to people.
    pub description: Option<String>,
    /// Of the values, by the writer's word.
    pub minimum_value: Option<f64>,
    /// Of the values, by the writer's word.
    pub maximum_value: Option<f64>,
    /// Of the values, such as `km/h`.
    pub unit: Option<String>,
    /// How to print a value.
    pub format: Option<String>,
    /// Whatever the writer wants to add, often JSON.
    pub custom_properties: Option<String>,
}

/// What is known of an event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventDefinition {
    /// As in the data. `None` only from writers that left it out.
    pub id: Option<String>,
    /// Shown to people.
    pub name: Option<String>,
    /// Shown to people.
    pub description: Option<String>,
    /// Whatever the writer wants to add, often JSON.
    pub custom_properties: Option<String>,
    /// How serious it is.
    pub level: EventLevel,
}

/// Seriousness of an event, numbered from 0. Source: Quix Streams' `EventLevel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum EventLevel {
    /// 0.
    Trace,
    /// 1.
    Debug,
    /// 2, and whatever is not said or not known.
    #[default]
    Information,
    /// 3.
    Warning,
    /// 4.
    Error,
    /// 5.
    Critical,
}

impl EventLevel {
    const NAMES: [(&str, Self); 6] = [
        ("Trace", Self::Trace),
        ("Debug", Self::Debug),
        ("Information", Self::Information),
        ("Warning", Self::Warning),
        ("Error", Self::Error),
        ("Critical", Self::Critical),
    ];

    /// As Kafka and the hubs have it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }

    /// By name in any case or by number; `None` for what is neither.
    fn read(node: &Node<'_>) -> Option<Self> {
        let written: &str = match node {
            Node::Text(text) => text,
            Node::Number(number) => number,
            _ => return None,
        };
        let named = Self::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(written));
        let numbered = || Self::NAMES.get(written.parse::<usize>().ok()?);
        named.or_else(numbered).map(|(_, level)| *level)
    }
}

/// A parameter's or an event's definition: how it is named on Kafka and taken apart.
pub(crate) trait Definition: Clone {
    /// Name of the member that holds the groups at the top.
    const GROUPS: &'static str;
    /// Name of the members that hold definitions.
    const ITEMS: &'static str;
    /// As in the data.
    fn id(&self) -> Option<&str>;
    /// What is not as it should be is left out.
    fn of_record(node: &Node<'_>) -> Self;
    /// Errors name the member at fault.
    fn of_caller(node: &Node<'_>) -> Result<Self, Flaw>;
}

impl Definition for ParameterDefinition {
    const GROUPS: &'static str = "ParameterGroups";
    const ITEMS: &'static str = "Parameters";

    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn of_record(node: &Node<'_>) -> Self {
        let text = |name| lenient_text(node.member(name));
        Self {
            id: text("Id"),
            name: text("Name"),
            description: text("Description"),
            minimum_value: text("MinimumValue").and_then(|number| number.parse().ok()),
            maximum_value: text("MaximumValue").and_then(|number| number.parse().ok()),
            unit: text("Unit"),
            format: text("Format"),
            custom_properties: text("CustomProperties"),
        }
    }

    fn of_caller(node: &Node<'_>) -> Result<Self, Flaw> {
        let number = |name: &str| match node.member(name) {
            Node::Null => Ok(None),
            Node::Number(number) => Ok(number.parse().ok().filter(|number: &f64| number.is_finite())),
            other => Err(Flaw::kind(format!("`{name}`"), "a number or null", other.kind())),
        };
        Ok(Self {
            id: text("id", node.member("id"))?,
            name: text("name", node.member("name"))?,
            description: text("description", node.member("description"))?,
            minimum_value: number("minimumValue")?,
            maximum_value: number("maximumValue")?,
            unit: text("unit", node.member("unit"))?,
            format: text("format", node.member("format"))?,
            custom_properties: text("customProperties", node.member("customProperties"))?,
        })
    }
}

impl Definition for EventDefinition {
    const GROUPS: &'static str = "EventGroups";
    const ITEMS: &'static str = "Events";

    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn of_record(node: &Node<'_>) -> Self {
        let text = |name| lenient_text(node.member(name));
        Self {
            id: text("Id"),
            name: text("Name"),
            description: text("Description"),
            custom_properties: text("CustomProperties"),
            level: EventLevel::read(node.member("Level")).unwrap_or_default(),
        }
    }

    fn of_caller(node: &Node<'_>) -> Result<Self, Flaw> {
        const LEVELS: &str = "one of Trace, Debug, Information, Warning, Error, Critical";
        let level = match node.member("level") {
            Node::Null => EventLevel::default(),
            given => EventLevel::read(given).ok_or_else(|| {
                Flaw::kind("`level`", LEVELS, lenient_text(given).unwrap_or_else(|| given.kind().to_owned()))
            })?,
        };
        Ok(Self {
            id: text("id", node.member("id"))?,
            name: text("name", node.member("name"))?,
            description: text("description", node.member("description"))?,
            custom_properties: text("customProperties", node.member("customProperties"))?,
            level,
        })
    }
}

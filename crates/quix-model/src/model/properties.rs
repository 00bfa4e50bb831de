//! `StreamProperties` and `StreamEnd`: a stream as a whole.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::tags::Tags;
use super::time;
use crate::codec::Flaw;
use crate::json::{Node, Spelled};

/// What is known of a stream; each new set replaces the one before whole.
///
/// Deserialises from clients' JSON or MessagePack: members in any case, unknown ones ignored, missing and null ones
/// empty; numbers and booleans in `metadata` become texts. Errors name the member at fault.
/// Source: Quix Streaming Writer API, `CreateStream`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamProperties {
    /// Shown to people.
    pub name: Option<String>,
    /// A path such as `/cars/ai/carA`, as it was given.
    pub location: Option<String>,
    /// Texts by name; nulls stay.
    pub metadata: Tags,
    /// Ids of the streams from which this one was made.
    pub parents: Vec<String>,
    /// ISO 8601 in UTC with `Z`, at most seven digits of a second.
    pub time_of_recording: Option<String>,
}

impl<'de> Deserialize<'de> for StreamProperties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Spelled::deserialize(deserializer)?;
        let node = Node::parse(json.as_str()).map_err(|_| D::Error::custom(Flaw::Syntax))?;
        Self::of_caller(&node).map_err(D::Error::custom)
    }
}

impl StreamProperties {
    fn of_caller(node: &Node<'_>) -> Result<Self, Flaw> {
        if !matches!(node, Node::Object(_)) {
            return Err(Flaw::kind("the stream's properties", "an object", node.kind()));
        }
        let time = match text("timeOfRecording", node.member("timeOfRecording"))? {
            None => None,
            Some(text) => {
                Some(time::utc(&text).ok_or_else(|| Flaw::kind("`timeOfRecording`", "a time in ISO 8601", text))?)
            }
        };
        Ok(Self {
            name: text("name", node.member("name"))?,
            location: text("location", node.member("location"))?,
            metadata: metadata(node.member("metadata"))?,
            parents: parents(node.member("parents"))?,
            time_of_recording: time,
        })
    }

    /// Of a record: what is not as it should be is left out.
    pub(crate) fn of_record(node: &Node<'_>) -> Option<Self> {
        matches!(node, Node::Object(_)).then(|| Self {
            name: lenient_text(node.member("Name")),
            location: lenient_text(node.member("Location")),
            metadata: metadata(node.member("Metadata")).unwrap_or_default(),
            parents: match node.member("Parents") {
                Node::List(items) => items.iter().filter_map(lenient_text).collect(),
                _ => Vec::new(),
            },
            time_of_recording: lenient_text(node.member("TimeOfRecording")).and_then(|text| time::utc(&text)),
        })
    }
}

/// Why a stream was closed. Source: Quix Streams' `StreamEndType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamEnd {
    /// All is well; 0.
    #[default]
    Closed,
    /// Its writer gave up; 1.
    Aborted,
    /// It was cut off from outside; 2.
    Terminated,
}

impl StreamEnd {
    /// Names in any case and numbers; anything unknown is `Closed`, since the stream did end.
    pub(crate) fn of_record(node: &Node<'_>) -> Option<Self> {
        let is = |name: &str, number: &str| match node.member("StreamEndType") {
            Node::Text(text) => text.eq_ignore_ascii_case(name) || **text == *number,
            Node::Number(written) => *written == number,
            _ => false,
        };
        matches!(node, Node::Object(_)).then(|| match () {
            () if is("Aborted", "1") => Self::Aborted,
            () if is("Terminated", "2") => Self::Terminated,
            () => Self::Closed,
        })
    }

    /// As Kafka has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Closed => "Closed",
            Self::Aborted => "Aborted",
            Self::Terminated => "Terminated",
        }
    }
}

/// A string or null of a caller.
pub(crate) fn text(member: &str, node: &Node<'_>) -> Result<Option<String>, Flaw> {
    match node {
        Node::Null => Ok(None),
        Node::Text(text) => Ok(Some(text.clone().into_owned())),
        other => Err(Flaw::kind(format!("`{member}`"), "a string or null", other.kind())),
    }
}

/// A text of a record; numbers and booleans as written, nothing for what is none.
pub(crate) fn lenient_text(node: &Node<'_>) -> Option<String> {
    match node {
        Node::Text(text) => Some(text.clone().into_owned()),
        Node::Number(written) => Some((*written).to_owned()),
        Node::Bool(value) => Some(value.to_string()),
        Node::Null | Node::List(_) | Node::Object(_) => None,
    }
}

fn metadata(node: &Node<'_>) -> Result<Tags, Flaw> {
    let members = match node {
        Node::Null => return Ok(Tags::default()),
        Node::Object(members) => members,
        other => return Err(Flaw::kind("`metadata`", "an object of strings", other.kind())),
    };
    members
        .iter()
        .map(|(name, value)| match value {
            Node::List(_) | Node::Object(_) => Err(Flaw::kind(format!("`metadata.{name}`"), "a string", value.kind())),
            scalar => Ok((name.clone().into_owned(), lenient_text(scalar))),
        })
        .collect()
}

fn parents(node: &Node<'_>) -> Result<Vec<String>, Flaw> {
    let items = match node {
        Node::Null => return Ok(Vec::new()),
        Node::List(items) => items,
        other => return Err(Flaw::kind("`parents`", "an array of strings", other.kind())),
    };
    let parent =
        |item: &Node<'_>| text("parents", item)?.ok_or_else(|| Flaw::kind("each of the `parents`", "a string", "null"));
    items.iter().map(parent).collect()
}

//! `Template`: what is sent, with places where a message's values go. Values go in as JSON: nothing that a message says can
//! change what is around it.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::Value;

use crate::{Json, Pointer};

/// JSON in which a text that is nothing but a place, `"{{value}}"`, is the value itself, and a place within a longer text is
/// what the value says.
///
/// | place | what |
/// |---|---|
/// | `{{message}}` | the whole message, as the hub's callback has it |
/// | `{{value}}` | an event's value; a package's value as JSON; of parameters the whole message |
/// | `{{value/a/b}}` | a member of the value, which may be a text that holds JSON |
/// | `{{/tags/lap}}` | a member of the message |
/// | `{{stream}}`, `{{topic}}`, `{{id}}`, `{{timestamp}}` | `/streamId`, `/topicName`, `/id`, `/timestamp` |
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    source: Value,
    node: Node,
}

impl Eq for Template {}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// JSON text.
    Literal(String),
    Whole(Place),
    Text(Text),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    pieces: Vec<Piece>,
    max_chars: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Place(Place),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Message(Pointer),
    Value(Pointer),
}

impl Template {
    /// One made of TOML; places in names of members are none.
    pub(super) fn new(source: Value) -> Result<Self, String> {
        let node = node(&source)?;
        Ok(Self { source, node })
    }

    /// The value as a text of at most so many characters.
    pub(super) fn value_as_text(max_chars: usize) -> Self {
        let pieces = vec![Piece::Place(Place::Value(Pointer::default()))];
        Self { source: Value::String("{{value}}".to_owned()), node: Node::Text(Text { pieces, max_chars }) }
    }

    /// The whole message.
    pub(super) fn message() -> Self {
        let whole = Node::Whole(Place::Message(Pointer::default()));
        Self { source: Value::String("{{message}}".to_owned()), node: whole }
    }

    /// An object of these members.
    pub(super) fn object(members: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        let members: Vec<_> = members.into_iter().map(|(name, template)| (name.to_owned(), template)).collect();
        let source = members.iter().map(|(name, template)| (name.clone(), template.source.clone())).collect();
        let node = members.into_iter().map(|(name, template)| (name, template.node)).collect();
        Self { source: Value::Table(source), node: Node::Object(node) }
    }

    /// A list of it alone.
    pub(super) fn listed(self) -> Self {
        Self { source: Value::Array(vec![self.source]), node: Node::Array(vec![self.node]) }
    }

    /// The JSON for a message.
    pub(super) fn json(&self, message: Json<'_>) -> String {
        let mut out = String::new();
        self.node.write(&mut out, message);
        out
    }

    /// The text for a message: what a JSON text says, anything else as JSON.
    pub(super) fn text(&self, message: Json<'_>) -> String {
        match &self.node {
            Node::Text(text) => text.of(message),
            Node::Whole(place) => place.text(message),
            other => {
                let mut out = String::new();
                other.write(&mut out, message);
                Json::parse(out.as_bytes()).map(Json::into_text).unwrap_or(out)
            }
        }
    }
}

impl Node {
    fn write(&self, out: &mut String, message: Json<'_>) {
        match self {
            Self::Literal(json) => out.push_str(json),
            Self::Whole(place) => place.with(message, |found| out.push_str(found.map_or("null", Json::text))),
            Self::Text(text) => out.push_str(&quoted(&text.of(message))),
            Self::Array(nodes) => {
                out.push('[');
                for (number, node) in nodes.iter().enumerate() {
                    if number > 0 {
                        out.push(',');
                    }
                    node.write(out, message);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (number, (name, node)) in members.iter().enumerate() {
                    if number > 0 {
                        out.push(',');
                    }
                    out.push_str(&quoted(name));
                    out.push(':');
                    node.write(out, message);
                }
                out.push('}');
            }
        }
    }
}

impl Text {
    fn of(&self, message: Json<'_>) -> String {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Place(place) => place.text(message),
        });
        let text: String = pieces.collect();
        match text.char_indices().nth(self.max_chars) {
            Some((end, _)) => text[..end].to_owned(),
            None => text,
        }
    }
}

impl Place {
    fn text(&self, message: Json<'_>) -> String {
        self.with(message, |found| found.map(Json::into_text).unwrap_or_default())
    }

    /// Lends what is there; it may be within a text of the message.
    fn with<T>(&self, message: Json<'_>, take: impl FnOnce(Option<Json<'_>>) -> T) -> T {
        match self {
            Self::Message(pointer) => take(message.at(pointer)),
            Self::Value(pointer) => {
                let is_package = member(message, "/dateTime").is_some();
                let value = member(message, "/value").unwrap_or(message);
                // A package's value is always JSON in a text; an event's is what it is, but may be looked into.
                let text = value.string().filter(|_| is_package || *pointer != Pointer::default());
                match text.as_ref().and_then(|text| Json::parse(text.as_bytes()).ok()) {
                    Some(within) => take(within.at(pointer)),
                    None => take(value.at(pointer)),
                }
            }
        }
    }
}

fn member<'a>(message: Json<'a>, pointer: &str) -> Option<Json<'a>> {
    message.at(&pointer.parse().ok()?)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn node(source: &Value) -> Result<Node, String> {
    Ok(match source {
        Value::String(text) => match &pieces(text)?[..] {
            [Piece::Place(place)] => Node::Whole(place.clone()),
            pieces => Node::Text(Text { pieces: pieces.to_vec(), max_chars: usize::MAX }),
        },
        Value::Array(values) => Node::Array(values.iter().map(node).collect::<Result<_, _>>()?),
        Value::Table(table) => {
            let members = table.iter().map(|(name, value)| Ok((name.clone(), node(value)?)));
            Node::Object(members.collect::<Result<_, String>>()?)
        }
        Value::Datetime(time) => Node::Literal(quoted(&time.to_string())),
        Value::Integer(number) => Node::Literal(number.to_string()),
        Value::Boolean(flag) => Node::Literal(flag.to_string()),
        Value::Float(number) => Node::Literal(serde_json::Value::from(*number).to_string()),
    })
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (place, behind) = after.split_once("}}").ok_or("must close each {{ with }}")?;
        if !before.is_empty() {
            pieces.push(Piece::Literal(before.to_owned()));
        }
        pieces.push(Piece::Place(place.trim().parse()?));
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Ok(pieces)
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pointer = |text: &str| text.parse::<Pointer>().map_err(|error| error.to_string());
        let member = |name: &str| pointer(name).map(Self::Message);
        match text {
            "message" => member(""),
            "stream" => member("/streamId"),
            "topic" => member("/topicName"),
            "id" => member("/id"),
            "timestamp" => member("/timestamp"),
            _ if text.starts_with('/') => member(text),
            _ => match text.strip_prefix("value") {
                Some(within) if within.is_empty() || within.starts_with('/') => pointer(within).map(Self::Value),
                _ => Err(format!(
                    "must name in {{{{ }}}} message, value, value/member, /member, stream, topic, id or timestamp, not {text:?}"
                )),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.source.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"topicId":"ws-t","topicName":"t","streamId":"car \"1\"","timestamp":12345678901234567890,
        "tags":{"lap":"3"},"id":"Braking","value":"{\"g\":1.50,\"by\":\"ann\"}"}"#;

    fn json(template: &str, message: &str) -> String {
        let template: Template =
            toml::Value::from(toml::from_str::<toml::Table>(template).unwrap()).try_into().unwrap();
        template.json(Json::parse(message.as_bytes()).unwrap())
    }

    #[test]
    fn values_go_in_as_json_and_never_as_text() {
        for (template, expected) in [
            ("a = '{{value}}'", r#"{"a":"{\"g\":1.50,\"by\":\"ann\"}"}"#),
            ("a = 'in {{ value }}!'", r#"{"a":"in {\"g\":1.50,\"by\":\"ann\"}!"}"#),
            ("a = '{{value/g}}'", r#"{"a":1.50}"#),
            ("a = '{{value/by}} at {{value/g}} g'", r#"{"a":"ann at 1.50 g"}"#),
            ("a = '{{timestamp}}'", r#"{"a":12345678901234567890}"#),
            ("a = '{{stream}}: {{id}}'", r#"{"a":"car \"1\": Braking"}"#),
            ("a = '{{/tags}}'\nb = [1, true, 1.5, '{{/none}}']", r#"{"a":{"lap":"3"},"b":[1,true,1.5,null]}"#),
            ("a = 'x{{/none}}y'", r#"{"a":"xy"}"#),
            ("'{{value}}' = 'no place'", r#"{"{{value}}":"no place"}"#),
        ] {
            assert_eq!(json(template, EVENT), expected, "{template}");
        }
        let hostile = r#"{"streamId":"\",\"admin\":true,\"x\":\"","value":"\"}{{message}}"}"#;
        let sent = json("a = '{{stream}} {{value}}'", hostile);
        let parsed: serde_json::Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(parsed, serde_json::json!({ "a": "\",\"admin\":true,\"x\":\" \"}{{message}}" }));
    }

    #[test]
    fn a_packages_value_is_the_json_within() {
        let package = r#"{"streamId":"s","type":"X","value":"{\"n\":[1]}","dateTime":"2023-10-11T10:32:54Z"}"#;
        assert_eq!(json("a = '{{value}}'\nb = '{{value/n/0}}'", package), r#"{"a":{"n":[1]},"b":1}"#);
        let parameters = r#"{"streamId":"s","numericValues":{"speed":[7]}}"#;
        assert_eq!(json("a = '{{value/numericValues/speed}}'", parameters), r#"{"a":[7]}"#);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let event = Json::parse(r#"{"value":"čau 🚀 world"}"#.as_bytes()).unwrap();
        assert_eq!(Template::value_as_text(5).json(event), r#""čau 🚀""#);
        assert_eq!(Template::value_as_text(5).text(event), "čau 🚀");
    }

    #[test]
    fn what_is_no_place_is_told() {
        for (text, problem) in [("{{valeu}}", "must name in {{ }}"), ("{{value", "must close each {{ with }}")] {
            let error = Template::new(Value::from(text)).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
    }
}

//! `Json`: a JSON text that is looked into without being taken apart, so that its digits and its order survive.

use std::fmt;

use quix_model::Pointer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// One JSON value, as it was written.
#[derive(Debug, Clone, Copy)]
pub struct Json<'a>(&'a RawValue);

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number of any size.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// Why a text is not taken as JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is not UTF-8, or not exactly one JSON value.
    #[error("it is not JSON: {0}")]
    Syntax(String),
    /// Deeper than [`MAX_DEPTH`].
    #[error("it is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

/// Levels of objects and arrays in each other. Source: the server's limit `depth`.
pub const MAX_DEPTH: usize = 64;

impl<'a> Json<'a> {
    /// Exactly one value; blanks around it are not part of it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JsonError> {
        if depth(bytes) > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        serde_json::from_slice(bytes).map(Self).map_err(|error| JsonError::Syntax(error.to_string()))
    }

    /// As it was written.
    pub fn text(self) -> &'a str {
        self.0.get()
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        match self.text().as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't' | b'f') => Kind::Boolean,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// What the pointer points at (RFC 6901), if that is there. Of members that are repeated the last counts.
    pub fn at(self, pointer: &Pointer) -> Option<Self> {
        pointer.tokens().try_fold(self, Json::child)
    }

    /// The elements of an array; `None` of anything else.
    pub fn elements(self) -> Option<Vec<Self>> {
        let elements: Vec<&RawValue> = serde_json::from_str(self.text()).ok().filter(|_| self.kind() == Kind::Array)?;
        Some(elements.into_iter().map(Self).collect())
    }

    /// The members of an object in order, repeated ones too; `None` of anything else.
    pub fn members(self) -> Option<Vec<(String, Self)>> {
        serde_json::from_str(self.text()).ok().map(|Members(members)| members)
    }

    /// What a string says; a lone surrogate becomes U+FFFD. `None` of anything else.
    pub fn string(self) -> Option<String> {
        let mut deserializer = serde_json::Deserializer::from_str(self.text());
        Text.deserialize(&mut deserializer).ok().filter(|_| self.kind() == Kind::Text)
    }

    /// For a place that takes texts: what a string says, the digits of a number, or else JSON text.
    pub fn into_text(self) -> String {
        self.string().unwrap_or_else(|| self.text().to_owned())
    }

    fn child(self, token: &str) -> Option<Self> {
        match self.kind() {
            Kind::Object => self.members()?.into_iter().rev().find(|(name, _)| name == token).map(|(_, value)| value),
            Kind::Array => self.elements()?.get(index(token)?).copied(),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// Of an array; RFC 6901 knows neither signs nor leading zeros.
fn index(token: &str) -> Option<usize> {
    let is_plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    token.parse().ok().filter(|_| is_plain)
}

/// The most brackets open at once, told without recursion and whatever else is wrong.
fn depth(bytes: &[u8]) -> usize {
    let (mut open, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' if !in_text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

struct Members<'a>(Vec<(String, Json<'a>)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<(String, Json<'de>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key_seed(Text)? {
            members.push((name, Json(map.next_value()?)));
        }
        Ok(members)
    }
}

/// serde_json refuses a lone surrogate where a `str` is asked for, but takes it where bytes are.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_as_they_were_written() {
        let json = r#" {"a":{"b":[1.10,{"c/d":12345678901234567890},"x"]},"":"e","a~b":0,"n":null,"r":1,"r":2} "#;
        for (pointer, expected) in [
            ("", Some(json.trim())),
            ("/a/b/0", Some("1.10")),
            ("/a/b/1/c~1d", Some("12345678901234567890")),
            ("/a/b/2", Some("\"x\"")),
            ("/", Some("\"e\"")),
            ("/a~0b", Some("0")),
            ("/n", Some("null")),
            ("/r", Some("2")),
            ("/a/b/3", None),
            ("/a/b/00", None),
            ("/a/b/+1", None),
            ("/a/b/-", None),
            ("/a/b/0/x", None),
            ("/A", None),
        ] {
            let found = Json::parse(json.as_bytes()).unwrap().at(&pointer.parse().unwrap());
            assert_eq!(found.map(Json::text), expected, "{pointer}");
        }
    }

    #[test]
    fn strings_say_what_they_say() {
        for (json, string) in [
            (r#""plain čau""#, Some("plain čau")),
            (r#""a\"b\\\n\u017e""#, Some("a\"b\\\nž")),
            (r#""x\ud83d\ude80""#, Some("x🚀")),
            ("12", None),
            ("null", None),
            (r#"["a"]"#, None),
        ] {
            assert_eq!(parse(json).string().as_deref(), string, "{json}");
        }
        let lone = parse(r#""a\ud800b""#).string().unwrap();
        assert!(lone.starts_with("a\u{FFFD}") && lone.ends_with('b'), "{lone}");
    }

    #[test]
    fn what_is_no_json_is_refused_with_the_place() {
        for text in ["", " ", "nul", "{", "[1,]", "{}{}", "'a'", "{\"a\":1,}"] {
            let error = Json::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("it is not JSON: ") && error.contains("column"), "{text}: {error}");
        }
        assert!(matches!(Json::parse(b"\"\xff\""), Err(JsonError::Syntax(_))));
    }

    #[test]
    fn nesting_is_bounded_and_brackets_in_strings_are_none() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Json::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(Json::parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err(), JsonError::TooDeep);
        assert_eq!(Json::parse("[".repeat(1_000_000).as_bytes()).unwrap_err(), JsonError::TooDeep);
        let text = format!(r#"["\"{}"]"#, "[".repeat(100));
        assert!(Json::parse(text.as_bytes()).is_ok());
    }

    fn parse(json: &str) -> Json<'_> {
        Json::parse(json.as_bytes()).unwrap()
    }
}

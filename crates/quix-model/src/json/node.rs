//! `Node`: a small JSON value taken apart whole, for the models that come once in a while.

use std::borrow::Cow;

use super::reader::{Broken, Reader};

/// A value with its members in the order written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    /// As written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// The whole text, nested to at most [`MAX_DEPTH`] levels.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Broken> {
        let mut reader = Reader::new(text);
        let node = Self::read(&mut reader, MAX_DEPTH)?;
        reader.end()?;
        Ok(node)
    }

    fn read(reader: &mut Reader<'a>, depth: usize) -> Result<Self, Broken> {
        let inner = depth.checked_sub(1).ok_or(Broken)?;
        match reader.peek() {
            Some(b'[') => {
                let mut items = Vec::new();
                reader.array::<Broken>(|reader| {
                    items.push(Self::read(reader, inner)?);
                    Ok(())
                })?;
                Ok(Self::List(items))
            }
            Some(b'{') => {
                let mut members = Vec::new();
                reader.object::<Broken>(|reader, name| {
                    members.push((name, Self::read(reader, inner)?));
                    Ok(())
                })?;
                Ok(Self::Object(members))
            }
            _ => reader.value().map(Self::from),
        }
    }

    /// Members of an object by name in any case, the last of duplicates; null where there is none.
    pub(crate) fn member(&self, name: &str) -> &Self {
        let Self::Object(members) = self else { return &Self::Null };
        members.iter().rev().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(&Self::Null, |(_, node)| node)
    }

    /// What it is, for an error: `a number`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'a> From<super::reader::Value<'a>> for Node<'a> {
    fn from(value: super::reader::Value<'a>) -> Self {
        use super::reader::Value;
        match value {
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Number(number),
            Value::Text(text) => Self::Text(text),
            Value::Null | Value::Compound(_) => Self::Null,
        }
    }
}

/// Levels of nesting that .NET's JSON reader follows by default.
pub(crate) const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_in_any_case_and_the_last_counts() {
        let node = Node::parse(r#"{"a":1,"A":[true,null,"x"],"b":{}}"#).unwrap();
        assert_eq!(*node.member("a"), Node::List(vec![Node::Bool(true), Node::Null, Node::Text("x".into())]));
        assert_eq!(*node.member("c"), Node::Null);
        assert_eq!(*node.member("b").member("c"), Node::Null);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Node::parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(Node::parse(&nested(MAX_DEPTH + 1)), Err(Broken));
        assert_eq!(Node::parse(&nested(1_000_000)), Err(Broken));
    }
}

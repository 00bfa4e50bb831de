//! `Pointer`: a place in a JSON document (RFC 6901).

use std::fmt;
use std::str::FromStr;

use crate::json::{Broken, Reader};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// `""` is the whole document, `/a/0` the first element of its member `a`; in names `~1` stands for `/` and `~0` for `~`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pointer(Vec<String>);

/// Why a text is no pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a JSON pointer such as \"/user/id\", not {0:?}")]
pub struct NotAPointer(String);

impl Pointer {
    /// Names of members and numbers of elements, from the outermost on.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The tokens with dots between them: what a flattened member is called.
    pub fn dotted(&self) -> String {
        self.0.join(".")
    }

    /// Where its value begins in a text whose next value is the whole document, if it is there. Of members that are repeated
    /// the last counts.
    pub(crate) fn find<'a>(&self, whole: &Reader<'a>) -> Result<Option<Reader<'a>>, Broken> {
        self.tokens().try_fold(Some(whole.clone()), |reader, token| match reader {
            Some(mut reader) => child(&mut reader, token),
            None => Ok(None),
        })
    }
}

impl FromStr for Pointer {
    type Err = NotAPointer;

    fn from_str(text: &str) -> Result<Self, NotAPointer> {
        let not_a_pointer = || NotAPointer(text.to_owned());
        if text.is_empty() {
            return Ok(Self::default());
        }
        let tokens = text.strip_prefix('/').ok_or_else(not_a_pointer)?.split('/');
        tokens.map(|token| unescaped(token).ok_or_else(not_a_pointer)).collect::<Result<_, _>>().map(Self)
    }
}

fn child<'a>(reader: &mut Reader<'a>, token: &str) -> Result<Option<Reader<'a>>, Broken> {
    let mut found = None;
    let mut number = 0;
    match reader.peek() {
        Some(b'{') => reader.object::<Broken>(|reader, name| {
            if name == token {
                found = Some(reader.clone());
            }
            reader.skip().map(drop)
        }),
        Some(b'[') => reader.array::<Broken>(|reader| {
            if index(token) == Some(number) {
                found = Some(reader.clone());
            }
            number += 1;
            reader.skip().map(drop)
        }),
        _ => Ok(()),
    }?;
    Ok(found)
}

/// Of an array; RFC 6901 knows neither signs nor leading zeros.
fn index(token: &str) -> Option<usize> {
    let is_plain = token.bytes().all(|byte| byte.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    token.parse().ok().filter(|_| is_plain)
}

fn unescaped(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = part.split_at_checked(1)?;
        text.push(match escaped {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        text.push_str(rest);
    }
    Some(text)
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Pointer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::Value;

    #[test]
    fn texts_are_taken_apart() {
        for (text, tokens) in [
            ("", vec![]),
            ("/", vec![""]),
            ("/a/0", vec!["a", "0"]),
            ("/a~1b/~0/~01", vec!["a/b", "~", "~1"]),
            ("//x", vec!["", "x"]),
        ] {
            let pointer: Pointer = text.parse().unwrap();
            assert_eq!(pointer.tokens().collect::<Vec<_>>(), tokens, "{text}");
            assert_eq!(pointer.to_string(), text);
        }
        for text in ["a", "a/b", "$.a", "/~", "/~2", "/a~"] {
            let error = text.parse::<Pointer>().unwrap_err().to_string();
            assert_eq!(error, format!("must be a JSON pointer such as \"/user/id\", not {text:?}"));
        }
        assert_eq!("/a/b".parse::<Pointer>().unwrap().dotted(), "a.b");
    }

    #[test]
    fn elements_are_told_by_plain_numbers() {
        for (text, found) in
            [("/x/0", Some("7")), ("/x/1", Some("8")), ("/x/2", None), ("/x/01", None), ("/x/+1", None)]
        {
            let value = text.parse::<Pointer>().unwrap().find(&Reader::new(r#"{"x":[7,8]}"#)).unwrap();
            assert_eq!(value.map(|mut reader| reader.value()), found.map(|number| Ok(Value::Number(number))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_pointer_reads_back(tokens in proptest::collection::vec(any::<String>(), 0..5)) {
            let pointer = Pointer(tokens);
            prop_assert_eq!(pointer.to_string().parse::<Pointer>().unwrap(), pointer);
        }
    }
}

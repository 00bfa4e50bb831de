//! `Tags`: texts by name, in the order in which they were given.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::repeated::keep_last;
use crate::json::{OptionalTextSeed, TextSeed};

/// Tags of an event: each name once, in the order of first mention, with a text or null.
///
/// Collecting pairs with a name repeated keeps the last value, at the place of the first, as .NET dictionaries do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags(Vec<(String, Option<String>)>);

impl Tags {
    /// The value of a tag. Outer `None`: no such tag; inner `None`: the tag is null.
    pub fn get(&self, name: &str) -> Option<Option<&str>> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All tags in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Number of tags.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Option<String>)> for Tags {
    fn from_iter<I: IntoIterator<Item = (String, Option<String>)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        keep_last(&mut pairs, |(name, _)| name);
        Self(pairs)
    }
}

impl Serialize for Tags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Reads the `tags` of a client's event; null is empty.
pub(crate) struct TagsSeed;

impl<'de> DeserializeSeed<'de> for TagsSeed {
    type Value = Tags;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tags, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for TagsSeed {
    type Value = Tags;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of strings as the event's `tags`")
    }

    fn visit_none<E>(self) -> Result<Tags, E> {
        Ok(Tags::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tags, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tags, A::Error> {
        let mut pairs = Vec::new();
        while let Some(name) = members.next_key_seed(TextSeed("the name of a tag"))? {
            let value = members.next_value_seed(OptionalTextSeed("a string or null in the event's `tags`"))?;
            pairs.push((name.into_owned(), value.map(Into::into)));
        }
        Ok(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_name_keeps_its_place_and_takes_the_last_value() {
        let tags = tags([("z", "1"), ("a", "2"), ("z", "3")]);
        assert_eq!(tags.iter().collect::<Vec<_>>(), [("z", Some("3")), ("a", Some("2"))]);
    }

    #[test]
    fn many_tags_stay_in_order_and_are_merged_too() {
        let names: Vec<String> = (0..20).map(|n| format!("t{}", n % 15)).collect();
        let tags = tags(names.iter().map(|name| (name.as_str(), "v")));
        assert_eq!(tags.len(), 15);
        assert!(tags.iter().map(|(name, _)| name).eq(names[..15].iter()));
    }

    #[test]
    fn a_hundred_thousand_tags_are_merged_at_once() {
        let tags: Tags = (0..100_000).map(|n| (n.to_string(), None)).collect();
        assert_eq!(tags.len(), 100_000);
    }

    #[test]
    fn null_and_missing_tags_differ() {
        let tags: Tags = [("t".to_owned(), None)].into_iter().collect();
        assert_eq!(tags.get("t"), Some(None));
        assert_eq!(tags.get("u"), None);
        assert!(!tags.is_empty());
    }

    fn tags<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Tags {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).collect()
    }
}

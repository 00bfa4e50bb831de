//! `ByTopic`: settings by patterns of topics.

use std::collections::HashMap;

/// Of the patterns that stand for a topic its own name counts, else the longest prefix.
#[derive(Debug, Clone)]
pub(crate) struct ByTopic<T> {
    names: HashMap<String, T>,
    /// The longest first.
    prefixes: Vec<(String, T)>,
}

impl<T> Default for ByTopic<T> {
    fn default() -> Self {
        Self { names: HashMap::new(), prefixes: Vec::new() }
    }
}

impl<T> ByTopic<T> {
    /// Patterns are names of topics, or end in `*` and stand for all names that begin so.
    pub(crate) fn new(settings: impl IntoIterator<Item = (String, T)>) -> Self {
        let mut sorted = Self::default();
        for (pattern, setting) in settings {
            match pattern.strip_suffix('*') {
                Some(prefix) => sorted.prefixes.push((prefix.to_owned(), setting)),
                None => {
                    sorted.names.insert(pattern, setting);
                }
            }
        }
        sorted.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        sorted
    }

    /// What is set for a topic, if anything.
    pub(crate) fn of(&self, topic: &str) -> Option<&T> {
        if self.names.is_empty() && self.prefixes.is_empty() {
            return None;
        }
        let by_prefix =
            || self.prefixes.iter().find(|(prefix, _)| topic.starts_with(prefix)).map(|(_, setting)| setting);
        self.names.get(topic).or_else(by_prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_before_prefixes_and_long_ones_before_short_ones() {
        let settings = ByTopic::new(["*", "plant.*", "plant.a", "plant.a*"].map(str::to_owned).into_iter().zip(1..));
        for (topic, setting) in
            [("f1", 1), ("plant.b", 2), ("plant.", 2), ("plant.a", 3), ("plant.ab", 4), ("plant", 1)]
        {
            assert_eq!(settings.of(topic), Some(&setting), "{topic}");
        }
        assert_eq!(ByTopic::<i32>::default().of("f1"), None);
        assert_eq!(ByTopic::new([("f1".to_owned(), 1)]).of("f2"), None);
    }
}

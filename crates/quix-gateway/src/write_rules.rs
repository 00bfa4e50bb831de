//! `WriteRules`: how records of a topic are written, by the topic's name.

use std::collections::HashMap;

use quix_model::{Splitting, WriteForm, WriteSettings};

/// Settings by pattern. A topic follows the pattern that is its name, else the longest prefix, else [`WriteRules::DEFAULT`].
#[derive(Debug, Clone, Default)]
pub struct WriteRules {
    names: HashMap<String, WriteSettings>,
    /// The longest first.
    prefixes: Vec<(String, WriteSettings)>,
}

impl WriteRules {
    /// What every Quix Streams client reads, as large as the broker takes it.
    pub const DEFAULT: WriteSettings = WriteSettings {
        form: WriteForm::Legacy,
        splitting: Splitting::Refuse,
        max_value_bytes: usize::MAX,
        allow_reserved_parameters: false,
        refuse_slashes: false,
    };

    /// Patterns are names of topics, or end in `*` and stand for all names that begin so.
    pub fn new(rules: impl IntoIterator<Item = (String, WriteSettings)>) -> Self {
        let mut sorted = Self::default();
        for (pattern, settings) in rules {
            match pattern.strip_suffix('*') {
                Some(prefix) => sorted.prefixes.push((prefix.to_owned(), settings)),
                None => {
                    sorted.names.insert(pattern, settings);
                }
            }
        }
        sorted.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        sorted
    }

    pub(crate) fn of(&self, topic: &str) -> &WriteSettings {
        if self.names.is_empty() && self.prefixes.is_empty() {
            return &Self::DEFAULT;
        }
        let by_prefix = || self.prefixes.iter().find(|(prefix, _)| topic.starts_with(prefix)).map(|(_, rule)| rule);
        self.names.get(topic).or_else(by_prefix).unwrap_or(&Self::DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_before_prefixes_and_long_ones_before_short_ones() {
        let limited = |max_value_bytes| WriteSettings { max_value_bytes, ..WriteRules::DEFAULT };
        let patterns = ["*", "plant.*", "plant.a", "plant.a*"];
        let rules = WriteRules::new(patterns.map(str::to_owned).into_iter().zip((1..).map(limited)));
        for (topic, limit) in [("f1", 1), ("plant.b", 2), ("plant.", 2), ("plant.a", 3), ("plant.ab", 4), ("plant", 1)]
        {
            assert_eq!(rules.of(topic).max_value_bytes, limit, "{topic}");
        }
        assert_eq!(WriteRules::default().of("f1"), &WriteRules::DEFAULT);
    }
}

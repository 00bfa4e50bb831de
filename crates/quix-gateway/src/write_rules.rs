//! `WriteRules`: how records of a topic are written, by the topic's name.

use quix_model::{Splitting, WriteForm, WriteSettings};

use crate::by_topic::ByTopic;

/// Settings by pattern. A topic follows the pattern that is its name, else the longest prefix, else [`WriteRules::DEFAULT`].
#[derive(Debug, Clone, Default)]
pub struct WriteRules(ByTopic<WriteSettings>);

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
        Self(ByTopic::new(rules))
    }

    pub(crate) fn of(&self, topic: &str) -> &WriteSettings {
        self.0.of(topic).unwrap_or(&Self::DEFAULT)
    }
}

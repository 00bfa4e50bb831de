//! `ReadRules`: how records in no Quix form are read, by the topic's name.

use std::sync::Arc;

use kafka_bridge::record::Record;
use quix_model::{Package, RowRule};

use crate::by_topic::ByTopic;

/// Rules by pattern. A topic follows the pattern that is its name, else the longest prefix, else none: its records in no Quix
/// form are packages and no more. So is one whose pattern has no rule.
#[derive(Debug, Clone, Default)]
pub struct ReadRules(ByTopic<Option<Arc<RowRule>>>);

impl ReadRules {
    /// Patterns are names of topics, or end in `*` and stand for all names that begin so.
    pub fn new(rules: impl IntoIterator<Item = (String, Option<RowRule>)>) -> Self {
        Self(ByTopic::new(rules.into_iter().map(|(pattern, rule)| (pattern, rule.map(Arc::new)))))
    }

    /// How the records of a topic are read.
    pub(crate) fn of(&self, topic: &str) -> Rows {
        let rule = self.0.of(topic).and_then(Clone::clone);
        Rows(rule.map(|rule| Arc::new(OfTopic { rule, topic: topic.to_owned() })))
    }
}

/// Whether records of a topic are rows where they are nothing of Quix's. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rows(Option<Arc<OfTopic>>);

#[derive(Debug)]
struct OfTopic {
    rule: Arc<RowRule>,
    topic: String,
}

impl Rows {
    /// The package of a record, or of what it completes, with its rows. Those without a key are the stream of the topic's name.
    pub(crate) fn of<'a>(&'a self, package: Package<'a>, record: &Record) -> Package<'a> {
        match self.0.as_deref() {
            None => package,
            Some(of) => package.with_rows(&of.rule, record.timestamp_ms, &of.topic),
        }
    }
}

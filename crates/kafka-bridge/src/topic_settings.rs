//! `NewTopic` and `TopicSettings`: how a topic is to be kept, and how one is.

/// How a topic is to be. What is `None` is as the broker has it by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NewTopic {
    /// Number of partitions, at least 1. Default of the embedded broker and in memory: 1.
    pub partitions: Option<i32>,
    /// Copies of each record; more than there are brokers become as many as there are. Embedded and in memory there is
    /// always one.
    pub replication_factor: Option<i32>,
    /// Milliseconds that records are kept; negative: without a limit of time. Source: Kafka `retention.ms`.
    pub retention_ms: Option<i64>,
    /// Bytes that a partition keeps; negative: without a limit of size. Source: Kafka `retention.bytes`.
    pub retention_bytes: Option<i64>,
    /// What becomes of old records.
    pub cleanup: Option<Cleanup>,
}

/// How a topic is kept, as its broker shows it. The embedded broker shows what was asked for, but keeps all topics alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSettings {
    /// Copies of each record, at least 1.
    pub replication_factor: i32,
    /// Milliseconds that records are kept; -1: without a limit of time.
    pub retention_ms: i64,
    /// Bytes that a partition keeps; -1: without a limit of size.
    pub retention_bytes: i64,
    /// What becomes of old records.
    pub cleanup: Cleanup,
}

/// What becomes of old records. Source: Kafka `cleanup.policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cleanup {
    /// They are deleted.
    #[default]
    Delete,
    /// The newest of each key stays.
    Compact,
    /// Both.
    CompactAndDelete,
}

impl Cleanup {
    /// Kafka's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
            Self::CompactAndDelete => "compact,delete",
        }
    }

    /// Of Kafka's words, in any order and case; `None` if there is another among them, or none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words: Vec<_> = text.split(',').map(|word| word.trim().to_ascii_lowercase()).collect();
        words.sort_unstable();
        words.dedup();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["delete"] => Some(Self::Delete),
            ["compact"] => Some(Self::Compact),
            ["compact", "delete"] => Some(Self::CompactAndDelete),
            _ => None,
        }
    }
}

impl NewTopic {
    /// What it says beyond the numbers of partitions and copies, by Kafka's names.
    pub(crate) fn properties(&self) -> Vec<(&'static str, String)> {
        let limit = |value: Option<i64>| value.map(|value| value.max(NO_LIMIT).to_string());
        let properties = [
            (RETENTION_MS, limit(self.retention_ms)),
            (RETENTION_BYTES, limit(self.retention_bytes)),
            (CLEANUP_POLICY, self.cleanup.map(|cleanup| cleanup.as_str().to_owned())),
        ];
        properties.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The same as settings of a topic.
    pub(crate) fn settings(&self, defaults: TopicSettings) -> TopicSettings {
        let properties = self.properties();
        defaults.with(|name| properties.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()))
    }
}

impl TopicSettings {
    /// Of one copy, without limits.
    pub(crate) const UNLIMITED: Self =
        Self { replication_factor: 1, retention_ms: NO_LIMIT, retention_bytes: NO_LIMIT, cleanup: Cleanup::Delete };

    /// The same with what these properties say, where they say something that can be read.
    pub(crate) fn with<'p>(self, property: impl Fn(&str) -> Option<&'p str>) -> Self {
        let limit = |name| property(name)?.parse::<i64>().ok().map(|value| value.max(NO_LIMIT));
        Self {
            replication_factor: self.replication_factor,
            retention_ms: limit(RETENTION_MS).unwrap_or(self.retention_ms),
            retention_bytes: limit(RETENTION_BYTES).unwrap_or(self.retention_bytes),
            cleanup: property(CLEANUP_POLICY).and_then(Cleanup::parse).unwrap_or(self.cleanup),
        }
    }
}

/// Kafka's number for it.
const NO_LIMIT: i64 = -1;
const RETENTION_MS: &str = "retention.ms";
const RETENTION_BYTES: &str = "retention.bytes";
const CLEANUP_POLICY: &str = "cleanup.policy";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_in_any_order_and_case() {
        for (text, policy) in [
            ("delete", Some(Cleanup::Delete)),
            ("Compact", Some(Cleanup::Compact)),
            ("delete, compact", Some(Cleanup::CompactAndDelete)),
            ("compact,delete", Some(Cleanup::CompactAndDelete)),
            ("", None),
            ("compact,remove", None),
        ] {
            assert_eq!(Cleanup::parse(text), policy, "{text}");
        }
        for policy in [Cleanup::Delete, Cleanup::Compact, Cleanup::CompactAndDelete] {
            assert_eq!(Cleanup::parse(policy.as_str()), Some(policy));
        }
    }

    #[test]
    fn what_was_asked_for_is_shown_and_the_rest_is_the_default() {
        let defaults = TopicSettings { retention_ms: 7, ..TopicSettings::UNLIMITED };
        assert_eq!(NewTopic::default().settings(defaults), defaults);
        let wanted = NewTopic {
            retention_ms: Some(-60_000),
            retention_bytes: Some(5),
            cleanup: Some(Cleanup::Compact),
            ..NewTopic::default()
        };
        let shown = TopicSettings { retention_bytes: 5, cleanup: Cleanup::Compact, ..TopicSettings::UNLIMITED };
        assert_eq!(wanted.settings(defaults), shown);
    }
}

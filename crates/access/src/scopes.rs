//! What a token allows: rights on topics, by pattern.

use std::fmt;

/// What somebody wants to do to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Subscribe to it, see that it exists.
    Read,
    /// Write to it.
    Write,
}

/// What a token allows. Nothing granted is nothing allowed.
///
/// Written as words with blanks between: `read:PATTERN`, `write:PATTERN`, `admin`, `kafka`, `create_topics`. Words of others
/// (such as `openid`) mean nothing here. `admin` is a right of its own: it neither reads nor writes topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes {
    read: Vec<Pattern>,
    write: Vec<Pattern>,
    /// The administration: listing connections, revoking tokens.
    pub admin: bool,
    /// Being told how to reach Kafka (the portal).
    pub kafka: bool,
    /// Making topics, by use or by asking.
    pub create_topics: bool,
}

/// Names of topics: one name, all that begin alike (`f1-*`), or all (`*`). Compared with case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// Exactly this one.
    Name(Box<str>),
    /// All that begin so; `*` alone is the empty beginning.
    Prefix(Box<str>),
}

impl Scopes {
    /// Everything, on every topic.
    pub fn all() -> Self {
        Self::of_words(["read:*", "write:*", "admin", "kafka", "create_topics"])
    }

    /// Of a text with blanks between the words, as the claim `scope` has it.
    pub fn parse(text: &str) -> Self {
        Self::of_words(text.split_ascii_whitespace())
    }

    /// Of words by themselves, as the claim `scp` has them.
    pub fn of_words<'w>(words: impl IntoIterator<Item = &'w str>) -> Self {
        let mut scopes = Self::default();
        for word in words {
            match word.split_once(':') {
                Some(("read", pattern)) => scopes.read.extend(Pattern::parse(pattern)),
                Some(("write", pattern)) => scopes.write.extend(Pattern::parse(pattern)),
                Some(_) => {}
                None => match word {
                    "admin" => scopes.admin = true,
                    "kafka" => scopes.kafka = true,
                    "create_topics" => scopes.create_topics = true,
                    _ => {}
                },
            }
        }
        scopes
    }

    /// Whether `right` is granted on the topic of this name; ids are to be resolved to names before.
    pub fn allow(&self, right: Right, topic: &str) -> bool {
        let patterns = match right {
            Right::Read => &self.read,
            Right::Write => &self.write,
        };
        patterns.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether there may be a topic that it lets its bearer write to.
    pub fn write_anything(&self) -> bool {
        !self.write.is_empty()
    }

    /// Whether the topic may be known to exist: it may be read, or written.
    pub fn allow_any(&self, topic: &str) -> bool {
        self.allow(Right::Read, topic) || self.allow(Right::Write, topic)
    }
}

/// The words again, in an order of their own.
impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = self.read.iter().map(|pattern| format!("read:{pattern}"));
        let write = self.write.iter().map(|pattern| format!("write:{pattern}"));
        let flags = [("admin", self.admin), ("kafka", self.kafka), ("create_topics", self.create_topics)];
        let flags = flags.into_iter().filter(|(_, granted)| *granted).map(|(word, _)| word.to_owned());
        let words: Vec<String> = read.chain(write).chain(flags).collect();
        formatter.write_str(&words.join(" "))
    }
}

impl Pattern {
    /// `None` of an empty text, which names nothing.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('*') {
            Some(prefix) => Some(Self::Prefix(prefix.into())),
            None if text.is_empty() => None,
            None => Some(Self::Name(text.into())),
        }
    }

    /// Whether the topic of this name is meant.
    pub fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Name(name) => **name == *topic,
            Self::Prefix(prefix) => topic.starts_with(&**prefix),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => formatter.write_str(name),
            Self::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_grant_what_they_say_and_nothing_else() {
        let rows: [(&str, &[&str], &[&str]); 8] = [
            ("read:f1-data", &["f1-data"], &[]),
            ("read:f1-* write:f1-data", &["f1-", "f1-data", "f1-other"], &["f1-data"]),
            ("read:*", &["f1-data", "F1-data", "other", "f1-", "f1-other"], &[]),
            ("write:F1-*", &[], &["F1-data"]),
            ("read: write: read", &[], &[]),
            ("READ:* Read:*", &[], &[]),
            ("openid profile read:f1-data:x admin", &[], &[]),
            ("", &[], &[]),
        ];
        let topics = ["f1-data", "F1-data", "other", "f1-", "f1-other"];
        for (text, read, write) in rows {
            let scopes = Scopes::parse(text);
            for topic in topics {
                assert_eq!(scopes.allow(Right::Read, topic), read.contains(&topic), "{text:?} reads {topic}");
                assert_eq!(scopes.allow(Right::Write, topic), write.contains(&topic), "{text:?} writes {topic}");
            }
        }
    }

    #[test]
    fn rights_of_their_own_grant_no_topic() {
        let scopes = Scopes::parse("admin kafka create_topics");
        assert!(scopes.admin && scopes.kafka && scopes.create_topics && !scopes.allow_any("t"));
        assert!(!Scopes::parse("read:* kafka create_topics write:").write_anything());
        assert!(Scopes::parse("write:t").write_anything() && Scopes::parse("write:*").write_anything());
        assert_eq!(Scopes::parse("administrator Kafka"), Scopes::default());
    }

    fn words() -> impl Strategy<Value = Vec<String>> {
        let word = prop_oneof![
            "(read|write):[ab]{0,3}\\*?",
            "(read|write):\\*",
            Just("admin".to_owned()),
            Just("kafka".to_owned()),
            "[a-z]{1,5}",
        ];
        prop::collection::vec(word, 0..6)
    }

    proptest! {
        /// The naive model: look at each word for itself, character by character.
        #[test]
        fn scopes_agree_with_a_naive_reading_of_their_words(words in words(), topic in "[ab]{0,4}") {
            let scopes = Scopes::parse(&words.join(" "));
            for (right, name) in [(Right::Read, "read:"), (Right::Write, "write:")] {
                let naive = words.iter().any(|word| {
                    let Some(pattern) = word.strip_prefix(name) else { return false };
                    let pattern: Vec<char> = pattern.chars().collect();
                    let topic: Vec<char> = topic.chars().collect();
                    match pattern.last() {
                        None => false,
                        Some('*') => topic.len() >= pattern.len() - 1 && topic[..pattern.len() - 1] == pattern[..pattern.len() - 1],
                        Some(_) => topic == pattern,
                    }
                });
                prop_assert_eq!(scopes.allow(right, &topic), naive);
            }
        }

        #[test]
        fn what_is_written_reads_the_same(words in words()) {
            let scopes = Scopes::of_words(words.iter().map(String::as_str));
            prop_assert_eq!(Scopes::parse(&scopes.to_string()), scopes);
        }
    }
}

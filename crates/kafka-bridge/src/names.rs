//! Topic names: which ones there can be, decided before a broker is asked.

/// Longest topic name, in bytes. Source: Apache Kafka, `org.apache.kafka.common.internals.Topic.MAX_NAME_LENGTH`.
pub const MAX_NAME_BYTES: usize = 249;

/// Why a name cannot be a topic's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing, or more than [`MAX_NAME_BYTES`].
    #[error("a name has 1 to {MAX_NAME_BYTES} characters")]
    Length,
    /// `.` and `..` would be folders.
    #[error("'.' and '..' are not names")]
    Dots,
    /// Something outside `[A-Za-z0-9._-]`.
    #[error("a name consists of letters, digits, '.', '_' and '-'")]
    Character,
    /// A leading `__` marks Kafka's own topics.
    #[error("names that begin with '__' are internal")]
    Internal,
}

/// Whether a topic may have this name and be read and written through us.
/// Source: Apache Kafka, `org.apache.kafka.common.internals.Topic.validate`; the rule about `__` is ours.
pub fn check_topic_name(name: &str) -> Result<(), InvalidName> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        Err(InvalidName::Length)
    } else if name == "." || name == ".." {
        Err(InvalidName::Dots)
    } else if !name.bytes().all(allowed) {
        Err(InvalidName::Character)
    } else if is_internal(name) {
        Err(InvalidName::Internal)
    } else {
        Ok(())
    }
}

/// Whether a topic is Kafka's own (`__consumer_offsets` and the like): not listed, read or written.
pub fn is_internal(name: &str) -> bool {
    name.starts_with("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_verdicts() {
        let longest = "n".repeat(MAX_NAME_BYTES);
        let too_long = "n".repeat(MAX_NAME_BYTES + 1);
        let table = [
            ("f1", Ok(())),
            ("a.b_C-9", Ok(())),
            ("_one", Ok(())),
            ("...", Ok(())),
            (&longest, Ok(())),
            (&too_long, Err(InvalidName::Length)),
            ("", Err(InvalidName::Length)),
            (".", Err(InvalidName::Dots)),
            ("..", Err(InvalidName::Dots)),
            ("a/b", Err(InvalidName::Character)),
            ("a b", Err(InvalidName::Character)),
            ("käse", Err(InvalidName::Character)),
            ("a\0", Err(InvalidName::Character)),
            ("__consumer_offsets", Err(InvalidName::Internal)),
        ];
        for (name, verdict) in table {
            assert_eq!(check_topic_name(name), verdict, "{name:?}");
        }
    }
}

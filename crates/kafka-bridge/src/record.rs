//! `Record`: what a broker stores and gives back, and `Batch`: the records one fetch brought.

use bytes::Bytes;

/// One record of a topic, as read back from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Partition, from 0.
    pub partition: i32,
    /// Position in its partition. Strictly growing, but not dense: transactions leave holes.
    pub offset: i64,
    /// Milliseconds since 1970 UTC, as the topic has it (`CreateTime` or `LogAppendTime`); `None` if the broker has none.
    pub timestamp_ms: Option<i64>,
    /// The key, or `None`: not the same as an empty one.
    pub key: Option<Bytes>,
    /// The value; `None` is a delete marker (tombstone).
    pub value: Option<Bytes>,
    /// Headers in the order stored; names may repeat.
    pub headers: Vec<Header>,
}

/// One header of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Name, not unique.
    pub name: Box<str>,
    /// Value, or `None`: not the same as an empty one.
    pub value: Option<Bytes>,
}

/// A record to be stored. Its timestamp is the moment of the append (`CreateTime`).
#[derive(Debug, Clone, Copy)]
pub struct NewRecord<'a> {
    /// Decides the partition (murmur2, as Java's and Quix's clients); `None`: any.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: &'a [u8],
    /// Names and values in order: none but in some forms of Quix's, which are all text.
    pub headers: &'a [(&'a str, &'a str)],
}

impl NewRecord<'_> {
    /// Bytes counted against the backlog.
    pub fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.map_or(0, <[u8]>::len) + self.value.len() + headers
    }
}

/// Records of one topic that arrived together, each partition's in offset order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Never empty where a broker hands it out.
    pub records: Vec<Record>,
}

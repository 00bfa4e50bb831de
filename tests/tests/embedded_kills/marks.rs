//! `Mark`: what tells an event from every other, whichever door it goes through.

use quix_model::{Package, Reading};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use serde_json::Value;

/// All streams that are written; a mark holds the index.
pub(crate) const STREAMS: [&str; 7] = ["js-6", "js-newest", "kafka-0", "kafka-1", "kafka-2", "probe", "caller"];

/// Whose event it is, and the how-manieth of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    pub(crate) stream: u8,
    pub(crate) number: u64,
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl Mark {
    /// Of an event of this stream.
    pub(crate) fn new(stream: &str, number: u64) -> Self {
        let index = STREAMS.iter().position(|known| *known == stream);
        Self { stream: index.unwrap_or_else(|| panic!("nobody writes {stream:?}")) as u8, number }
    }

    /// Of what readers of the hub get.
    pub(crate) fn of_package(stream: &str, value: &str) -> Self {
        let events: Value = serde_json::from_str(value).expect("a package's value is JSON");
        let number = events[0]["Value"].as_str().and_then(|text| text.parse().ok());
        Self::new(stream, number.unwrap_or_else(|| panic!("{stream}: no number in {value}")))
    }

    /// Of what Kafka clients get.
    pub(crate) fn of_record(record: &BorrowedMessage<'_>) -> Self {
        let headers = record.headers().into_iter().flat_map(Headers::iter).map(|header| (header.key, header.value));
        match Package::read(record.key(), headers, record.payload()) {
            Reading::Package(package) => Self::of_package(package.stream_id(), &package.content().value),
            other => panic!("a record that nobody wrote: {other:?}"),
        }
    }

    pub(crate) fn stream_name(self) -> &'static str {
        STREAMS[usize::from(self.stream)]
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.stream_name(), self.number)
    }
}

//! `BatchBuilder`: copies librdkafka's messages into one piece of memory per batch.

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use crate::record::{Batch, Header, Record};

/// Messages of one topic, in the order polled. One allocation holds all their bytes.
#[derive(Debug, Default)]
pub(super) struct BatchBuilder {
    arena: Vec<u8>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    partition: i32,
    offset: i64,
    timestamp_ms: Option<i64>,
    key: Option<Range>,
    value: Option<Range>,
    headers: Vec<(Box<str>, Option<Range>)>,
}

type Range = std::ops::Range<usize>;

impl BatchBuilder {
    pub(super) fn push(&mut self, message: &BorrowedMessage<'_>) {
        let key = self.copy(message.key());
        let value = self.copy(message.payload());
        let mut headers = Vec::new();
        if let Some(found) = message.headers() {
            headers.reserve_exact(found.count());
            for header in found.iter() {
                headers.push((header.key.into(), self.copy(header.value)));
            }
        }
        let timestamp_ms = message.timestamp().to_millis();
        self.rows.push(Row {
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms,
            key,
            value,
            headers,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.arena.len() + self.rows.len() * size_of::<Record>()
    }

    pub(super) fn finish(self) -> Batch {
        let arena = Bytes::from(self.arena);
        let part = |range: Option<Range>| range.map(|range| arena.slice(range));
        let record = |row: Row| Record {
            partition: row.partition,
            offset: row.offset,
            timestamp_ms: row.timestamp_ms,
            key: part(row.key),
            value: part(row.value),
            headers: row.headers.into_iter().map(|(name, value)| Header { name, value: part(value) }).collect(),
        };
        Batch { records: self.rows.into_iter().map(record).collect() }
    }

    fn copy(&mut self, bytes: Option<&[u8]>) -> Option<Range> {
        let begin = self.arena.len();
        self.arena.extend_from_slice(bytes?);
        Some(begin..self.arena.len())
    }
}

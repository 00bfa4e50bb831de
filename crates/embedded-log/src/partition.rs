//! `Partition`: a handle to one partition, and the index of where its batches stand.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use crate::{
    error::ReadError,
    index::{Index, Place},
};

/// One partition of a topic.
#[derive(Debug)]
pub struct Partition {
    topic: u32,
    topic_name: Arc<str>,
    number: i32,
    /// The topic's: bumped after each commit.
    changed: watch::Sender<u64>,
    index: RwLock<Index>,
}

/// Offsets a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First offset kept.
    pub start: i64,
    /// Offset the next record will have.
    pub end: i64,
}

impl Partition {
    pub(crate) fn new(
        topic: u32,
        topic_name: Arc<str>,
        number: i32,
        changed: watch::Sender<u64>,
        index: Index,
    ) -> Arc<Self> {
        Arc::new(Self { topic, topic_name, number, changed, index: RwLock::new(index) })
    }

    /// [`Topic::id`](crate::Topic::id) of its topic.
    pub fn topic_id(&self) -> u32 {
        self.topic
    }

    /// Name of its topic.
    pub fn topic_name(&self) -> &Arc<str> {
        &self.topic_name
    }

    /// Its number, from 0.
    pub fn number(&self) -> i32 {
        self.number
    }

    /// Offsets it holds now: durable ones only.
    pub fn range(&self) -> Range {
        self.index().range()
    }

    /// Where the batches from the one with `offset` on stand: at least one where there is any, else up to `max_bytes`.
    pub(crate) fn locate(&self, offset: i64, max_bytes: usize) -> Result<Vec<Place>, ReadError> {
        let index = self.index();
        let Range { start, end } = index.range();
        if (start..=end).contains(&offset) {
            Ok(index.locate(offset, max_bytes))
        } else {
            Err(ReadError::OutOfRange { offset, start, end })
        }
    }

    /// Wakes who waits for the topic.
    pub(crate) fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of every partition and batch: leadership never changes.
pub(crate) const LEADER_EPOCH: i32 = 0;

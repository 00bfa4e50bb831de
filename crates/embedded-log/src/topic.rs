//! `Topic`: a handle to a topic and its partitions.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

use crate::{index::Index, partition::Partition};

/// A topic of a log. Handles stay usable after the topic was deleted; appends are then refused.
#[derive(Debug)]
pub struct Topic {
    id: u32,
    name: Arc<str>,
    settings: Vec<(String, String)>,
    partitions: RwLock<Vec<Arc<Partition>>>,
    changed: watch::Sender<u64>,
    deleted: AtomicBool,
}

impl Topic {
    pub(crate) fn new(id: u32, name: &str, settings: Vec<(String, String)>) -> Arc<Self> {
        Arc::new(Self {
            id,
            name: name.into(),
            settings,
            partitions: RwLock::default(),
            changed: watch::Sender::new(0),
            deleted: AtomicBool::new(false),
        })
    }

    /// Number that no other topic of this log has or had, also not one of the same name.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What was asked for when it was made, such as `("cleanup.policy", "compact")`. Kept and shown, of no effect.
    pub fn settings(&self) -> &[(String, String)] {
        &self.settings
    }

    /// Its partitions, in order.
    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of them.
    pub fn partition(&self, number: i32) -> Option<Arc<Partition>> {
        let partitions = self.partitions.read().unwrap_or_else(PoisonError::into_inner);
        partitions.get(usize::try_from(number).ok()?).cloned()
    }

    /// Number of partitions, at least 1.
    pub fn partition_count(&self) -> i32 {
        self.partitions.read().unwrap_or_else(PoisonError::into_inner).len() as i32
    }

    /// Changes after each commit that concerns this topic: records, partitions, deletion. To wait for more: subscribe,
    /// look, then wait.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether it was deleted; final.
    pub fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Adds a partition that holds what `index` says.
    pub(crate) fn add_partition(&self, index: Index) {
        let mut partitions = self.partitions.write().unwrap_or_else(PoisonError::into_inner);
        let number = partitions.len() as i32;
        partitions.push(Partition::new(self.id, self.name.clone(), number, self.changed.clone(), index));
    }

    pub(crate) fn delete(&self) {
        self.deleted.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

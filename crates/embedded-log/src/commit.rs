//! `Writer`: makes one commit group of what waits, durable with one sync, then visible, then acknowledged.

mod plan;
mod requests;
mod room;

use std::{
    io,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;

use self::plan::Effects;
pub(crate) use self::plan::{Answers, Plan};
use crate::{
    catalog::{Catalog, Change},
    error::WriteError,
    format::Format,
    group::GroupBuilder,
    index::{Index, Place},
    log::Shared,
    options::CommitReport,
    queue::Work,
    recovery,
    segment::Name,
    storage::{StorageFile, is_full, write_all},
    topic::Topic,
};

/// The only one who writes. Lives on a thread of its own, so that a slow disk slows acknowledgements and nothing else.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) format: Format,
    /// Runs ahead of what is durable by the group in hand.
    pub(crate) catalog: Catalog,
    /// Sequence number of the next group.
    pub(crate) sequence: u64,
    pub(crate) active: Active,
    /// Durable as given, not given yet.
    pub(crate) producer_ids: Range<i64>,
    pub(crate) next_housekeeping: Instant,
    /// The file of a segment that could not be made may still be there: a start would take it for the newest, so that nothing
    /// more may go into the one before.
    pub(crate) rolling: bool,
}

/// The segment that is written.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) name: Name,
    pub(crate) file: Arc<dyn StorageFile>,
    /// Where the next group goes.
    pub(crate) position: u64,
    /// Up to where room was taken.
    pub(crate) allocated: u64,
    /// Up to where its blocks were written, with groups or with zeros.
    pub(crate) filled: u64,
    /// Where its checkpoint ends: at this position it holds nothing else.
    pub(crate) begin: u64,
    /// When it was written last, ms since 1970.
    pub(crate) written_ms: i64,
}

impl Writer {
    /// Until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _last = LastWord(self.shared.clone());
        let mut work = Work::default();
        while let Some(next) = self.shared.queue.take(work, HOUSEKEEPING) {
            work = next;
            self.commit(&mut work);
            if Instant::now() >= self.next_housekeeping {
                self.housekeeping();
                self.next_housekeeping = Instant::now() + HOUSEKEEPING;
            }
        }
    }

    /// One group of all of it; every answer is given when this returns.
    pub(crate) fn commit(&mut self, work: &mut Work) {
        if work.is_empty() {
            return;
        }
        if let Err(error) = self.make_room(work.bound(), self.reserve()) {
            Plan::refuse(work, &error);
            return;
        }
        let mut plan = Plan::new(self.builder(work.bound()));
        self.plan_requests(work, &mut plan);
        self.plan_records(work, &mut plan);
        self.plan_batches(work, &mut plan);
        let _ = self.carry_out(plan); // everybody is told
    }

    /// Makes changes of the log's own durable; whether that worked.
    pub(crate) fn commit_changes(&mut self, changes: Vec<Change>) -> bool {
        let mut plan = Plan::new(self.builder(0));
        changes.into_iter().for_each(|change| self.change(&mut plan, change));
        self.carry_out(plan).is_ok()
    }

    /// Writes what was planned, publishes it, answers.
    fn carry_out(&mut self, plan: Plan) -> Result<(), WriteError> {
        let (group, effects, answers) = plan.split();
        if group.is_empty() {
            answers.give(Ok(&self.shared));
            return Ok(());
        }
        let appends = answers.appends();
        self.shared.hold(answers);
        let fate = self.write(group, &effects, appends);
        self.shared.answer(fate.clone());
        fate
    }

    fn builder(&self, bound: usize) -> GroupBuilder {
        GroupBuilder::new(self.format.mark, self.sequence, bound)
    }

    fn write(&mut self, group: GroupBuilder, effects: &Effects, appends: usize) -> Result<(), WriteError> {
        let bytes = Bytes::from(group.finish());
        let begun = Instant::now();
        let end = self.active.position + bytes.len() as u64;
        let filled = self.fill(end);
        if let Err(error) = filled.and_then(|()| write_all(&*self.active.file, &bytes, self.active.position)) {
            return Err(self.failed_write(&error));
        }
        let written = Instant::now();
        self.active.file.sync().map_err(|error| self.fail("sync", &error))?;
        let (write, sync) = (written - begun, written.elapsed());
        let length = bytes.len();
        self.publish(bytes, effects);
        if let Some(observer) = &self.shared.options.observer {
            let log_bytes = self.shared.segments().values().map(|segment| segment.end).sum();
            observer.committed(&CommitReport { appends, bytes: length, write, sync, log_bytes });
        }
        Ok(())
    }

    /// The group is durable: now readers may see it.
    fn publish(&mut self, bytes: Bytes, effects: &Effects) {
        let (name, position) = (self.active.name, self.active.position);
        self.active.position += bytes.len() as u64;
        self.active.written_ms = now_ms();
        self.sequence += 1;
        if let Some(segment) = self.shared.segments_mut().get_mut(&name) {
            segment.end = self.active.position;
        }
        self.shared.cache_mut().push(name, position, bytes);
        effects.changes.iter().for_each(|change| self.shared.publish(change));
        for batch in &effects.batches {
            let place = Place {
                segment: name,
                position: position as u32 + batch.start, // segments are far smaller than 4 GiB
                length: batch.length,
                base_offset: batch.base_offset,
            };
            batch.partition.index_mut().push(place, batch.next_offset, batch.max_timestamp);
        }
        for neighbours in effects.batches.chunk_by(|a, b| a.partition.topic_id() == b.partition.topic_id()) {
            neighbours[0].partition.wake();
        }
    }

    /// A write that failed: no room heals, anything else is final.
    fn failed_write(&mut self, error: &io::Error) -> WriteError {
        if !is_full(error) {
            return self.fail("write", error);
        }
        // Some of the group may be in the file. It was not whole, so no start would take it; but the room is wanted back.
        let cut = self.active.file.set_length(self.active.position);
        if let Err(error) = cut.and_then(|()| self.active.file.sync()) {
            return self.fail("truncate", &error);
        }
        (self.active.allocated, self.active.filled) = (self.active.position, self.active.position);
        match recovery::catalog_of(&*self.active.file, self.active.position, self.format, self.active.name) {
            Ok(catalog) => self.catalog = catalog,
            Err(error) => return self.fail("read back", &error),
        }
        self.producer_ids = 0..0;
        self.disk_full()
    }

    pub(crate) fn disk_full(&self) -> WriteError {
        if self.shared.status().is_ok() {
            let folder = self.shared.storage.path();
            tracing::error!(folder = %folder.display(), "the disk is full; the log refuses writes until there is room");
        }
        self.shared.set_status(Some(WriteError::DiskFull));
        WriteError::DiskFull
    }

    /// No more writes in this process: what the system lost of a failed sync, a later one does not bring back.
    pub(crate) fn fail(&self, what: &str, error: &io::Error) -> WriteError {
        let reason = format!("{what} failed: {error}");
        let folder = self.shared.storage.path();
        tracing::error!(folder = %folder.display(), reason, "the log takes no more writes until the next start");
        let stopped = WriteError::Stopped(reason.clone());
        self.shared.set_status(Some(stopped.clone()));
        self.shared.queue.close(stopped);
        WriteError::Failed(reason)
    }

    /// Free bytes that stay free; known since the log was opened.
    pub(crate) fn reserve(&self) -> u64 {
        self.shared.options.reserve_bytes.unwrap_or_default()
    }
}

/// However the writer ends, nobody waits for it any more.
struct LastWord(Arc<Shared>);

impl Drop for LastWord {
    fn drop(&mut self) {
        let stopped = WriteError::Stopped("its writer ended".to_owned());
        if self.0.status().is_ok() {
            self.0.set_status(Some(stopped.clone()));
        }
        self.0.queue.close(stopped);
        drop(self.0.queue.take(Work::default(), Duration::ZERO)); // unanswered: those who wait are told so
    }
}

impl Shared {
    /// Makes a durable change visible.
    fn publish(&self, change: &Change) {
        match change {
            Change::TopicCreated(new) => {
                let topic = Topic::new(new.id, &new.name, new.settings.clone());
                (0..new.partitions).for_each(|_| topic.add_partition(Index::default()));
                self.topics_mut().insert(topic.name().clone(), topic);
            }
            Change::TopicDeleted { id } => {
                let mut gone = Vec::new();
                self.topics_mut().retain(|_, topic| {
                    let stays = topic.id() != *id;
                    if !stays {
                        gone.push(topic.clone());
                    }
                    stays
                });
                gone.iter().for_each(|topic| topic.delete());
            }
            Change::PartitionsAdded { id, total } => {
                if let Some(topic) = self.topics().values().find(|topic| topic.id() == *id) {
                    (topic.partition_count() as u32..*total).for_each(|_| topic.add_partition(Index::default()));
                    topic.wake();
                }
            }
            _ => {}
        }
        self.groups_mut().apply(change);
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    #[cfg(test)]
    if let Some(simulated) = crate::simulation::clock() {
        return simulated;
    }
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

/// Pause between looks at retention, expiry and room.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

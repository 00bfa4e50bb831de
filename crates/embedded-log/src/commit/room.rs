//! Room for the next group: a new segment, space taken from the file system ahead, blocks written ahead.

use std::{io, time::Instant};

use super::{Active, Writer, now_ms};
use crate::{
    catalog::Change,
    error::WriteError,
    group::HEADER_BYTES,
    recovery,
    segment::{Name, Segment},
    storage::{is_full, write_all},
};

impl Writer {
    /// Sees to it that a group of that size can be written: a new segment, room taken ahead.
    pub(crate) fn make_room(&mut self, bound: usize, reserve: u64) -> Result<(), WriteError> {
        if let Err(stopped @ WriteError::Stopped(_)) = self.shared.status() {
            return Err(stopped);
        }
        let bound = (HEADER_BYTES + bound) as u64;
        let full = self.rolling || self.active.position + bound > self.shared.options.segment_bytes;
        if full && self.active.position > self.active.begin {
            self.roll(reserve)?;
        }
        self.allocate(self.active.position + bound, reserve)?;
        if self.shared.status().is_err() && reserve >= self.reserve() {
            self.has_room();
        }
        Ok(())
    }

    /// A full disk is not full any more.
    pub(crate) fn has_room(&self) {
        tracing::info!("there is room on the disk again; the log takes writes");
        self.shared.set_status(None);
    }

    fn allocate(&mut self, to: u64, reserve: u64) -> Result<(), WriteError> {
        let active = &self.active;
        if to <= active.allocated {
            return Ok(());
        }
        let free = self.shared.storage.room().map_err(|error| self.fail("statvfs", &error))?.free;
        let usable = free.saturating_sub(reserve).saturating_add(active.allocated);
        if to > usable {
            return Err(self.disk_full());
        }
        let options = &self.shared.options;
        let step = (active.allocated + options.preallocate_bytes).min(options.segment_bytes);
        let to = to.max(step.min(usable));
        match self.active.file.allocate(to) {
            Err(error) if is_full(&error) => return Err(self.disk_full()),
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(self.fail("fallocate", &error)),
            _ => self.active.allocated = to,
        }
        Ok(())
    }

    /// Begins a new segment with a checkpoint and seals the one before.
    pub(crate) fn roll(&mut self, reserve: u64) -> Result<(), WriteError> {
        let name = Name(self.sequence);
        self.catalog.forget_producers(self.shared.options.max_producers);
        let mut group = self.builder(0);
        group.change(&Change::Checkpoint(self.catalog.clone(), self.shared.groups().clone()));
        let bytes = group.finish();
        let room = self.shared.storage.room().map_err(|error| self.fail("statvfs", &error))?;
        if room.free < reserve + bytes.len() as u64 {
            return Err(self.disk_full());
        }
        let file = match recovery::create_segment(&*self.shared.storage, name, &bytes) {
            Ok(file) => file,
            Err(error) if is_full(&error) => {
                self.rolling = recovery::remove_segment(&*self.shared.storage, name).is_err();
                return Err(self.disk_full());
            }
            Err(error) => return Err(self.fail("new segment", &error)),
        };
        let end = bytes.len() as u64;
        let active = Active {
            name,
            file: file.clone(),
            position: end,
            allocated: end,
            filled: end,
            begin: end,
            written_ms: now_ms(),
        };
        let sealed = std::mem::replace(&mut self.active, active);
        self.rolling = false;
        self.shared.segments_mut().insert(name, Segment { name, file, end, written_ms: 0 });
        self.seal(&sealed);
        self.sequence += 1;
        self.next_housekeeping = Instant::now();
        Ok(())
    }

    /// Writes zeros behind the next group, now and then: a sync of blocks that were written before spares the file system
    /// its journal, about half of the time. A large group goes without, its sync takes long enough anyway.
    pub(super) fn fill(&mut self, end: u64) -> io::Result<()> {
        let active = &mut self.active;
        let group = end - active.position;
        if end > active.filled && group <= LARGE_GROUP {
            let to = (end + FILL).min(active.allocated);
            for position in (end..to).step_by(ZEROS.len()) {
                let length = ZEROS.len().min((to - position) as usize);
                write_all(&*active.file, &ZEROS[..length], position)?;
            }
            active.filled = to;
        }
        active.filled = active.filled.max(end);
        Ok(())
    }
}

/// Bytes written ahead at once: few enough not to be felt in the sync they go out with.
const FILL: u64 = 256 << 10;
const LARGE_GROUP: u64 = 128 << 10;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

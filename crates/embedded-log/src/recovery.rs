//! Opening a log: making one where there is none, cutting off what a crash tore, refusing what a crash cannot have done.

mod replay;
mod sealed;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use bytes::Bytes;

pub(crate) use self::replay::{Replay, Stop, replay};
use crate::{
    catalog::{Catalog, Change, Groups},
    commit::{Active, Writer, now_ms},
    error::OpenError,
    format::{self, Format},
    group::GroupBuilder,
    index::{Index, SealedIndex},
    log::Shared,
    options::Options,
    segment::{End, Name, Segment},
    storage::{LockError, Storage, StorageFile, read_full, read_whole, write_all},
    topic::Topic,
};

/// Opens or makes the log; the writer is not running yet.
pub(crate) fn open(storage: Arc<dyn Storage>, mut options: Options) -> Result<(Arc<Shared>, Writer), OpenError> {
    options.segment_bytes = options.segment_bytes.min(LARGEST);
    options.backlog_bytes = options.backlog_bytes.min(LARGEST as usize);
    let found = Found::look(&*storage)?;
    options.reserve_bytes.get_or_insert_with(|| default_reserve(&*storage));
    let format = if found.has_format { Format::read(&*storage)? } else { found.make(&*storage)? };
    let segments = if found.has_format { found.segments } else { vec![Name(0)] };
    let opening = Opening { storage, format };
    let (newest, sealed) = opening.newest(segments)?;
    let sealed = opening.sealed(sealed, &newest)?;
    opening.assemble(newest, sealed, options)
}

/// See [`Options::reserve_bytes`].
pub(crate) fn default_reserve(storage: &dyn Storage) -> u64 {
    storage.room().map_or(0, |room| room.total / 20).min(256 << 20)
}

/// What is in the folder.
pub(crate) struct Found {
    pub(crate) has_format: bool,
    /// In order.
    pub(crate) segments: Vec<Name>,
    others: Vec<String>,
}

impl Found {
    /// Locks the folder and looks.
    pub(crate) fn look(storage: &dyn Storage) -> Result<Self, OpenError> {
        let folder = storage.path();
        storage.lock().map_err(|error| match error {
            LockError::Held(holder) => OpenError::Locked { folder: folder.clone(), holder },
            LockError::Io(error) => OpenError::Io { path: folder.clone(), error },
        })?;
        storage.list().map(Self::of).map_err(|error| OpenError::Io { path: folder, error })
    }

    /// These names.
    pub(crate) fn of(mut names: Vec<String>) -> Self {
        let has_format = names.iter().any(|name| name == format::FILE);
        let mut segments: Vec<_> = names.iter().filter_map(|name| Name::of_file(name)).collect();
        segments.sort_unstable();
        names.retain(|name| name != format::FILE && Name::of_file(name).is_none());
        Self { has_format, segments, others: names }
    }

    /// Makes a log, unless something is in the way that no interrupted making can have left.
    fn make(&self, storage: &dyn Storage) -> Result<Format, OpenError> {
        if let Some(problem) = self.in_the_way() {
            return Err(OpenError::NotALog { folder: storage.path(), problem });
        }
        self.make_anew(storage).map_err(|error| OpenError::Io { path: storage.path(), error })
    }

    /// Why no log can be made there, if so.
    pub(crate) fn in_the_way(&self) -> Option<String> {
        let begun = self.others.iter().any(|name| name == format::NEW_FILE);
        let in_the_way = self.others.iter().find(|name| *name != format::NEW_FILE && *name != "lost+found");
        match (self.segments.as_slice(), in_the_way) {
            ([Name(0)], None) if begun => None,
            ([], None) => None,
            ([], Some(other)) => Some(format!("there is no log in it, but '{other}'; use an empty folder")),
            _ => Some(format!("there are segments, but the file '{}' is missing", format::FILE)),
        }
    }

    fn make_anew(&self, storage: &dyn Storage) -> io::Result<Format> {
        // What an interrupted making left, in this order: a segment alone would be part of a log that lost its format.
        for name in &self.segments {
            storage.remove(&name.to_string())?;
        }
        if self.others.iter().any(|name| name == format::NEW_FILE) {
            storage.sync_folder()?; // also of what another making has removed
            storage.remove(format::NEW_FILE)?;
        }
        let format = Format::new().map_err(io::Error::other)?;
        format.write_new(storage)?;
        let mut group = GroupBuilder::new(format.mark, 0, 0);
        group.change(&Change::Checkpoint(Catalog::default(), Groups::default()));
        create_segment(storage, Name(0), &group.finish())?;
        storage.rename(format::NEW_FILE, format::FILE)?;
        storage.sync_folder()?;
        Ok(format)
    }
}

/// A log on its way to being open.
struct Opening {
    storage: Arc<dyn Storage>,
    format: Format,
}

/// The newest segment, replayed.
struct Newest {
    name: Name,
    file: Arc<dyn StorageFile>,
    bytes: Bytes,
    replay: Replay,
}

impl Opening {
    /// The newest segment that was ever in use, durable, and the names of those before it.
    fn newest(&self, mut names: Vec<Name>) -> Result<(Newest, Vec<Name>), OpenError> {
        let name = names.pop().ok_or_else(|| self.not_a_log("all its segments are missing".to_owned()))?;
        match self.replayed(name)? {
            Ok(newest) => {
                self.settle(&newest)?;
                Ok((newest, names))
            }
            Err(stop) => match names.pop() {
                Some(before) => Ok((self.without_unfinished(name, stop, before)?, names)),
                None => Err(stop.explain(self.path(name))),
            },
        }
    }

    fn replayed(&self, name: Name) -> Result<Result<Newest, Stop>, OpenError> {
        let file = self.storage.open(&name.to_string()).map_err(|error| self.io(name, error))?;
        let bytes = Bytes::from(read_whole(&*file).map_err(|error| self.io(name, error))?);
        Ok(replay(bytes.clone(), self.format, name).map(|replay| Newest { name, file, bytes, replay }))
    }

    /// The segment before one that was being made when the process ended. A segment is durable before its first use, and only
    /// then gets the one before it an index: without a whole first group it was never used, unless that index says otherwise.
    fn without_unfinished(&self, name: Name, stop: Stop, before: Name) -> Result<Newest, OpenError> {
        let unfinished = matches!(stop, Stop::NoCheckpoint(End::Clean | End::Torn(_)));
        if !unfinished || self.read_index(before).is_some_and(|index| index.last_sequence + 1 == name.0) {
            return Err(stop.explain(self.path(name)));
        }
        let newest = self.replayed(before)?.map_err(|stop| stop.explain(self.path(before)))?;
        if newest.replay.sequence != name.0 {
            return Err(self.groups_missing(before, &newest.replay, name));
        }
        tracing::warn!(file = %name, "removing a segment that was being made when the process ended");
        self.storage.remove(&name.to_string()).map_err(|error| self.io(name, error))?;
        self.settle(&newest)?;
        Ok(newest)
    }

    /// Cuts off a last group that a crash tore, which was never acknowledged, and makes durable what is left: it may stand in
    /// the system's cache only, where a process was killed, or where a failed sync has made the system forget that it does.
    fn settle(&self, newest: &Newest) -> Result<(), OpenError> {
        let Newest { name, file, bytes, replay } = newest;
        let position = replay.end;
        match &replay.tail {
            End::Clean => {}
            End::Torn(problem) => {
                tracing::warn!(file = %name, position, %problem, "cutting off a write that was not finished, nor acknowledged");
                file.set_length(position).map_err(|error| self.io(*name, error))?;
            }
            End::Damaged(problem, later) => {
                return Err(Stop::Damaged { position, problem: damage(problem, *later) }.explain(self.path(*name)));
            }
        }
        let last_group = &bytes[replay.last_group as usize..position as usize];
        let settled = write_all(&**file, last_group, replay.last_group)
            .and_then(|()| file.sync())
            .and_then(|()| self.storage.sync_folder());
        settled.map_err(|error| self.io(*name, error))
    }

    fn assemble(
        self,
        newest: Newest,
        sealed: Vec<(Segment, SealedIndex)>,
        options: Options,
    ) -> Result<(Arc<Shared>, Writer), OpenError> {
        let Newest { name, file, replay, .. } = newest;
        let topics = topics(&replay, name, &sealed).map_err(|problem| {
            let problem = format!("{problem}; the segments do not belong together");
            OpenError::Damaged { file: self.path(name), position: 0, problem }
        })?;
        let allocated = file.length().map_err(|error| self.io(name, error))?;
        let written_ms = now_ms();
        let mut segments: BTreeMap<_, _> = sealed.into_iter().map(|(segment, _)| (segment.name, segment)).collect();
        segments.insert(name, Segment { name, file: file.clone(), end: replay.end, written_ms });
        let shared = Shared::new(self.storage, options, self.format.id(), topics, replay.groups, segments);
        let shared = Arc::new(shared);
        let (position, begin) = (replay.end, replay.checkpoint_end);
        let active = Active { name, file, position, allocated, filled: position, begin, written_ms };
        let writer = Writer {
            shared: shared.clone(),
            format: self.format,
            catalog: replay.catalog,
            sequence: replay.sequence,
            active,
            producer_ids: 0..0,
            next_housekeeping: Instant::now(),
            rolling: false,
        };
        Ok((shared, writer))
    }

    fn path(&self, name: Name) -> PathBuf {
        self.storage.path().join(name.to_string())
    }

    fn not_a_log(&self, problem: String) -> OpenError {
        OpenError::NotALog { folder: self.storage.path(), problem }
    }

    fn io(&self, name: Name, error: io::Error) -> OpenError {
        OpenError::Io { path: self.path(name), error }
    }
}

/// Handles to all topics, with the index of each partition. `Err` with what does not fit.
fn topics(
    replay: &Replay,
    newest: Name,
    sealed: &[(Segment, SealedIndex)],
) -> Result<HashMap<Arc<str>, Arc<Topic>>, String> {
    let mut topics = HashMap::new();
    for (&id, state) in &replay.catalog.topics {
        let topic = Topic::new(id, &state.name, state.settings.clone());
        for (number, partition) in (0..).zip(&state.partitions) {
            let mut index = Index::default();
            let older = sealed.iter().map(|(segment, index)| (segment.name, &index.partitions));
            for (name, partitions) in older.chain([(newest, &replay.partitions)]) {
                let Some(batches) = partitions.get(&(id, number)) else { continue };
                if batches.base() < index.range().end {
                    return Err(format!("offset {} of {}/{number} comes twice", batches.base(), state.name));
                }
                index.push_segment(name, batches.clone());
            }
            if index.range().end > partition.next_offset {
                return Err(format!("{}/{number} goes beyond its end, {}", state.name, partition.next_offset));
            }
            index.end_at(partition.next_offset);
            topic.add_partition(index);
        }
        topics.insert(topic.name().clone(), topic);
    }
    Ok(topics)
}

/// Durably without a segment that was never used.
pub(crate) fn remove_segment(storage: &dyn Storage, name: Name) -> io::Result<()> {
    match storage.remove(&name.to_string()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => storage.sync_folder(),
    }
}

/// A new segment file with its first group, durable.
pub(crate) fn create_segment(storage: &dyn Storage, name: Name, checkpoint: &[u8]) -> io::Result<Arc<dyn StorageFile>> {
    let file_name = name.to_string();
    match storage.remove(&file_name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {} // left by a try before, never used
    }
    let file = storage.create(&file_name)?;
    write_all(&*file, checkpoint, 0)?;
    file.sync()?;
    storage.sync_folder()?;
    Ok(file)
}

/// The catalog as the first `end` bytes of a segment say.
pub(crate) fn catalog_of(file: &dyn StorageFile, end: u64, format: Format, name: Name) -> io::Result<Catalog> {
    let mut bytes = vec![0; usize::try_from(end).map_err(io::Error::other)?];
    read_full(file, &mut bytes, 0)?;
    match replay(bytes.into(), format, name) {
        Ok(replay) if replay.end == end => Ok(replay.catalog),
        _ => Err(io::Error::other("the segment does not hold what was written")),
    }
}

fn damage(problem: &dyn std::fmt::Display, later: usize) -> String {
    format!(
        "{problem}, and whole commit groups follow at byte {later}: no crash does that, so acknowledged records are affected"
    )
}

/// Of a segment, and of what may wait: so that places in a segment fit 32 bits.
const LARGEST: u64 = 1 << 30;

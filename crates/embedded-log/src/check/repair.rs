//! Mending a damaged log: the damaged files are moved aside, and what is whole in them is kept.

use std::{collections::BTreeMap, io, path::Path};

use super::{Lost, Report, pieces::Pieces, tally::Snapshot};
use crate::{
    catalog::{Catalog, Change, NewTopic},
    error::OpenError,
    format::Format,
    group::{Entry, Group, GroupBuilder},
    recovery::Found,
    segment::Name,
    storage::{DiskStorage, Storage, read_whole, write_file},
};

/// What a repair did.
#[derive(Debug, Default)]
pub struct Repaired {
    /// Names that the damaged files have now, in the same folder.
    pub moved_aside: Vec<String>,
    /// Names of the segments that were written anew from what was whole.
    pub rewritten: Vec<String>,
    /// Offsets that are gone.
    pub lost: Vec<Lost>,
}

/// One thing to mend.
#[derive(Debug)]
pub(super) enum Step {
    /// A segment with damaged ranges.
    Rewrite { name: Name, next: Option<Name>, before: Snapshot },
    /// A segment that is missing.
    Fill { first: Name, next: Name, before: Snapshot },
}

/// Mends what `report`, of the same folder and not older than its last change, found. A damaged file is kept under the name
/// `damaged-` and its own. Readers see a gap where records are gone; offsets are not used again.
///
/// # Errors
/// If the folder is held by another process or cannot be written.
pub fn repair(folder: &Path, report: &Report) -> Result<Repaired, OpenError> {
    let storage = DiskStorage::new(folder);
    repair_storage(&storage, report)
}

/// The same on any storage.
///
/// # Errors
/// As [`repair`].
pub fn repair_storage(storage: &dyn Storage, report: &Report) -> Result<Repaired, OpenError> {
    Found::look(storage)?;
    let format = Format::read(storage)?;
    let mut repaired = Repaired { lost: report.lost.clone(), ..Repaired::default() };
    for step in &report.plan {
        let done = match step {
            Step::Rewrite { name, next, before } => rewrite(storage, format, *name, *next, before, &mut repaired),
            Step::Fill { first, next, before } => fill(storage, format, *first, *next, before, &mut repaired),
        };
        done.map_err(|error| OpenError::Io { path: storage.path(), error })?;
    }
    Ok(repaired)
}

fn rewrite(
    storage: &dyn Storage,
    format: Format,
    name: Name,
    next: Option<Name>,
    before: &Snapshot,
    repaired: &mut Repaired,
) -> io::Result<()> {
    let file = name.to_string();
    let bytes = read_whole(&*storage.open(&file)?)?;
    let pieces = Pieces::of(&bytes, format.mark, name, next);
    let mut anew = Anew { format, bytes: Vec::with_capacity(bytes.len()) };
    let begins_whole = pieces.good.first().is_some_and(|first| first.range.start == 0);
    if !begins_whole {
        anew.group(name.0, &[Change::Checkpoint(before.catalog.clone(), before.groups.clone())]);
    }
    let mut bad = pieces.bad.iter().peekable();
    let mut good = pieces.good.iter().peekable();
    loop {
        let damaged_first = match (bad.peek(), good.peek()) {
            (None, None) => break,
            (Some(bad), Some(good)) => bad.range.start < good.range.start,
            (bad, _) => bad.is_some(),
        };
        if !damaged_first {
            anew.bytes.extend(good.next().map(|good| &bytes[good.range.clone()]).unwrap_or_default());
        } else if let Some(bad) = bad.next() {
            // A checkpoint in place of the first group has taken its sequence number.
            let from = if bad.range.start == 0 { name.0 + 1 } else { bad.from };
            if from < bad.to {
                let known = catalog_of(&anew.bytes, format);
                let behind = pieces.good.iter().map(|good| &bytes[good.range.clone()]).skip(anew.whole());
                let mut changes = vec![Change::Lost { next_sequence: bad.to }];
                changes.extend(missing_topics(&known, behind, format));
                anew.group(from, &changes);
            }
        }
    }
    let aside = free_name(storage, &format!("damaged-{file}"))?;
    storage.rename(&file, &aside)?;
    write_file(storage, &file, &anew.bytes)?;
    let _ = storage.remove(&name.index_file()); // made anew by the next start
    repaired.moved_aside.push(aside);
    repaired.rewritten.push(file);
    Ok(())
}

fn fill(
    storage: &dyn Storage,
    format: Format,
    first: Name,
    next: Name,
    before: &Snapshot,
    repaired: &mut Repaired,
) -> io::Result<()> {
    let mut anew = Anew { format, bytes: Vec::new() };
    anew.group(first.0, &[Change::Checkpoint(before.catalog.clone(), before.groups.clone())]);
    if first.0 + 1 < next.0 {
        anew.group(first.0 + 1, &[Change::Lost { next_sequence: next.0 }]);
    }
    write_file(storage, &first.to_string(), &anew.bytes)?;
    repaired.rewritten.push(first.to_string());
    Ok(())
}

/// A segment being written anew.
struct Anew {
    format: Format,
    bytes: Vec<u8>,
}

impl Anew {
    fn group(&mut self, sequence: u64, changes: &[Change]) {
        let mut group = GroupBuilder::new(self.format.mark, sequence, 0);
        changes.iter().for_each(|change| group.change(change));
        self.bytes.extend(group.finish());
    }

    /// Whole groups so far.
    fn whole(&self) -> usize {
        groups_of(&self.bytes, self.format).count()
    }
}

fn groups_of(bytes: &[u8], format: Format) -> impl Iterator<Item = Group<'_>> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let group = Group::first_of(bytes.get(position..)?, format.mark).ok()?;
        position += group.len();
        Some(group)
    })
}

/// What the groups so far make of the topics.
fn catalog_of(bytes: &[u8], format: Format) -> Catalog {
    let mut catalog = Catalog::default();
    for entry in groups_of(bytes, format).flat_map(|group| group.entries()) {
        if let Ok(Entry::Change(change)) = entry {
            catalog.apply(&change);
        }
    }
    catalog
}

/// Topics and partitions that later groups write to, and whose making was lost.
fn missing_topics<'a>(known: &Catalog, behind: impl Iterator<Item = &'a [u8]>, format: Format) -> Vec<Change> {
    let mut wanted: BTreeMap<u32, u32> = BTreeMap::new();
    let mut made = known.clone();
    for entry in behind.filter_map(|bytes| Group::first_of(bytes, format.mark).ok()).flat_map(|group| group.entries()) {
        match entry {
            Ok(Entry::Change(change)) => made.apply(&change),
            Ok(Entry::Batch { topic, partition, .. }) if made.partition(topic, partition).is_none() => {
                let partitions = wanted.entry(topic).or_default();
                *partitions = (*partitions).max(partition + 1);
            }
            _ => {}
        }
    }
    let changes = wanted.into_iter().map(|(id, partitions)| match known.topics.get(&id) {
        Some(_) => Change::PartitionsAdded { id, total: partitions },
        None => {
            Change::TopicCreated(NewTopic { id, name: format!("recovered-{id}"), partitions, settings: Vec::new() })
        }
    });
    changes.collect()
}

/// `name`, or `name-2` and so on if that is taken.
fn free_name(storage: &dyn Storage, name: &str) -> io::Result<String> {
    let taken = storage.list()?;
    let mut names = std::iter::once(name.to_owned()).chain((2_u32..).map(|nth| format!("{name}-{nth}")));
    names.find(|name| !taken.contains(name)).ok_or_else(|| io::ErrorKind::AlreadyExists.into())
}

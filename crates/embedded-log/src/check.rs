//! Looking over a whole log that no process holds: every group, every batch, every offset; and mending what can be mended.

mod pieces;
mod repair;
mod tally;

use std::{fmt, path::Path, sync::Arc};

pub use self::repair::{Repaired, repair, repair_storage};
use self::{
    pieces::{Bad, Pieces},
    tally::Tally,
};
use crate::{
    error::OpenError,
    format::Format,
    index::SealedIndex,
    recovery::Found,
    segment::Name,
    storage::{DiskStorage, Storage, read_whole},
};

/// What a look at a log found.
#[derive(Debug, Default)]
pub struct Report {
    /// Segment files.
    pub segments: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Whole commit groups.
    pub groups: u64,
    /// Batches in them.
    pub batches: u64,
    /// Records in those.
    pub records: u64,
    /// Topics there are, by name.
    pub topics: Vec<String>,
    /// What a start mends by itself: a write that was not finished, an index to be made anew.
    pub notes: Vec<Finding>,
    /// What is damaged. Empty: the log is whole.
    pub findings: Vec<Finding>,
    /// Offsets that are gone with it, as far as the rest tells.
    pub lost: Vec<Lost>,
    plan: Vec<repair::Step>,
}

/// Something about a place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Name of the file in the folder.
    pub file: String,
    /// First byte.
    pub position: u64,
    /// Number of bytes; 0 if the file is missing.
    pub length: u64,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, position, length, problem } = self;
        match length {
            0 => write!(f, "{file}: {problem}"),
            _ => write!(f, "{file}, bytes {position} to {}: {problem}", position + length),
        }
    }
}

/// Offsets of a partition that are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Name of the topic, or `#` and its number if the name is gone too.
    pub topic: String,
    /// Partition, from 0.
    pub partition: i32,
    /// First offset that is gone.
    pub first: i64,
    /// Last offset that is gone.
    pub last: i64,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, partition, first, last } = self;
        write!(f, "{topic}, partition {partition}: offsets {first} to {last}")
    }
}

/// Looks over the log in `folder` and changes nothing. Reads all of it.
///
/// # Errors
/// If another process holds it, if it is no log, or if it cannot be read. Damage is no error: it is in the report.
pub fn check(folder: &Path) -> Result<Report, OpenError> {
    check_storage(Arc::new(DiskStorage::new(folder)))
}

/// The same on any storage.
///
/// # Errors
/// As [`check`].
pub fn check_storage(storage: Arc<dyn Storage>) -> Result<Report, OpenError> {
    let storage = &*storage;
    let found = Found::look(storage)?;
    if !found.has_format {
        let problem = "there is no log in it".to_owned();
        return Err(OpenError::NotALog { folder: storage.path(), problem });
    }
    let format = Format::read(storage)?;
    let mut look = Look { storage, format, report: Report::default(), tally: Tally::default() };
    look.segments(&found.segments)?;
    Ok(look.finish())
}

/// A check under way.
struct Look<'a> {
    storage: &'a dyn Storage,
    format: Format,
    report: Report,
    tally: Tally,
}

impl Look<'_> {
    fn segments(&mut self, names: &[Name]) -> Result<(), OpenError> {
        let mut next = None;
        for (nth, &name) in names.iter().enumerate() {
            if let Some(expected) = next.filter(|expected| *expected < name.0) {
                self.missing(Name(expected), name);
            }
            next = Some(self.segment(name, names.get(nth + 1).copied())?);
        }
        if names.is_empty() {
            let problem = "all its segments are missing".to_owned();
            return Err(OpenError::NotALog { folder: self.storage.path(), problem });
        }
        let first = Name(self.tally.catalog.first_segment);
        if first < names[0] {
            self.missing(first, names[0]);
        }
        Ok(())
    }

    /// Gives the sequence number that must come after it.
    fn segment(&mut self, name: Name, next: Option<Name>) -> Result<u64, OpenError> {
        let file = name.to_string();
        let io = |error| OpenError::Io { path: self.storage.path().join(name.to_string()), error };
        let bytes = read_whole(&*self.storage.open(&file).map_err(io)?).map_err(io)?;
        self.report.segments += 1;
        self.report.bytes += bytes.len() as u64;

        let pieces = Pieces::of(&bytes, self.format.mark, name, next);
        self.report.groups += pieces.good.len() as u64;
        let mut problems = Vec::new();
        let before = self.tally.snapshot();
        for piece in &pieces.good {
            self.tally.group(&bytes[piece.range.clone()], self.format.mark, &mut problems);
        }
        for problem in problems {
            self.report.findings.push(Finding { file: file.clone(), position: 0, length: bytes.len() as u64, problem });
        }
        if let Some((position, problem)) = pieces.unfinished {
            let length = (bytes.len() - position) as u64;
            let problem =
                format!("{problem}: a write that was not finished, nor acknowledged; the next start cuts it off");
            self.report.notes.push(Finding { file: file.clone(), position: position as u64, length, problem });
        }
        for bad in &pieces.bad {
            self.report.findings.push(finding(&file, bad));
        }
        if !pieces.bad.is_empty() {
            self.report.plan.push(repair::Step::Rewrite { name, next, before });
        } else if next.is_some() {
            self.index(name);
        }
        Ok(pieces.next_sequence)
    }

    fn index(&mut self, name: Name) {
        let file = name.index_file();
        let Ok(opened) = self.storage.open(&file) else {
            return; // the next start makes it
        };
        let index = read_whole(&*opened).ok().and_then(|bytes| SealedIndex::decode(&bytes));
        if index.is_none() {
            let problem = "not the bytes of an index; the next start makes it anew".to_owned();
            self.report.notes.push(Finding { file, position: 0, length: opened.length().unwrap_or(1).max(1), problem });
        }
    }

    fn missing(&mut self, first: Name, next: Name) {
        let problem = format!("missing; it held the commit groups {} to {}", first.0, next.0 - 1);
        self.report.findings.push(Finding { file: first.to_string(), position: 0, length: 0, problem });
        self.report.plan.push(repair::Step::Fill { first, next, before: self.tally.snapshot() });
    }

    fn finish(mut self) -> Report {
        self.report.batches = self.tally.batches;
        self.report.records = self.tally.records;
        self.report.topics = self.tally.catalog.topics.values().map(|topic| topic.name.clone()).collect();
        self.report.topics.sort_unstable();
        self.report.lost = self.tally.lost();
        self.report
    }
}

fn finding(file: &str, bad: &Bad) -> Finding {
    let problem = match bad.sequences() {
        Some((first, last)) if first == last => format!("{}; commit group {first} is lost", bad.problem),
        Some((first, last)) => format!("{}; commit groups {first} to {last} are lost", bad.problem),
        None => bad.problem.to_string(),
    };
    Finding { file: file.to_owned(), position: bad.range.start as u64, length: bad.range.len() as u64, problem }
}

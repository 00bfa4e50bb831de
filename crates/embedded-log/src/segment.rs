//! Segment files: their names, and reading one from its first group to its last.

use std::{fmt, sync::Arc};

use memchr::memmem;
use serde::{Deserialize, Serialize};

use crate::{
    catalog::Change,
    group::{Entry, Group, NoGroup},
    storage::StorageFile,
};

/// A segment is named after the sequence number of its first commit group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Name(pub(crate) u64);

impl Name {
    /// Of `00000000000000000042.log`.
    pub(crate) fn of_file(file: &str) -> Option<Self> {
        let digits = file.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok().map(Self))?
    }

    pub(crate) fn index_file(self) -> String {
        format!("{:020}.index", self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}.log", self.0)
    }
}

/// An open segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) name: Name,
    pub(crate) file: Arc<dyn StorageFile>,
    /// Where its last group ends; of the newest one, where it ended when it was made or opened.
    pub(crate) end: u64,
    /// When it was written last, ms since 1970; meaningful once sealed.
    pub(crate) written_ms: i64,
}

/// The groups of a segment's bytes, in order.
#[derive(Debug)]
pub(crate) struct Groups<'a> {
    bytes: &'a [u8],
    mark: [u8; 8],
    /// Where the next group begins.
    pub(crate) position: usize,
    /// The sequence number it must have.
    pub(crate) sequence: u64,
}

/// Why there is no next group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing but zeros, or nothing at all.
    Clean,
    /// Something, and no whole later group behind it: what a crash leaves.
    Torn(NoGroup),
    /// Something wrong with a whole later group behind it, at that position.
    Damaged(NoGroup, usize),
}

impl<'a> Groups<'a> {
    pub(crate) fn new(bytes: &'a [u8], mark: [u8; 8], name: Name) -> Self {
        Self { bytes, mark, position: 0, sequence: name.0 }
    }

    /// The next group and where it begins.
    pub(crate) fn next(&mut self) -> Result<(usize, Group<'a>), End> {
        let position = self.position;
        let rest = self.bytes.get(position..).unwrap_or_default();
        match Group::first_of(rest, self.mark) {
            Ok(group) if group.sequence == self.sequence => {
                self.position += group.len();
                self.sequence = lost_up_to(&group).unwrap_or(self.sequence + 1);
                Ok((position, group))
            }
            Ok(_) => Err(self.end(NoGroup::Sequence)),
            Err(problem) => Err(self.end(problem)),
        }
    }

    /// Goes on at a later group, as a repair does.
    pub(crate) fn skip_to(&mut self, position: usize, sequence: u64) {
        (self.position, self.sequence) = (position, sequence);
    }

    /// Sequence number of the whole group at a position.
    pub(crate) fn sequence_at(&self, position: usize) -> Option<u64> {
        Group::first_of(self.bytes.get(position..)?, self.mark).ok().map(|group| group.sequence)
    }

    fn end(&self, problem: NoGroup) -> End {
        match self.later_group() {
            Some(position) => End::Damaged(problem, position),
            None if self.bytes.get(self.position..).unwrap_or_default().iter().all(|byte| *byte == 0) => End::Clean,
            None => End::Torn(problem),
        }
    }

    /// Position of the first whole group with a later sequence number, or with this one but not here.
    fn later_group(&self) -> Option<usize> {
        let from = self.position;
        let rest = self.bytes.get(from..)?;
        memmem::find_iter(rest, &self.mark).find_map(|at| {
            let group = Group::first_of(&rest[at..], self.mark).ok()?;
            (group.sequence >= self.sequence).then_some(from + at)
        })
    }
}

/// Where a repair left a hole, the sequence number of the group behind it.
fn lost_up_to(group: &Group<'_>) -> Option<u64> {
    match group.entries().next()?.ok()? {
        Entry::Change(change) => match *change {
            Change::Lost { next_sequence } => Some(next_sequence),
            _ => None,
        },
        Entry::Batch { .. } => None,
    }
}

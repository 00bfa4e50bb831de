//! A segment's bytes as pieces: whole groups, damaged ranges between them, an unfinished tail.

use std::ops::Range;

use crate::{
    group::NoGroup,
    segment::{End, Groups, Name},
};

/// What a segment's bytes are.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pub(super) good: Vec<Good>,
    pub(super) bad: Vec<Bad>,
    /// Of the newest segment: where a write begins that a crash tore.
    pub(super) unfinished: Option<(usize, NoGroup)>,
    /// Sequence number of the group that comes next.
    pub(super) next_sequence: u64,
}

/// A whole group.
#[derive(Debug)]
pub(super) struct Good {
    pub(super) range: Range<usize>,
}

/// A range that is not whole groups.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) range: Range<usize>,
    pub(super) problem: NoGroup,
    /// Sequence number that had to come.
    pub(super) from: u64,
    /// Sequence number of the group behind.
    pub(super) to: u64,
}

impl Bad {
    /// First and last sequence number that are lost.
    pub(super) fn sequences(&self) -> Option<(u64, u64)> {
        (self.from < self.to).then(|| (self.from, self.to - 1))
    }
}

impl Pieces {
    /// `next` is the segment behind it; only the newest has none.
    pub(super) fn of(bytes: &[u8], mark: [u8; 8], name: Name, next: Option<Name>) -> Self {
        let (mut groups, mut pieces) = (Groups::new(bytes, mark, name), Self::default());
        let tail = loop {
            match groups.next() {
                Ok((position, group)) => pieces.good.push(Good { range: position..position + group.len() }),
                Err(End::Damaged(problem, later)) => {
                    let (start, from) = (groups.position, groups.sequence);
                    let to = groups.sequence_at(later).unwrap_or(from);
                    pieces.bad.push(Bad { range: start..later, problem, from, to });
                    groups.skip_to(later, to);
                }
                Err(tail) => break tail,
            }
        };
        pieces.next_sequence = groups.sequence;
        let end = groups.position;
        match (next, tail) {
            (Some(next), End::Torn(problem)) if groups.sequence != next.0 => {
                pieces.bad.push(Bad { range: end..bytes.len(), problem, from: groups.sequence, to: next.0 });
                pieces.next_sequence = next.0;
            }
            (None, End::Torn(problem)) => pieces.unfinished = Some((end, problem)),
            _ => {} // zeros, or what stands behind the last group of a sealed segment
        }
        pieces
    }
}

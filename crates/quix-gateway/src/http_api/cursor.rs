//! `Cursor`: how far a reader has come in every partition of a topic, as text that it gives back to go on there.
//!
//! ```text
//! 0:120,1:77             next are offset 120 of partition 0 and offset 77 of partition 1
//! 0:120.2                of the record at 120 two messages were handed out already
//! 0:120~117@1764200000   pieces of a message that is incomplete at 120 begin at 117; its latest came at that time, in seconds
//! ```
//! A partition that is not named was added later: it is read from its first record on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use kafka_bridge::broker::{NextOffset, PartitionPositions, Start};

/// Places by partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cursor(BTreeMap<i32, Place>);

/// How far a reader has come in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Offset of the next record.
    pub(super) next: i64,
    /// Messages of that record that were handed out already.
    pub(super) given: usize,
    pub(super) incomplete: Option<Incomplete>,
}

/// A message that has come in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incomplete {
    /// Where its pieces begin, before the next record: where to read from so that none is missed.
    pub(super) from: i64,
    /// Seconds since 1970, by the server's clock, when its latest piece was read first.
    pub(super) since: u64,
}

impl Place {
    pub(super) fn at(next: i64) -> Self {
        Self { next, given: 0, incomplete: None }
    }

    /// Where a read that goes on here begins.
    pub(super) fn from(&self) -> i64 {
        self.incomplete.map_or(self.next, |incomplete| incomplete.from)
    }
}

impl Cursor {
    /// At these offsets, by partition from 0 on.
    pub(super) fn at(offsets: impl IntoIterator<Item = i64>) -> Self {
        Self((0..).zip(offsets).map(|(partition, offset)| (partition, Place::at(offset))).collect())
    }

    /// At the start of a partition that it does not know.
    pub(super) fn place(&self, partition: i32) -> Place {
        self.0.get(&partition).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, partition: i32, place: Place) {
        self.0.insert(partition, place);
    }

    /// Names the partitions that the topic has, and no others. Where it stands beyond the end, the records that it speaks of are
    /// not there any more, and those that are were never read: what it is to [go on](Self::moved) with, when that was told.
    pub(super) fn fit(&mut self, positions: &[PartitionPositions]) -> Vec<NextOffset> {
        self.0 = positions.iter().map(|position| (position.partition, self.place(position.partition))).collect();
        let is_beyond = |position: &&PartitionPositions| {
            let Place { next, given, .. } = self.place(position.partition);
            next > position.end || next == position.end && given > 0
        };
        let first =
            |position: &PartitionPositions| NextOffset { partition: position.partition, offset: position.earliest };
        positions.iter().filter(is_beyond).map(first).collect()
    }

    /// The same, but here in these partitions.
    pub(super) fn moved(&self, to: &[NextOffset]) -> Self {
        let mut moved = self.clone();
        to.iter().for_each(|next| moved.set(next.partition, Place::at(next.offset)));
        moved
    }

    /// Where a read that goes on here begins.
    pub(super) fn start(&self) -> Start {
        let next = |(partition, place): (&i32, &Place)| NextOffset { partition: *partition, offset: place.from() };
        Start::At(self.0.iter().map(next).collect())
    }

    /// Whether nothing stands between here and these ends.
    pub(super) fn is_at_end_of(&self, positions: &[PartitionPositions]) -> bool {
        positions.iter().all(|position| self.place(position.partition) == Place::at(position.end))
    }

    /// Gives up messages of this partition that have been incomplete since `oldest` or before.
    pub(super) fn give_up(&mut self, partition: i32, oldest: u64) {
        if let Some(place) = self.0.get_mut(&partition)
            && place.given == 0
        {
            place.incomplete.take_if(|incomplete| incomplete.since <= oldest);
        }
    }

    /// Those that it names.
    pub(super) fn partitions(&self) -> BTreeSet<i32> {
        self.0.keys().copied().collect()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (partition, Place { next, given, incomplete })) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{partition}:{next}")?;
            if *given > 0 {
                write!(f, ".{given}")?;
            }
            if let Some(Incomplete { from, since }) = incomplete {
                write!(f, "~{from}@{since}")?;
            }
        }
        Ok(())
    }
}

/// The text is no cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut cursor = Self::default();
        for item in text.split(',') {
            let (partition, place) = item.split_once(':').ok_or(NoCursor)?;
            let partition = i32::try_from(number(partition)?).map_err(|_| NoCursor)?;
            if cursor.0.insert(partition, place.parse()?).is_some() {
                return Err(NoCursor);
            }
        }
        Ok(cursor)
    }
}

impl FromStr for Place {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (place, incomplete) = text.split_once('~').map_or((text, None), |(place, rest)| (place, Some(rest)));
        let (next, given) = place.split_once('.').map_or((place, None), |(next, given)| (next, Some(given)));
        let next = number(next)?;
        let given = given.map_or(Ok(0), number)? as usize;
        let incomplete = incomplete.map(|text| {
            let (from, since) = text.split_once('@').ok_or(NoCursor)?;
            let incomplete = Incomplete { from: number(from)?, since: number(since)? as u64 };
            (incomplete.from < next).then_some(incomplete).ok_or(NoCursor)
        });
        Ok(Self { next, given, incomplete: incomplete.transpose()? })
    }
}

/// Digits only: `+1` is none.
fn number(text: &str) -> Result<i64, NoCursor> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(NoCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_its_text() {
        for text in ["0:0", "0:120,1:77", "0:120.2,3:5~4@1764200000", "2:9.1~3@0", "0:9223372036854775807"] {
            assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
        }
        let bad = [
            "",
            "0",
            "0:",
            ":1",
            "0:-1",
            "0:+1",
            "0:1,",
            ",0:1",
            "0:1,0:2",
            "0:1~1@0",
            "0:2~1",
            "0:2~1@",
            "0:2~@1",
            "0:2~1@x",
            "0:1.",
            "0:1~",
            "a:1",
            "0:1 ",
            "2147483648:1",
            "-1:1",
            "0:9223372036854775808",
            "0:1.x",
            "0:1~0@0.1",
        ];
        for text in bad {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }

    #[test]
    fn it_is_fitted_to_the_partitions_that_there_are_and_to_their_ends() {
        let mut cursor: Cursor = "0:12~10@7,2:7.1,3:8,4:5.2,5:5.2,9:1".parse().unwrap();
        let positions = [(0, 0, 12), (1, 5, 9), (2, 3, 6), (3, 0, 8), (4, 1, 5), (5, 1, 6)];
        let positions = positions.map(|(partition, earliest, end)| PartitionPositions { partition, earliest, end });
        let next = |(partition, offset)| NextOffset { partition, offset };
        let cut_back = cursor.fit(&positions);
        assert_eq!(cut_back, [(2, 3), (4, 1)].map(next), "of the record at 5 there is nothing any more");
        assert_eq!(cursor.to_string(), "0:12~10@7,1:0,2:7.1,3:8,4:5.2,5:5.2", "until it was told");
        let moved = cursor.moved(&cut_back);
        assert_eq!(moved.to_string(), "0:12~10@7,1:0,2:3,3:8,4:1,5:5.2");
        assert_eq!(moved.start(), Start::At([(0, 10), (1, 0), (2, 3), (3, 8), (4, 1), (5, 5)].map(next).into()));
    }

    #[test]
    fn it_is_at_the_end_if_it_has_everything_whole() {
        let ends = |ends: &[i64]| -> Vec<_> {
            let position = |(partition, end): (i32, &i64)| PartitionPositions { partition, earliest: 0, end: *end };
            (0..).zip(ends).map(position).collect()
        };
        let cursor = Cursor::at([3, 4]);
        assert!(cursor.is_at_end_of(&ends(&[3, 4])) && cursor.is_at_end_of(&ends(&[3, 4, 0])));
        for other in [&[3, 5][..], &[2, 4], &[3, 4, 1]] {
            assert!(!cursor.is_at_end_of(&ends(other)), "{other:?}");
        }
        assert!(!"0:3.1,1:4".parse::<Cursor>().unwrap().is_at_end_of(&ends(&[3, 4])));
        assert!(!"0:3~2@1,1:4".parse::<Cursor>().unwrap().is_at_end_of(&ends(&[3, 4])));
    }

    #[test]
    fn what_has_been_incomplete_for_too_long_is_given_up() {
        let mut cursor: Cursor = "0:3~2@100,1:4~1@101,2:4.1~1@100".parse().unwrap();
        (0..4).for_each(|partition| cursor.give_up(partition, 100));
        assert_eq!(cursor.to_string(), "0:3,1:4~1@101,2:4.1~1@100");
    }
}

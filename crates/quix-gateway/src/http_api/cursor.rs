//! `Cursor`: how far a reader has come in every partition of a topic, as text that it gives back to go on there.
//!
//! ```text
//! 0:120,1:77      next are offset 120 of partition 0 and offset 77 of partition 1
//! 0:120.2         of the record at 120 two messages were handed out already
//! 0:120~117       pieces of records that are incomplete at 120 begin at 117
//! ```
//! A partition that is not named was added later: it is read from its first record on.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use kafka_bridge::broker::{PartitionPositions, Start};

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
    /// Where to read from so that nothing that is in pieces is missed; at most `next`.
    pub(super) from: i64,
}

impl Place {
    pub(super) fn at(next: i64) -> Self {
        Self { next, given: 0, from: next }
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

    /// Where a read that goes on here begins.
    pub(super) fn start(&self) -> Start {
        let partitions = self.0.last_key_value().map_or(0, |(last, _)| last + 1);
        Start::Offsets((0..partitions).map(|partition| self.place(partition).from).collect())
    }

    /// Whether nothing stands between here and these ends.
    pub(super) fn is_at_end_of(&self, positions: &[PartitionPositions]) -> bool {
        positions.iter().all(|position| self.place(position.partition) == Place::at(position.end))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (partition, Place { next, given, from })) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{partition}:{next}")?;
            if *given > 0 {
                write!(f, ".{given}")?;
            }
            if from < next {
                write!(f, "~{from}")?;
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
            let partition = number(partition)?;
            let partition = i32::try_from(partition).ok().filter(|number| *number < MAX_PARTITIONS).ok_or(NoCursor)?;
            let (place, from) = place.split_once('~').map_or((place, None), |(place, from)| (place, Some(from)));
            let (next, given) = place.split_once('.').map_or((place, None), |(next, given)| (next, Some(given)));
            let next = number(next)?;
            let given = given.map_or(Ok(0), number)? as usize;
            let from = from.map_or(Ok(next), number)?;
            if from > next || cursor.0.insert(partition, Place { next, given, from }).is_some() {
                return Err(NoCursor);
            }
        }
        Ok(cursor)
    }
}

/// Digits only: `+1` is none.
fn number(text: &str) -> Result<i64, NoCursor> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(NoCursor)
}

/// More than any topic has; what a client writes must not make us fill a list without bound.
const MAX_PARTITIONS: i32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_its_text() {
        for text in ["0:0", "0:120,1:77", "0:120.2,3:5~4", "2:9.1~3", "0:9223372036854775807"] {
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
            "0:1~2",
            "0:1.",
            "0:1~",
            "a:1",
            "0:1 ",
            "100000:1",
            "-1:1",
            "0:9223372036854775808",
            "0:1.x",
            "0:1~0.1",
        ];
        for text in bad {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }

    #[test]
    fn partitions_that_are_not_named_are_read_from_their_first_record_on() {
        let cursor: Cursor = "0:12~10,2:7.1".parse().unwrap();
        assert_eq!(cursor.start(), Start::Offsets([10, 0, 7].into()));
        assert_eq!(Cursor::at([]).start(), Start::Offsets([].into()));
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
        assert!(!"0:3~2,1:4".parse::<Cursor>().unwrap().is_at_end_of(&ends(&[3, 4])));
    }
}

//! `Mark`: what a record of an import says of itself, in a header, and `Stored`: the rows that such records hold. By these
//! an import that was cut off finds out what arrived.

use std::fmt;
use std::str::FromStr;

/// The rows that a record holds, of which import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Id of the import.
    pub import: String,
    /// Number of the first row.
    pub first_row: u64,
    /// Number of the last row.
    pub last_row: u64,
}

impl Mark {
    /// The header's name.
    pub const HEADER: &'static str = "streamgate-import";
}

/// `IMPORT:FIRST-LAST`.
impl fmt::Display for Mark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}-{}", self.import, self.first_row, self.last_row)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (import, rows) = text.rsplit_once(':').ok_or(())?;
        let (first_row, last_row) = rows.split_once('-').ok_or(())?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| ());
        Ok(Self { import: import.to_owned(), first_row: number(first_row)?, last_row: number(last_row)? })
    }
}

/// Rows that are stored, as ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored(Vec<(u64, u64)>);

impl Stored {
    /// Adds the rows of a record.
    pub fn add(&mut self, first_row: u64, last_row: u64) {
        if last_row < first_row {
            return;
        }
        let from = self.0.partition_point(|(_, last)| last.saturating_add(1) < first_row);
        let joined = self.0[from..].partition_point(|(first, _)| *first <= last_row.saturating_add(1));
        if joined == 0 {
            self.0.insert(from, (first_row, last_row));
            return;
        }
        let to = from + joined;
        self.0[from] = (self.0[from].0.min(first_row), self.0[to - 1].1.max(last_row));
        self.0.drain(from + 1..to);
    }

    /// About how much memory it takes, in bytes.
    pub fn size(&self) -> usize {
        self.0.capacity() * size_of::<(u64, u64)>()
    }

    /// The last of them; 0 if there is none.
    pub fn last(&self) -> u64 {
        self.0.last().map_or(0, |(_, last)| *last)
    }

    /// Whether a row is among them.
    pub fn holds(&self, row: u64) -> bool {
        let place = self.0.partition_point(|(_, last)| *last < row);
        self.0.get(place).is_some_and(|(first, _)| *first <= row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_in_what_was_added_in_any_order() {
        let mut stored = Stored::default();
        for (first, last) in [(11, 20), (1, 5), (31, 40), (21, 30), (50, 50), (1, 5), (12, 13), (8, 7)] {
            stored.add(first, last);
        }
        assert_eq!(stored.0, [(1, 5), (11, 40), (50, 50)]);
        assert_eq!((stored.last(), Stored::default().last()), (50, 0));
        let held: Vec<_> = (0..60).filter(|row| stored.holds(*row)).collect();
        let expected: Vec<_> = (1..=5).chain(11..=40).chain([50]).collect();
        assert_eq!(held, expected);
    }

    #[test]
    fn a_range_joins_all_that_it_touches() {
        let mut stored = Stored::default();
        for first in [1, 11, 21, 31, 41] {
            stored.add(first, first + 4);
        }
        stored.add(16, 30);
        assert_eq!(stored.0, [(1, 5), (11, 35), (41, 45)]);
        stored.add(0, 90);
        assert_eq!(stored.0, [(0, 90)]);
        stored.add(95, u64::MAX);
        stored.add(91, 94);
        assert_eq!(stored.0, [(0, u64::MAX)]);
    }

    #[test]
    fn marks_are_read_as_written() {
        let mark = Mark { import: "a:b-c".to_owned(), first_row: 7, last_row: 12 };
        assert_eq!(mark.to_string(), "a:b-c:7-12");
        assert_eq!(mark.to_string().parse(), Ok(mark));
        for text in ["", "a", "a:1", "a:1-", "a:x-2"] {
            assert_eq!(text.parse::<Mark>(), Err(()), "{text}");
        }
    }
}

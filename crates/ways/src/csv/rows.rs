//! `Rows`: the syntax. Bytes go in as they come, rows come out; nothing is held but the row that is not complete yet.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Cuts bytes into rows of cells: quotes, doubled quotes, and line breaks within quotes; rows end with LF, CRLF or CR, and
/// empty lines are none.
#[derive(Debug)]
pub(super) struct Rows {
    core: Reader,
    delimiter: u8,
    cells: Vec<u8>,
    ends: Vec<usize>,
    /// Of the row that is not complete.
    used: Used,
    /// Of the row before.
    row: Used,
}

/// Where within a row bytes end, as far as the bytes behind it ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At the beginning of a cell, where a quote would open one.
    Start,
    /// In a cell without quotes.
    Plain,
    Quoted,
}

#[derive(Debug, Clone, Copy, Default)]
struct Used {
    bytes: usize,
    cells: usize,
    is_oversized: bool,
}

/// What a look at more bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A row: see [`Rows::cells`].
    Row,
    /// Longer than [`MAX_ROW_BYTES`], or of more than 4,096 cells.
    Oversized,
    /// The bytes do not hold the end of the row.
    Incomplete,
    /// After the last row; only when told that nothing more comes.
    End,
}

/// The cells of a row, without their quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cells<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl Rows {
    pub(super) fn new(delimiter: u8) -> Self {
        let core = ReaderBuilder::new().delimiter(delimiter).build();
        let (used, row) = Default::default();
        Self { core, delimiter, cells: vec![0; 4096], ends: vec![0; 64], used, row }
    }

    /// As if the beginning of a row had been read already that is too long.
    pub(super) fn within_oversized(delimiter: u8, place: Place) -> Self {
        let mut rows = Self::new(delimiter);
        rows.next(&[match place {
            Place::Start => delimiter,
            Place::Plain => b'x',
            Place::Quoted => b'"',
        }]);
        rows.used.is_oversized = true;
        rows
    }

    /// Reads on to the end of a row, or of the bytes. No bytes at all say that nothing more comes. How many bytes were
    /// taken, and what they came to.
    pub(super) fn next(&mut self, input: &[u8]) -> (usize, Step) {
        let mut taken = 0;
        loop {
            let (cells, ends) = (&mut self.cells[self.used.bytes..], &mut self.ends[self.used.cells..]);
            let (result, read, bytes, cells) = self.core.read_record(&input[taken..], cells, ends);
            taken += read;
            self.used.bytes += bytes;
            self.used.cells += cells;
            match result {
                ReadRecordResult::InputEmpty => return (taken, Step::Incomplete),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    self.used.make_room(&mut self.cells, &mut self.ends);
                }
                ReadRecordResult::End => return (taken, Step::End),
                ReadRecordResult::Record => break,
            }
        }
        self.row = std::mem::take(&mut self.used);
        (taken, if self.row.is_oversized { Step::Oversized } else { Step::Row })
    }

    /// The row that was read last.
    pub(super) fn cells(&self) -> Cells<'_> {
        Cells { bytes: &self.cells[..self.row.bytes], ends: &self.ends[..self.row.cells] }
    }

    /// Where bytes end that hold no end of a row, read after `begin`; the last of them is no quote.
    pub(super) fn place_behind(bytes: &[u8], begin: impl Fn() -> Self) -> Place {
        let is_open_after = |more: &[u8]| {
            let mut rows = begin();
            rows.next(bytes);
            rows.next(more).1 == Step::Incomplete
        };
        match (is_open_after(b"\n"), is_open_after(b"\"\n")) {
            (true, _) => Place::Quoted,
            (false, true) => Place::Start,
            (false, false) => Place::Plain,
        }
    }

    pub(super) fn delimiter(&self) -> u8 {
        self.delimiter
    }
}

impl Used {
    /// For the rest of the row, of which nothing is kept once it is too long.
    fn make_room(&mut self, cells: &mut Vec<u8>, ends: &mut Vec<usize>) {
        if self.bytes >= MAX_ROW_BYTES || self.cells >= MAX_CELLS {
            *self = Self { is_oversized: true, ..Self::default() };
            return;
        }
        if self.bytes == cells.len() {
            cells.resize((2 * cells.len()).min(MAX_ROW_BYTES), 0);
        }
        if self.cells == ends.len() {
            ends.resize((2 * ends.len()).min(MAX_CELLS), 0);
        }
    }
}

impl<'a> Cells<'a> {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let (bytes, ends) = (self.bytes, self.ends);
        (0..ends.len()).map(move |index| {
            let start = if index == 0 { 0 } else { ends[index - 1] };
            &bytes[start..ends[index]]
        })
    }
}

/// Longest row in bytes, quotes not counted.
pub const MAX_ROW_BYTES: usize = 256 * 1024;

pub(super) const MAX_CELLS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_line_breaks_and_delimiters_are_told_apart() {
        for (delimiter, text, expected) in [
            (b',', "a,b\nc,d\n", vec![vec!["a", "b"], vec!["c", "d"]]),
            (b',', "a,b\r\n\r\nc,d", vec![vec!["a", "b"], vec!["c", "d"]]),
            (b',', "a\rb\r", vec![vec!["a"], vec!["b"]]),
            (b',', "\"a\nb\",\"c\r\nd\"\nx,y", vec![vec!["a\nb", "c\r\nd"], vec!["x", "y"]]),
            (b',', "\"a \"\"b\"\"\",\"\"\n", vec![vec!["a \"b\"", ""]]),
            (b';', "a,b;c\n", vec![vec!["a,b", "c"]]),
            (b'\t', "a\t\"b\tc\"\n", vec![vec!["a", "b\tc"]]),
            (b',', ",\n,,\n", vec![vec!["", ""], vec!["", "", ""]]),
            (b',', "a\"b,c\n", vec![vec!["a\"b", "c"]]),
            (b',', "", vec![]),
            (b',', "\n\n", vec![]),
        ] {
            assert_eq!(all(delimiter, text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_row_too_long_is_told_and_the_next_is_read() {
        let long = "x".repeat(MAX_ROW_BYTES + 1);
        for (long, name) in [(long.clone(), "bytes"), (",".repeat(MAX_CELLS), "cells")] {
            let text = format!("a,b\n{long},2\nc,d\n");
            let mut rows = Rows::new(b',');
            let mut rest = text.as_bytes();
            let mut seen = Vec::new();
            loop {
                let (taken, step) = rows.next(rest);
                seen.push(match step {
                    Step::Row => rows.cells().len(),
                    Step::Oversized => 0,
                    Step::Incomplete | Step::End => break,
                });
                rest = &rest[taken..];
            }
            assert_eq!(seen, [2, 0, 2], "{name}");
        }
    }

    #[test]
    fn it_knows_where_it_stands() {
        for (text, place) in [
            ("a,\"b", Place::Quoted),
            ("a,\"b,", Place::Quoted),
            ("\"a\"\"b", Place::Quoted),
            ("a,b", Place::Plain),
            ("a\"b", Place::Plain),
            ("\"a\"b", Place::Plain),
            ("a,", Place::Start),
            ("\"a\",", Place::Start),
        ] {
            assert_eq!(Rows::place_behind(text.as_bytes(), || Rows::new(b',')), place, "{text}");
        }
    }

    fn all(delimiter: u8, mut text: &[u8]) -> Vec<Vec<String>> {
        let mut rows = Rows::new(delimiter);
        let mut all = Vec::new();
        loop {
            let (taken, step) = rows.next(text);
            match step {
                Step::Row => {
                    all.push(rows.cells().iter().map(|cell| String::from_utf8(cell.to_vec()).unwrap()).collect());
                }
                Step::Oversized => panic!("oversized"),
                Step::Incomplete => {}
                Step::End => return all,
            }
            text = &text[taken..];
        }
    }
}

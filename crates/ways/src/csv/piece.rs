//! `Piece`: the rows of a part of a file. A part may end anywhere, within a cell too: what it holds of the last row is left
//! to the next part, and a `Cursor` carries from one to the other what both must know.

use std::fmt;
use std::str::FromStr;

use super::mapping::Mapping;
use super::rows::{Cells, MAX_ROW_BYTES, Place, Rows, Step};

/// Where in the file a piece begins. Between pieces it is a text that means nothing to whoever carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Rows before, the first one with the names not counted.
    rows: u64,
    /// Line of the file, from 1.
    line: u64,
    within: Option<Within>,
}

/// The piece before ended within a row that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Within {
    line: u64,
    place: Place,
}

/// A row, as far as the syntax goes.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Where it is.
    pub spot: Spot,
    pub(super) cells: Cells<'a>,
}

/// Where a row is. Of one too long to be read: the part of it that stands in the piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Number of the row, from 1; the first one, with the names, is not counted.
    pub row: u64,
    /// Line of the file on which it begins, from 1.
    pub line: u64,
    /// Where it begins in the piece.
    pub start: usize,
    /// Where it ends in the piece.
    pub end: usize,
}

/// What a piece holds.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// A row.
    Row(Line<'a>),
    /// A row of more than [`MAX_ROW_BYTES`] bytes.
    Oversized(Spot),
}

/// Why a piece cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PieceError {
    /// The first row has not as many cells as the mapping has columns.
    #[error("the first row has {found} cells, not the {expected} of the mapping")]
    OtherColumns {
        /// Cells of the first row.
        found: usize,
        /// Columns of the mapping.
        expected: usize,
    },
    /// The first row is not complete within the piece.
    #[error("the first row is longer than the piece; send at least {MAX_ROW_BYTES} bytes")]
    NoFirstRow,
    /// The cursor is none of ours.
    #[error("'{0}' is not what the answer before called `next`")]
    NoCursor(String),
}

/// A part of a file, from the beginning of a row on.
#[derive(Debug)]
pub struct Piece<'a> {
    rows: Rows,
    input: &'a [u8],
    is_last: bool,
    /// Up to here all rows were handed out.
    consumed: usize,
    cursor: Cursor,
    is_done: bool,
}

impl<'a> Piece<'a> {
    /// A piece behind the one that ended at `cursor`, or the first. `is_last`: nothing follows it.
    ///
    /// # Errors
    /// If the first piece does not begin with the names of the mapping's columns.
    pub fn begin(
        mapping: &Mapping,
        input: &'a [u8],
        is_last: bool,
        cursor: Option<Cursor>,
    ) -> Result<Self, PieceError> {
        let delimiter = mapping.delimiter_byte();
        let Some(cursor) = cursor else { return Self::first(mapping, delimiter, input, is_last) };
        let rows = match cursor.within {
            Some(within) => Rows::within_oversized(delimiter, within.place),
            None => Rows::new(delimiter),
        };
        Ok(Self { rows, input, is_last, consumed: 0, cursor, is_done: false })
    }

    fn first(mapping: &Mapping, delimiter: u8, input: &'a [u8], is_last: bool) -> Result<Self, PieceError> {
        let cursor = Cursor { rows: 0, line: 1, within: None };
        let (rows, consumed) = (Rows::new(delimiter), mark_bytes(input));
        let mut piece = Self { rows, input, is_last, consumed, cursor, is_done: false };
        let expected = mapping.columns.len();
        match piece.next() {
            Some(Item::Row(row)) if row.cells.len() == expected => {}
            Some(Item::Row(row)) => return Err(PieceError::OtherColumns { found: row.cells.len(), expected }),
            _ => return Err(PieceError::NoFirstRow),
        }
        piece.cursor.rows = 0;
        Ok(piece)
    }

    /// The next row; `None` where the rest of the piece holds no whole one.
    #[expect(clippy::should_implement_trait, reason = "what it gives borrows from the piece")]
    pub fn next(&mut self) -> Option<Item<'_>> {
        if self.cursor.within.is_none() {
            self.skip_line_breaks();
        }
        let (start, begin) = (self.consumed, self.cursor);
        let step = self.step()?;
        let end = self.consumed;
        let (row, line) = (begin.rows + 1, begin.within.map_or(begin.line, |within| within.line));
        self.cursor = Cursor { rows: row, line: begin.line + breaks(&self.input[start..end]), within: None };
        let spot = Spot { row, line, start, end };
        Some(match step {
            Step::Oversized => Item::Oversized(spot),
            _ => Item::Row(Line { spot, cells: self.rows.cells() }),
        })
    }

    /// Reads a row, if there is a whole one.
    fn step(&mut self) -> Option<Step> {
        let mut end = self.consumed;
        let mut step = Step::Incomplete;
        while step == Step::Incomplete && !self.is_done {
            let rest = &self.input[end..];
            if rest.is_empty() && !self.is_last {
                break;
            }
            let (taken, next) = self.rows.next(rest);
            (end, step) = (end + taken, next);
        }
        match step {
            Step::Row | Step::Oversized => {
                self.consumed = end;
                return Some(step);
            }
            Step::Incomplete if !self.is_done => self.give_up_on_long_row(),
            Step::Incomplete | Step::End => {}
        }
        self.is_done = true;
        None
    }

    /// Up to where the piece was read, in bytes: the next one begins there.
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// For the next piece.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    fn skip_line_breaks(&mut self) {
        while let Some(b'\r' | b'\n') = self.input.get(self.consumed) {
            self.cursor.line += u64::from(self.input[self.consumed] == b'\n');
            self.consumed += 1;
        }
    }

    /// A row of which a piece holds more than a row may have is not waited for.
    fn give_up_on_long_row(&mut self) {
        let rest = &self.input[self.consumed..];
        // Whether a quote at the end closes is for the next byte to say.
        let rest = &rest[..rest.iter().rposition(|byte| *byte != b'"').map_or(rest.len(), |place| place + 1)];
        if rest.is_empty() || (rest.len() <= MAX_ROW_BYTES && self.cursor.within.is_none()) {
            return;
        }
        let (delimiter, within) = (self.rows.delimiter(), self.cursor.within);
        let place = Rows::place_behind(rest, || match within {
            Some(within) => Rows::within_oversized(delimiter, within.place),
            None => Rows::new(delimiter),
        });
        let line = within.map_or(self.cursor.line, |within| within.line);
        self.cursor.within = Some(Within { line, place });
        self.cursor.line += breaks(rest);
        self.consumed += rest.len();
    }
}

/// `ROWS.LINE`, and where the piece ended within a row `.s`, `.p` or `.q` and that row's line.
impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.rows, self.line)?;
        match self.within {
            None => Ok(()),
            Some(Within { line, place: Place::Start }) => write!(formatter, ".s{line}"),
            Some(Within { line, place: Place::Plain }) => write!(formatter, ".p{line}"),
            Some(Within { line, place: Place::Quoted }) => write!(formatter, ".q{line}"),
        }
    }
}

impl FromStr for Cursor {
    type Err = PieceError;

    fn from_str(text: &str) -> Result<Self, PieceError> {
        let read = || {
            let mut parts = text.split('.');
            let (rows, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let within = match parts.next() {
                None => None,
                Some(part) => {
                    let place = match part.bytes().next()? {
                        b's' => Place::Start,
                        b'p' => Place::Plain,
                        b'q' => Place::Quoted,
                        _ => return None,
                    };
                    Some(Within { line: part[1..].parse().ok()?, place })
                }
            };
            parts.next().is_none().then_some(Self { rows, line, within })
        };
        read().ok_or_else(|| PieceError::NoCursor(text.chars().take(40).collect()))
    }
}

impl Cursor {
    /// Rows before it, those that were rejected too.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// What a UTF-8 file may begin with.
pub(super) fn mark_bytes(input: &[u8]) -> usize {
    if input.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

fn breaks(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

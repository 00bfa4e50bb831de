//! `Batches`: rows into what is written, column by column, and why a row cannot be.

use std::borrow::Cow;

use quix_model::{EventData, Timeseries};

use super::mapping::{Form, Mapping, Role};
use super::number;
use super::piece::{Line, Spot};
use super::rows::MAX_ROW_BYTES;
use super::time::Unit;

/// Rows for one record, or of [`Content::Json`] for one record each. Never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Where each row is.
    pub spots: Vec<Spot>,
    /// The rows.
    pub content: Content,
}

impl Batch {
    /// Numbers of the first and the last row in the file; rows between that are not in it were rejected.
    pub fn rows(&self) -> (u64, u64) {
        (self.spots.first().map_or(0, |spot| spot.row), self.spots.last().map_or(0, |spot| spot.row))
    }

    /// Its first `rows` rows, and the others.
    pub fn split(mut self, rows: usize) -> (Self, Self) {
        fn cut<T>(columns: &mut [quix_model::Column<'static, T>], rows: usize) -> Vec<quix_model::Column<'static, T>> {
            let cut = |column: &mut quix_model::Column<'static, T>| {
                let values = column.values.split_off(rows);
                quix_model::Column { id: column.id.clone(), values }
            };
            columns.iter_mut().map(cut).collect()
        }
        let content = match &mut self.content {
            Content::Parameters(data) => Content::Parameters(Timeseries {
                timestamps: data.timestamps.split_off(rows),
                numeric: cut(&mut data.numeric, rows),
                strings: cut(&mut data.strings, rows),
                tags: cut(&mut data.tags, rows),
                ..Timeseries::default()
            }),
            Content::Events(events) => Content::Events(events.split_off(rows)),
            Content::Json(objects) => Content::Json(objects.split_off(rows)),
        };
        let rest = Self { spots: self.spots.split_off(rows), content };
        (self, rest)
    }
}

/// What rows became.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// See [`Form::Parameters`].
    Parameters(Timeseries<'static>),
    /// See [`Form::Event`].
    Events(Vec<EventData>),
    /// See [`Form::Json`].
    Json(Vec<String>),
}

/// Why a row is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It has more or fewer cells than the first row.
    #[error("it has {} instead of {expected}", cells(*found))]
    Width {
        /// Cells it has.
        found: usize,
        /// Cells of the first row.
        expected: usize,
    },
    /// A cell is not UTF-8.
    #[error("column '{column}' is not UTF-8")]
    NotUtf8 {
        /// Its name.
        column: String,
    },
    /// A cell of the time column is none.
    #[error("column '{column}' holds '{text}', which is no time in {unit}")]
    NotTime {
        /// Its name.
        column: String,
        /// The beginning of the cell.
        text: String,
        /// What was expected.
        unit: Unit,
    },
    /// A cell of a column of numbers is none.
    #[error("column '{column}' holds '{text}', which is no number; as a column of strings it could be taken")]
    NotNumber {
        /// Its name.
        column: String,
        /// The beginning of the cell.
        text: String,
    },
    /// A whole number beyond 2⁵³ that no double holds: parameters are doubles.
    #[error(
        "column '{column}' holds {text}, of which a number would not keep all digits; as a column of strings it could be taken"
    )]
    TooManyDigits {
        /// Its name.
        column: String,
        /// The cell.
        text: String,
    },
    /// The row is longer than a row may be.
    #[error("it is longer than {MAX_ROW_BYTES} bytes")]
    Oversized,
}

/// Collects rows by a mapping.
#[derive(Debug, Clone)]
pub struct Batches<'m> {
    mapping: &'m Mapping,
    content: Content,
    spots: Vec<Spot>,
    /// Of the cells.
    bytes: usize,
}

impl<'m> Batches<'m> {
    pub(super) fn new(mapping: &'m Mapping) -> Self {
        Self { mapping, content: empty(mapping), spots: Vec::new(), bytes: 0 }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Why it is rejected; then nothing was added.
    pub fn push(&mut self, row: &Line<'_>) -> Result<(), Reason> {
        self.check(row)?;
        match &mut self.content {
            Content::Parameters(timeseries) => add_parameters(self.mapping, row, timeseries),
            Content::Events(events) => events.push(event(self.mapping, row)),
            Content::Json(rows) => rows.push(object(self.mapping, row, &[Role::Skip])),
        }
        self.spots.push(row.spot);
        self.bytes += row.cells.iter().map(|cell| cell.len() + CELL_BYTES).sum::<usize>();
        Ok(())
    }

    /// Whether a row could be added.
    ///
    /// # Errors
    /// Why it is rejected.
    pub fn check(&self, row: &Line<'_>) -> Result<(), Reason> {
        let (found, expected) = (row.cells.len(), self.mapping.columns.len());
        if found != expected {
            return Err(Reason::Width { found, expected });
        }
        for (column, cell) in self.mapping.columns.iter().zip(row.cells.iter()) {
            let name = || column.name.clone();
            let Ok(text) = std::str::from_utf8(cell) else { return Err(Reason::NotUtf8 { column: name() }) };
            let shown = || text.chars().take(SHOWN_CHARACTERS).collect::<String>();
            match column.role {
                Role::Time => {
                    if let Some(unit) = self.mapping.unit.filter(|unit| unit.nanoseconds(text).is_none()) {
                        return Err(Reason::NotTime { column: name(), text: shown(), unit });
                    }
                }
                Role::Number if text.is_empty() => {}
                Role::Number => match number::parse(text) {
                    None => return Err(Reason::NotNumber { column: name(), text: shown() }),
                    Some(value) if self.mapping.form == Form::Parameters && !number::keeps_digits(text, value) => {
                        return Err(Reason::TooManyDigits { column: name(), text: shown() });
                    }
                    Some(_) => {}
                },
                Role::Tag | Role::String | Role::Skip => {}
            }
        }
        Ok(())
    }

    /// Whether the rows are enough for a record.
    pub fn is_full(&self) -> bool {
        self.spots.len() >= self.mapping.rows || self.bytes >= FULL_BYTES
    }

    /// The rows so far; `None` if there are none.
    pub fn take(&mut self) -> Option<Batch> {
        if self.spots.is_empty() {
            return None;
        }
        self.bytes = 0;
        let content = std::mem::replace(&mut self.content, empty(self.mapping));
        Some(Batch { spots: std::mem::take(&mut self.spots), content })
    }
}

fn empty(mapping: &Mapping) -> Content {
    fn columns<T>(mapping: &Mapping, role: Role) -> Vec<quix_model::Column<'static, T>> {
        let column = |name: &String| quix_model::Column { id: Cow::Owned(name.clone()), values: Vec::new() };
        mapping.of_role(role).map(|found| column(&found.name)).collect()
    }
    match mapping.form {
        Form::Parameters => Content::Parameters(Timeseries {
            numeric: columns(mapping, Role::Number),
            strings: columns(mapping, Role::String),
            tags: columns(mapping, Role::Tag),
            ..Timeseries::default()
        }),
        Form::Event => Content::Events(Vec::new()),
        Form::Json => Content::Json(Vec::new()),
    }
}

impl Mapping {
    /// The time of a row, in nanoseconds since 1970 UTC, if it has one.
    pub fn time_of(&self, row: &Line<'_>) -> Option<i64> {
        let (place, unit) = (self.columns.iter().position(|column| column.role == Role::Time)?, self.unit?);
        unit.nanoseconds(std::str::from_utf8(row.cells.iter().nth(place)?).ok()?)
    }
}

/// What the row's cells are, in the order of the columns. The row was checked.
fn cells_of<'a>(mapping: &'a Mapping, row: &Line<'a>) -> impl Iterator<Item = (&'a str, Role, &'a str)> {
    let cell = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    let columns = mapping.columns.iter().zip(row.cells.iter());
    columns.map(move |(column, bytes)| (&*column.name, column.role, cell(bytes)))
}

fn add_parameters(mapping: &Mapping, row: &Line<'_>, timeseries: &mut Timeseries<'static>) {
    let Timeseries { timestamps, numeric, strings, tags, .. } = timeseries;
    let (mut numeric, mut strings, mut tags) = (numeric.iter_mut(), strings.iter_mut(), tags.iter_mut());
    timestamps.push(mapping.time_of(row).unwrap_or_default());
    for (_, role, text) in cells_of(mapping, row) {
        match role {
            Role::Number => numeric.next().into_iter().for_each(|column| column.values.push(number::parse(text))),
            Role::String | Role::Tag => {
                let column = if role == Role::Tag { tags.next() } else { strings.next() };
                let value = given(text).map(|text| Cow::Owned(text.to_owned()));
                column.into_iter().for_each(|column| column.values.push(value.clone()));
            }
            Role::Time | Role::Skip => {}
        }
    }
}

fn event(mapping: &Mapping, row: &Line<'_>) -> EventData {
    let tags = cells_of(mapping, row).filter(|(_, role, text)| *role == Role::Tag && !text.is_empty());
    EventData {
        timestamp: mapping.time_of(row).unwrap_or_default(),
        tags: tags.map(|(name, _, text)| (name.to_owned(), Some(text.to_owned()))).collect(),
        id: mapping.event_id.clone(),
        value: Some(object(mapping, row, &[Role::Skip, Role::Time, Role::Tag])),
    }
}

/// The row as a JSON object, numbers with the digits they have in the file, cells that are empty as null.
fn object(mapping: &Mapping, row: &Line<'_>, without: &[Role]) -> String {
    let mut out = String::from("{");
    for (name, role, text) in cells_of(mapping, row).filter(|(_, role, _)| !without.contains(role)) {
        if out.len() > 1 {
            out.push(',');
        }
        append_text(&mut out, name);
        out.push(':');
        match role {
            _ if text.is_empty() => out.push_str("null"),
            Role::Number => number::append_json(&mut out, text),
            Role::Time if mapping.unit != Some(Unit::Rfc3339) && number::parse(text).is_some() => {
                number::append_json(&mut out, text);
            }
            _ => append_text(&mut out, text),
        }
    }
    out.push('}');
    out
}

fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn append_text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

fn cells(count: usize) -> String {
    if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") }
}

/// What a cell takes beside its text.
const CELL_BYTES: usize = 4;

/// Cells of so many bytes make a record that topics take by default, unless nearly all of them must be escaped.
const FULL_BYTES: usize = 256 * 1024;

/// Of a cell that is quoted in a reason.
const SHOWN_CHARACTERS: usize = 40;

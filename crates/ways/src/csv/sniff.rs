//! `sniff`: from the beginning of a file and what was chosen to a mapping.

use serde::{Deserialize, Serialize};

use super::mapping::{Column, DEFAULT_EVENT_ID, DEFAULT_ROWS, Form, Mapping, MappingError, Role};
use super::number;
use super::piece::mark_bytes;
use super::rows::{Rows, Step};
use super::time::Unit;

/// What was chosen; the rest is found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Choices {
    /// Between cells. Default: of comma, semicolon and tab the one that gives the first row most cells.
    pub delimiter: Option<char>,
    /// The time column. Default: the first that is called `timestamp`, `time`, `datetime` or `date`.
    pub time: Option<String>,
    /// How times are written. Default: RFC 3339, if they are.
    pub unit: Option<Unit>,
    /// Columns that are tags.
    pub tags: Vec<String>,
    /// Columns that are strings, whatever they look like.
    pub strings: Vec<String>,
    /// Columns to leave out.
    pub skip: Vec<String>,
    /// What rows become. Default parameters.
    #[serde(rename = "as")]
    pub form: Form,
    /// See [`Mapping::event_id`].
    pub event_id: Option<String>,
    /// See [`Mapping::rows`].
    pub rows: Option<usize>,
}

/// A mapping, and what it was found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sniffed {
    /// Not checked: see [`Mapping::check`].
    pub mapping: Mapping,
    /// Rows that were looked at.
    pub rows: u64,
    /// The unit by which the first time would be of this century; nothing is read by it unless chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub likely_unit: Option<Unit>,
}

/// Why nothing can be found out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SniffError {
    /// There is not even a first row.
    #[error("the file has no first row with the names of its columns")]
    Empty,
    /// A file of UTF-16.
    #[error("the file is UTF-16; save it as UTF-8")]
    Utf16,
    /// The first row is not UTF-8.
    #[error("the first row is not UTF-8; save the file as UTF-8")]
    NotUtf8,
    /// No column is called so.
    #[error("there is no column '{name}' among {columns}")]
    NoColumn {
        /// As chosen.
        name: String,
        /// The columns there are.
        columns: String,
    },
    /// A column is to be two things.
    #[error("the column '{0}' is chosen twice")]
    Twice(String),
    /// Numbers could be of any unit.
    #[error("the time column '{column}' holds numbers such as {text}; say what they are: s, ms, us or ns")]
    NoUnit {
        /// The column.
        column: String,
        /// Its first cell.
        text: String,
    },
    /// What is chosen does not go together.
    #[error(transparent)]
    Mapping(#[from] MappingError),
}

/// Looks at the first 1,000 rows of `sample`, which is the beginning of a file, or all of it if `is_whole`.
///
/// A column is one of numbers if each of its cells is empty or one, and one at least is not empty; for parameters, which are
/// doubles, also only if a double has all digits of each whole number. Empty names become `column_N`, a name that was there
/// already gets `_2` and so on.
///
/// # Errors
/// As [`SniffError`] has it. The unit of a time column of numbers must be chosen.
pub fn sniff(sample: &[u8], is_whole: bool, choices: &Choices) -> Result<Sniffed, SniffError> {
    if sample.starts_with(b"\xff\xfe") || sample.starts_with(b"\xfe\xff") {
        return Err(SniffError::Utf16);
    }
    let sample = &sample[mark_bytes(sample)..];
    let delimiter = choices.delimiter.unwrap_or_else(|| likely_delimiter(sample));
    let mut rows = table(sample, is_whole, u8::try_from(delimiter).unwrap_or(b','), SAMPLE_ROWS + 1).into_iter();
    let names = rows.next().ok_or(SniffError::Empty)?;
    let names = names.into_iter().map(String::from_utf8).collect::<Result<Vec<_>, _>>();
    let names = distinct(names.map_err(|_| SniffError::NotUtf8)?);
    let rows: Vec<_> = rows.filter(|row| row.len() == names.len()).collect();
    let roles = roles(&names, &rows, choices)?;
    let time = roles.iter().position(|role| *role == Role::Time);
    let first_time = time.and_then(|column| rows.iter().map(|row| text(&row[column])).find(|text| !text.is_empty()));
    let unit = match (time, choices.unit) {
        (None, _) => None,
        (Some(_), Some(unit)) => Some(unit),
        (Some(column), None) => unit_of(&names[column], first_time)?,
    };
    let columns = names.into_iter().zip(roles).map(|(name, role)| Column { name, role }).collect();
    let event_id = choices.event_id.clone().unwrap_or_else(|| DEFAULT_EVENT_ID.to_owned());
    let mapping =
        Mapping { delimiter, form: choices.form, columns, unit, event_id, rows: choices.rows.unwrap_or(DEFAULT_ROWS) };
    Ok(Sniffed { mapping, rows: rows.len() as u64, likely_unit: first_time.and_then(likely_unit) })
}

fn likely_delimiter(sample: &[u8]) -> char {
    let width = |delimiter: char| {
        let first = table(sample, true, u8::try_from(delimiter).unwrap_or(b','), 1);
        first.first().map_or(0, Vec::len)
    };
    // Of equally many the first.
    [',', ';', '\t'].into_iter().rev().max_by_key(|delimiter| width(*delimiter)).unwrap_or(',')
}

/// The first rows, without one that is not complete.
fn table(mut sample: &[u8], is_whole: bool, delimiter: u8, most: usize) -> Vec<Vec<Vec<u8>>> {
    let mut rows = Rows::new(delimiter);
    let mut table = Vec::new();
    while table.len() < most && (is_whole || !sample.is_empty()) {
        let (taken, step) = rows.next(sample);
        match step {
            Step::Row => table.push(rows.cells().iter().map(<[u8]>::to_vec).collect()),
            Step::End => break,
            Step::Oversized | Step::Incomplete => {}
        }
        sample = &sample[taken..];
    }
    table
}

fn distinct(names: Vec<String>) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let name = match name.trim() {
            "" => format!("column_{}", index + 1),
            name => name.to_owned(),
        };
        let candidates = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}_{number}")));
        let is_taken = |candidate: &String| distinct.contains(candidate);
        distinct.extend(candidates.into_iter().find(|candidate| !is_taken(candidate)));
    }
    distinct
}

fn roles(names: &[String], rows: &[Vec<Vec<u8>>], choices: &Choices) -> Result<Vec<Role>, SniffError> {
    let mut roles: Vec<Option<Role>> = vec![None; names.len()];
    let time = choices.time.clone().or_else(|| likely_time(names, choices));
    let lists = [(Role::Tag, &choices.tags), (Role::String, &choices.strings), (Role::Skip, &choices.skip)];
    let chosen = lists.into_iter().flat_map(|(role, names)| names.iter().map(move |name| (role, name)));
    for (role, name) in time.iter().map(|name| (Role::Time, name)).chain(chosen) {
        let place = names.iter().position(|known| known == name).ok_or_else(|| SniffError::NoColumn {
            name: name.clone(),
            columns: names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", "),
        })?;
        if roles[place].replace(role).is_some_and(|before| before != role) {
            return Err(SniffError::Twice(name.clone()));
        }
    }
    let found = |column: usize| {
        if are_numbers(rows.iter().map(|row| &*row[column]), choices.form) { Role::Number } else { Role::String }
    };
    Ok(roles.into_iter().enumerate().map(|(column, role)| role.unwrap_or_else(|| found(column))).collect())
}

fn likely_time(names: &[String], choices: &Choices) -> Option<String> {
    let is_free =
        |name: &&String| ![&choices.tags, &choices.strings, &choices.skip].iter().any(|list| list.contains(name));
    let called = |wanted: &str| names.iter().filter(is_free).find(|name| name.eq_ignore_ascii_case(wanted));
    ["timestamp", "time", "datetime", "date"].into_iter().find_map(called).cloned()
}

fn are_numbers<'a>(cells: impl Iterator<Item = &'a [u8]>, form: Form) -> bool {
    let is_number = |cell: &[u8]| {
        let Ok(text) = std::str::from_utf8(cell) else { return false };
        number::parse(text).is_some_and(|value| form != Form::Parameters || number::keeps_digits(text, value))
    };
    let mut given = cells.filter(|cell| !cell.is_empty()).peekable();
    given.peek().is_some() && given.all(is_number)
}

/// `None` where there is nothing to go by.
fn unit_of(column: &str, first: Option<&str>) -> Result<Option<Unit>, SniffError> {
    match first {
        Some(text) if number::parse(text).is_some() => {
            let text = text.chars().take(40).collect();
            Err(SniffError::NoUnit { column: column.to_owned(), text })
        }
        _ => Ok(Some(Unit::Rfc3339)),
    }
}

fn likely_unit(text: &str) -> Option<Unit> {
    let is_of_this_century =
        |unit: &Unit| unit.nanoseconds(text).is_some_and(|time| (CENTURY..4 * CENTURY).contains(&time));
    [Unit::Rfc3339, Unit::S, Unit::Ms, Unit::Us, Unit::Ns].into_iter().find(is_of_this_century)
}

fn text(cell: &[u8]) -> &str {
    std::str::from_utf8(cell).unwrap_or_default()
}

const SAMPLE_ROWS: usize = 1_000;

/// The beginning of the year 2000.
const CENTURY: i64 = 946_684_800_000_000_000;

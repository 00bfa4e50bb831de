//! Timeseries in JSON: from records of any writer, leniently, and from callers, strictly.
//!
//! ```text
//! {"Epoch":0,"Timestamps":[…],"NumericValues":{"n":[1.0,null]},"StringValues":{…},"BinaryValues":{"b":["/w==",null]},"TagValues":{…}}
//! ```

use std::borrow::Cow;

use super::budget::Budget;
use super::flaw::{Flaw, shortened};
use crate::json::{Reader, Value, parse_integral};
use crate::model::{Blob, Column, Timeseries};
use crate::problem::ReadProblem;

/// The JSON of a record: what can be understood is; the second says what was mended.
pub(crate) fn read<'a>(
    text: &'a str,
    budget: &mut Budget,
) -> Result<(Timeseries<'a>, Option<ReadProblem>), ReadProblem> {
    let mut parser = Parser { strict: false, problem: None };
    let mut timeseries = parser.parse(text).map_err(|flaw| flaw.problem())?;
    let misfit = timeseries.fit(budget)?.then_some(ReadProblem::ColumnLength);
    Ok((timeseries, parser.problem.or(misfit)))
}

/// The JSON of a caller: whatever would have to be mended is refused.
pub(crate) fn read_strictly(text: &str) -> Result<Timeseries<'_>, Flaw> {
    let mut timeseries = Parser { strict: true, problem: None }.parse(text)?;
    check_lengths(&timeseries)?;
    // Lengths are right, so nothing is filled and the budget is not touched.
    timeseries.fit(&mut Budget::new(0)).map_err(|_| Flaw::TooLarge)?;
    Ok(timeseries)
}

fn check_lengths(timeseries: &Timeseries<'_>) -> Result<(), Flaw> {
    let rows = timeseries.rows();
    let wrong = |map: &str, id: &str, length: usize| Err(Flaw::Length { array: format!("{map}.{id}"), length, rows });
    let numeric = timeseries.numeric.iter().map(|column| ("numericValues", &column.id, column.values.len()));
    let strings = timeseries.strings.iter().map(|column| ("stringValues", &column.id, column.values.len()));
    let binary = timeseries.binary.iter().map(|column| ("binaryValues", &column.id, column.values.len()));
    let tags = timeseries.tags.iter().map(|column| ("tagValues", &column.id, column.values.len()));
    match numeric.chain(strings).chain(binary).chain(tags).find(|(_, _, length)| *length != rows) {
        Some((map, id, length)) => wrong(map, id, length),
        None => Ok(()),
    }
}

struct Parser {
    strict: bool,
    /// The first thing that was mended and is to be counted.
    problem: Option<ReadProblem>,
}

impl Parser {
    /// Members in any case, unknown ones ignored, the last of duplicates counts.
    fn parse<'a>(&mut self, text: &'a str) -> Result<Timeseries<'a>, Flaw> {
        let mut reader = Reader::new(text);
        if reader.peek() != Some(b'{') {
            return Err(Flaw::kind("the parameter data", "an object", given(&reader.value()?)));
        }
        let mut timeseries = Timeseries::default();
        let mut timestamps = None;
        reader.object::<Flaw>(|reader, name| {
            match Member::named(&name) {
                Some(Member::Epoch) => timeseries.epoch = self.epoch(reader.value()?)?,
                Some(Member::Timestamps) => timestamps = self.timestamps(reader)?,
                Some(Member::NumericValues) => timeseries.numeric = self.columns(reader, "numericValues", number)?,
                Some(Member::StringValues) => timeseries.strings = self.columns(reader, "stringValues", text_of)?,
                Some(Member::BinaryValues) => timeseries.binary = self.columns(reader, "binaryValues", blob)?,
                Some(Member::TagValues) => timeseries.tags = self.columns(reader, "tagValues", text_of)?,
                None => drop(reader.raw()?),
            }
            Ok(())
        })?;
        reader.end()?;
        timeseries.timestamps = timestamps.ok_or(Flaw::NoTimestamps)?;
        Ok(timeseries)
    }

    /// Null is 0.
    fn epoch(&self, value: Value<'_>) -> Result<i64, Flaw> {
        match value {
            Value::Null => Ok(0),
            other => self.integer("`epoch`", other),
        }
    }

    /// `None` for null.
    fn timestamps(&self, reader: &mut Reader<'_>) -> Result<Option<Vec<i64>>, Flaw> {
        if reader.eat_null() {
            return Ok(None);
        }
        expect_array(reader, || "`timestamps`".to_owned())?;
        let mut timestamps = Vec::new();
        reader.array::<Flaw>(|reader| {
            timestamps.push(self.integer("each of the `timestamps`", reader.value()?)?);
            Ok(())
        })?;
        Ok(Some(timestamps))
    }

    /// Exact; records may have it as text.
    fn integer(&self, what: &'static str, value: Value<'_>) -> Result<i64, Flaw> {
        let number = if self.strict && matches!(value, Value::Text(_)) { None } else { wide_integer(&value).ok() };
        number.ok_or_else(|| Flaw::Integer { what, given: shortened(given(&value)) })
    }

    /// A null map is empty, a null column is none.
    fn columns<'a, T>(
        &mut self,
        reader: &mut Reader<'a>,
        map: &'static str,
        cell: fn(Value<'a>) -> Cell<T>,
    ) -> Result<Vec<Column<'a, T>>, Flaw> {
        let mut columns = Vec::new();
        if reader.eat_null() {
            return Ok(columns);
        }
        if reader.peek() != Some(b'{') {
            return Err(Flaw::kind(format!("`{map}`"), "an object of arrays", given(&reader.value()?)));
        }
        reader.object::<Flaw>(|reader, id| {
            if reader.eat_null() {
                return Ok(());
            }
            expect_array(reader, || format!("`{map}.{id}`"))?;
            let mut values = Vec::new();
            reader.array::<Flaw>(|reader| {
                values.push(self.cell(map, &id, reader.clone(), cell(reader.value()?))?);
                Ok(())
            })?;
            columns.push(Column { id, values });
            Ok(())
        })?;
        Ok(columns)
    }

    /// `before` stands before the cell, for the error.
    fn cell<T>(&mut self, map: &str, id: &str, mut before: Reader<'_>, cell: Cell<T>) -> Result<Option<T>, Flaw> {
        let wrong = |expected, before: &mut Reader<'_>| {
            let given = before.value().map(|value| given(&value)).unwrap_or_default();
            Err(Flaw::kind(format!("each value of `{map}.{id}`"), expected, given))
        };
        match cell {
            Cell::Fine(value) => Ok(value),
            Cell::Understood(value, _) if !self.strict => Ok(Some(value)),
            Cell::Dropped(_, problem) if !self.strict => {
                self.problem.get_or_insert(problem);
                Ok(None)
            }
            Cell::Understood(_, expected) | Cell::Dropped(expected, _) | Cell::Wrong(expected) => {
                wrong(expected, &mut before)
            }
        }
    }
}

/// A 64-bit integer of a record, also as text.
pub(super) fn wide_integer(value: &Value<'_>) -> Result<i64, ReadProblem> {
    match value {
        Value::Number(number) => parse_integral(number),
        Value::Text(text) => parse_integral(text),
        _ => None,
    }
    .ok_or(ReadProblem::BadTimestamp)
}

fn expect_array(reader: &mut Reader<'_>, what: impl FnOnce() -> String) -> Result<(), Flaw> {
    if reader.peek() == Some(b'[') {
        return Ok(());
    }
    Err(Flaw::kind(what(), "an array", given(&reader.value()?)))
}

/// A value as an error shows it.
fn given(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => (*number).to_owned(),
        Value::Text(text) => format!("\"{text}\""),
        Value::Compound(json) if json.starts_with('[') => "an array".to_owned(),
        Value::Compound(_) => "an object".to_owned(),
    }
}

/// A value of a column; the texts say what should have been there.
enum Cell<T> {
    Fine(Option<T>),
    /// Of another kind, but clear; callers may not send it.
    Understood(T, &'static str),
    /// Not to be understood, but it spoils nothing else.
    Dropped(&'static str, ReadProblem),
    Wrong(&'static str),
}

fn number(value: Value<'_>) -> Cell<f64> {
    const EXPECTED: &str = "a number or null";
    match value {
        Value::Null => Cell::Fine(None),
        Value::Number(number) => match number.parse::<f64>() {
            Ok(number) if number.is_finite() => Cell::Fine(Some(number)),
            Ok(number) => Cell::Understood(number, EXPECTED),
            Err(_) => Cell::Wrong(EXPECTED),
        },
        Value::Text(text) => match (&*text, text.parse()) {
            ("NaN", _) => Cell::Fine(Some(f64::NAN)),
            ("Infinity", _) => Cell::Fine(Some(f64::INFINITY)),
            ("-Infinity", _) => Cell::Fine(Some(f64::NEG_INFINITY)),
            (_, Ok(number)) => Cell::Understood(number, EXPECTED),
            (_, Err(_)) => Cell::Wrong(EXPECTED),
        },
        Value::Bool(value) => Cell::Understood(f64::from(u8::from(value)), EXPECTED),
        Value::Compound(_) => Cell::Wrong(EXPECTED),
    }
}

fn text_of(value: Value<'_>) -> Cell<Cow<'_, str>> {
    const EXPECTED: &str = "a string or null";
    match value {
        Value::Null => Cell::Fine(None),
        Value::Text(text) => Cell::Fine(Some(text)),
        Value::Bool(value) => Cell::Understood(Cow::Borrowed(if value { "true" } else { "false" }), EXPECTED),
        Value::Number(written) | Value::Compound(written) => Cell::Understood(Cow::Borrowed(written), EXPECTED),
    }
}

fn blob(value: Value<'_>) -> Cell<Blob<'_>> {
    const EXPECTED: &str = "base64 or null";
    const BAD: Cell<Blob<'_>> = Cell::Dropped(EXPECTED, ReadProblem::BadBase64);
    match value {
        Value::Null => Cell::Fine(None),
        Value::Text(text) => Blob::from_base64(text).map_or(BAD, |blob| Cell::Fine(Some(blob))),
        Value::Bool(_) | Value::Number(_) | Value::Compound(_) => BAD,
    }
}

#[derive(Debug, Clone, Copy)]
enum Member {
    Epoch,
    Timestamps,
    NumericValues,
    StringValues,
    BinaryValues,
    TagValues,
}

impl Member {
    fn named(name: &str) -> Option<Self> {
        const NAMES: [(&str, Member); 6] = [
            ("Epoch", Member::Epoch),
            ("Timestamps", Member::Timestamps),
            ("NumericValues", Member::NumericValues),
            ("StringValues", Member::StringValues),
            ("BinaryValues", Member::BinaryValues),
            ("TagValues", Member::TagValues),
        ];
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, member)| *member)
    }
}

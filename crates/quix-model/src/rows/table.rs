//! `Table`: the columns of a record's rows while they are read, one pass over the text.

use std::borrow::Cow;
use std::collections::HashMap;

use super::RowRule;
use crate::codec::Budget;
use crate::json::{Broken, MAX_DEPTH, Reader, Value};
use crate::model::{Column, Timeseries};
use crate::problem::ReadProblem;

/// Why there are no rows.
#[derive(Debug)]
pub(super) struct Fault(pub(super) ReadProblem);

impl From<Broken> for Fault {
    fn from(_: Broken) -> Self {
        Self(ReadProblem::NotJson)
    }
}

/// Rows are added, cells go to the latest. Columns are filled with nulls when they get a value, and at the end.
pub(super) struct Table<'a, 'b> {
    rule: &'a RowRule,
    stored: i64,
    /// For what is not in the record: nulls that fill columns, names of members of members.
    budget: &'b mut Budget,
    timeseries: Timeseries<'a>,
    places: HashMap<Cow<'a, str>, Place>,
}

/// Of a parameter's columns.
#[derive(Clone, Copy, Default)]
struct Place {
    numeric: Option<usize>,
    strings: Option<usize>,
}

impl<'a, 'b> Table<'a, 'b> {
    pub(super) fn new(rule: &'a RowRule, stored: i64, budget: &'b mut Budget) -> Self {
        Self { rule, stored, budget, timeseries: Timeseries::default(), places: HashMap::new() }
    }

    /// Takes the object that comes next; there is a fault if it is none.
    pub(super) fn row(&mut self, reader: &mut Reader<'a>) -> Result<(), Fault> {
        if reader.peek() != Some(b'{') {
            reader.skip()?;
            return Err(Fault(ReadProblem::NotRows));
        }
        let before = reader.clone();
        self.timeseries.timestamps.push(self.stored);
        self.members(reader, "", MAX_DEPTH)?;
        if let Some(timestamp) = self.timestamp(&before)?
            && let Some(last) = self.timeseries.timestamps.last_mut()
        {
            *last = timestamp;
        }
        self.tags(&before)
    }

    /// The columns, each as long as there are rows.
    pub(super) fn finish(mut self) -> Result<Timeseries<'a>, ReadProblem> {
        let rows = self.timeseries.rows();
        fill(&mut self.timeseries.numeric, rows, self.budget)?;
        fill(&mut self.timeseries.strings, rows, self.budget)?;
        fill(&mut self.timeseries.tags, rows, self.budget)?;
        Ok(self.timeseries)
    }

    fn members(&mut self, reader: &mut Reader<'a>, above: &str, depth: usize) -> Result<(), Fault> {
        let inner = depth.checked_sub(1).ok_or(Fault(ReadProblem::NotRows))?;
        reader.object::<Fault>(|reader, member| {
            let name = self.name(above, member)?;
            if self.rule.taken.iter().any(|taken| *taken == name) {
                return Ok(reader.skip().map(drop)?);
            }
            if reader.peek() == Some(b'{') {
                return self.members(reader, &name, inner);
            }
            match value(reader)? {
                Value::Null => {
                    self.nothing(&name);
                    Ok(())
                }
                Value::Bool(value) => self.number(name, f64::from(u8::from(value))),
                Value::Number(number) => self.number(name, number.parse().map_err(|_| Broken)?),
                Value::Text(text) => self.text(name, text),
                Value::Compound(json) => self.text(name, Cow::Borrowed(json)),
            }
        })
    }

    /// Names of objects within objects add up: a small body could come to any number of bytes.
    fn name(&mut self, above: &str, member: Cow<'a, str>) -> Result<Cow<'a, str>, Fault> {
        if above.is_empty() {
            return Ok(member);
        }
        self.budget.bytes(above.len() + 1 + member.len()).map_err(Fault)?;
        Ok(Cow::Owned(format!("{above}.{member}")))
    }

    fn nothing(&mut self, name: &str) {
        let rows = self.timeseries.rows();
        let place = self.places.get(name).copied().unwrap_or_default();
        take_back(&mut self.timeseries.numeric, place.numeric, rows);
        take_back(&mut self.timeseries.strings, place.strings, rows);
    }

    fn number(&mut self, name: Cow<'a, str>, value: f64) -> Result<(), Fault> {
        let rows = self.timeseries.rows();
        let place = self.places.entry(name.clone()).or_default();
        take_back(&mut self.timeseries.strings, place.strings, rows);
        put(&mut self.timeseries.numeric, &mut place.numeric, name, rows, value, self.budget)
    }

    fn text(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) -> Result<(), Fault> {
        let rows = self.timeseries.rows();
        let place = self.places.entry(name.clone()).or_default();
        take_back(&mut self.timeseries.numeric, place.numeric, rows);
        put(&mut self.timeseries.strings, &mut place.strings, name, rows, value, self.budget)
    }

    /// `None` where there is nothing, or null.
    fn timestamp(&self, row: &Reader<'a>) -> Result<Option<i64>, Fault> {
        let Some(time) = &self.rule.timestamp else { return Ok(None) };
        let there = time.pointer.find(row)?.map(|mut there| value(&mut there)).transpose()?;
        let timestamp = match there {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Text(text)) => time.of_text(&text),
            Some(Value::Number(digits)) => time.of_number(digits),
            Some(Value::Bool(_) | Value::Compound(_)) => None,
        };
        timestamp.map(Some).ok_or(Fault(ReadProblem::BadTimestamp))
    }

    fn tags(&mut self, row: &Reader<'a>) -> Result<(), Fault> {
        let rule = self.rule;
        let rows = self.timeseries.rows();
        for (pointer, name) in &rule.tags {
            let text = match pointer.find(row)?.map(|mut there| value(&mut there)).transpose()? {
                None | Some(Value::Null) => continue,
                Some(Value::Text(text)) => text,
                Some(Value::Bool(value)) => Cow::Borrowed(if value { "true" } else { "false" }),
                Some(Value::Number(written) | Value::Compound(written)) => Cow::Borrowed(written),
            };
            let tags = &mut self.timeseries.tags;
            let mut place = tags.iter().position(|column| column.id == name.as_str());
            put(tags, &mut place, Cow::Borrowed(name), rows, text, self.budget)?;
        }
        Ok(())
    }
}

/// What is taken without a loss, NaN within it too.
fn value<'a>(reader: &mut Reader<'a>) -> Result<Value<'a>, Broken> {
    match reader.peek() {
        Some(b'{' | b'[') => reader.skip().map(Value::Compound),
        _ => reader.value(),
    }
}

/// Puts a value into the last of so many rows.
fn put<'a, T: Clone>(
    columns: &mut Vec<Column<'a, T>>,
    place: &mut Option<usize>,
    id: Cow<'a, str>,
    rows: usize,
    value: T,
    budget: &mut Budget,
) -> Result<(), Fault> {
    let place = *place.get_or_insert_with(|| {
        columns.push(Column { id, values: Vec::new() });
        columns.len() - 1
    });
    let values = &mut columns[place].values;
    budget.cells::<T>((rows - 1).saturating_sub(values.len())).map_err(Fault)?;
    values.resize(rows - 1, None);
    values.push(Some(value));
    Ok(())
}

/// Leaves out columns whose values were all taken back.
fn fill<T: Clone>(columns: &mut Vec<Column<'_, T>>, rows: usize, budget: &mut Budget) -> Result<(), ReadProblem> {
    columns.retain(|column| column.values.iter().any(Option::is_some));
    for Column { values, .. } in columns {
        budget.cells::<T>(rows - values.len())?;
        values.resize(rows, None);
    }
    Ok(())
}

/// Takes a value out of the last of so many rows: the same name has another later, of another kind.
fn take_back<T>(columns: &mut [Column<'_, T>], place: Option<usize>, rows: usize) {
    if let Some(column) = place.and_then(|place| columns.get_mut(place)) {
        column.values.truncate(rows - 1);
    }
}

//! The compact codec `JT-PaDa-1` of timeseries: JSON with runs instead of nulls and differences instead of values.
//!
//! ```text
//! {"Epoch":…,"Numerics":{"n":[0,[1.5,1.0],1,-2.5]},"Binary":{"b":[null,"AAH/"]},
//!  "Strings":{"s":{"K":["x","y"],"V":[1,[1,0]]}},"Tags":{…},"Timestamps":[1700000000000000000,10,-5]}
//!             skip no row, two values, skip one row, one value       K distinct texts, V their places: skip, run, skip, run
//! ```
//!
//! Differences of doubles lose digits, so the server never writes it. Source: Quix Streams' .NET library.

use std::borrow::Cow;
use std::collections::HashMap;

use super::budget::Budget;
use super::timeseries::wide_integer;
use crate::json::{Broken, Reader, Value, append, append_double, parse_integral};
use crate::model::{Blob, Column, Timeseries};
use crate::problem::ReadProblem::{self, BadModel};

impl From<Broken> for ReadProblem {
    fn from(_: Broken) -> Self {
        BadModel
    }
}

/// The second says what was mended.
pub(crate) fn read<'a>(
    text: &'a str,
    budget: &mut Budget,
) -> Result<(Timeseries<'a>, Option<ReadProblem>), ReadProblem> {
    let mut timeseries = Timeseries::default();
    let mut timestamps = None;
    let mut problem = None;
    let mut reader = Reader::new(text);
    reader.object::<ReadProblem>(|reader, name| {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("Epoch") {
            timeseries.epoch = wide_integer(&reader.value()?)?;
        } else if is("Numerics") {
            timeseries.numeric = columns(reader, |reader| numbers(reader, budget))?;
        } else if is("Binary") {
            timeseries.binary = columns(reader, |reader| blobs(reader, &mut problem))?;
        } else if is("Strings") {
            timeseries.strings = columns(reader, |reader| texts(reader, budget))?;
        } else if is("Tags") {
            timeseries.tags = columns(reader, |reader| texts(reader, budget))?;
        } else if is("Timestamps") {
            timestamps = summed_timestamps(reader)?;
        } else {
            reader.raw()?;
        }
        Ok(())
    })?;
    reader.end()?;
    timeseries.timestamps = timestamps.ok_or(ReadProblem::NoTimestamps)?;
    // Nulls at the end are not written, so a short column is as it should be.
    timeseries.fit(budget)?;
    Ok((timeseries, problem))
}

/// A null map is empty, a null column is none.
fn columns<'a, T>(
    reader: &mut Reader<'a>,
    mut values: impl FnMut(&mut Reader<'a>) -> Result<Vec<Option<T>>, ReadProblem>,
) -> Result<Vec<Column<'a, T>>, ReadProblem> {
    let mut columns = Vec::new();
    if reader.eat_null() {
        return Ok(columns);
    }
    reader.object::<ReadProblem>(|reader, id| {
        if !reader.eat_null() {
            columns.push(Column { id, values: values(reader)? });
        }
        Ok(())
    })?;
    Ok(columns)
}

fn summed_timestamps(reader: &mut Reader<'_>) -> Result<Option<Vec<i64>>, ReadProblem> {
    if reader.eat_null() {
        return Ok(None);
    }
    let mut last = 0_i64;
    let mut timestamps = Vec::new();
    reader.array::<ReadProblem>(|reader| {
        last = last.checked_add(wide_integer(&reader.value()?)?).ok_or(ReadProblem::BadTimestamp)?;
        timestamps.push(last);
        Ok(())
    })?;
    Ok(Some(timestamps))
}

/// Each is the difference to the last one that was there, added up in doubles and nothing else.
fn numbers(reader: &mut Reader<'_>, budget: &mut Budget) -> Result<Vec<Option<f64>>, ReadProblem> {
    let mut last = 0.0;
    runs(reader, budget, |value, _| {
        let difference: f64 = match value {
            Value::Number(number) => number.parse().map_err(|_| BadModel)?,
            Value::Text(text) => text.parse().map_err(|_| BadModel)?,
            _ => return Err(BadModel),
        };
        last += difference;
        Ok(last)
    })
}

/// Places in a list of distinct texts. Each place costs budget, since a long text may stand at many.
fn texts<'a>(reader: &mut Reader<'a>, budget: &mut Budget) -> Result<Vec<Option<Cow<'a, str>>>, ReadProblem> {
    let (mut known, mut places) = (Vec::new(), None);
    reader.object::<ReadProblem>(|reader, name| {
        if name.eq_ignore_ascii_case("K") {
            known = distinct_texts(reader)?;
        } else if name.eq_ignore_ascii_case("V") {
            places = Some(reader.clone());
            reader.raw()?;
        } else {
            reader.raw()?;
        }
        Ok(())
    })?;
    let mut places = places.ok_or(BadModel)?;
    runs(&mut places, budget, |value, budget| {
        let Value::Number(place) = value else { return Err(BadModel) };
        let place = parse_integral(place).and_then(|place| usize::try_from(place).ok()).ok_or(BadModel)?;
        let text: &Cow<'_, str> = known.get(place).ok_or(BadModel)?;
        budget.bytes(text.len())?;
        Ok(text.clone())
    })
}

fn distinct_texts<'a>(reader: &mut Reader<'a>) -> Result<Vec<Cow<'a, str>>, ReadProblem> {
    let mut texts = Vec::new();
    reader.array::<ReadProblem>(|reader| match reader.value()? {
        Value::Text(text) => {
            texts.push(text);
            Ok(())
        }
        _ => Err(BadModel),
    })?;
    Ok(texts)
}

/// `skip, run, skip, run …`; a run is an array or, when of one value, that value.
fn runs<'a, T: Clone>(
    reader: &mut Reader<'a>,
    budget: &mut Budget,
    mut cell: impl FnMut(Value<'a>, &mut Budget) -> Result<T, ReadProblem>,
) -> Result<Vec<Option<T>>, ReadProblem> {
    let mut cells = Vec::new();
    let mut is_skip = true;
    reader.array::<ReadProblem>(|reader| {
        if is_skip {
            let Value::Number(skip) = reader.value()? else { return Err(BadModel) };
            let skip = parse_integral(skip).and_then(|skip| usize::try_from(skip).ok()).ok_or(BadModel)?;
            budget.cells::<T>(skip)?;
            cells.resize(cells.len() + skip, None);
        } else if reader.peek() == Some(b'[') {
            reader.array::<ReadProblem>(|reader| {
                cells.push(Some(cell(reader.value()?, budget)?));
                Ok(())
            })?;
        } else {
            cells.push(Some(cell(reader.value()?, budget)?));
        }
        is_skip = !is_skip;
        Ok(())
    })?;
    Ok(cells)
}

/// One per row, as in plain JSON; bad base64 is null and counted.
fn blobs<'a>(reader: &mut Reader<'a>, problem: &mut Option<ReadProblem>) -> Result<Vec<Option<Blob<'a>>>, ReadProblem> {
    let mut blobs = Vec::new();
    reader.array::<ReadProblem>(|reader| {
        let blob = match reader.value()? {
            Value::Null => None,
            Value::Text(text) => {
                let blob = Blob::from_base64(text);
                if blob.is_none() {
                    problem.get_or_insert(ReadProblem::BadBase64);
                }
                blob
            }
            _ => return Err(BadModel),
        };
        blobs.push(blob);
        Ok(())
    })?;
    Ok(blobs)
}

/// Appends the body. Numbers lose the digits that differences lose.
pub(crate) fn write(out: &mut Vec<u8>, timeseries: &Timeseries<'_>) {
    out.push(b'{');
    if timeseries.epoch != 0 {
        out.extend_from_slice(b"\"Epoch\":");
        append(out, &timeseries.epoch);
        out.push(b',');
    }
    write_map(out, "\"Numerics\":{", &timeseries.numeric, write_numbers);
    write_map(out, "},\"Binary\":{", &timeseries.binary, append);
    write_map(out, "},\"Strings\":{", &timeseries.strings, write_texts);
    write_map(out, "},\"Tags\":{", &timeseries.tags, write_texts);
    out.extend_from_slice(b"},\"Timestamps\":");
    let mut last = 0;
    let differences: Vec<i64> = timeseries
        .timestamps
        .iter()
        .map(|timestamp| timestamp.wrapping_sub(std::mem::replace(&mut last, *timestamp)))
        .collect();
    append(out, &differences);
    out.push(b'}');
}

fn write_map<T>(
    out: &mut Vec<u8>,
    before: &str,
    columns: &[Column<'_, T>],
    values: impl Fn(&mut Vec<u8>, &[Option<T>]),
) {
    out.extend_from_slice(before.as_bytes());
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        append(out, &column.id);
        out.push(b':');
        values(out, &column.values);
    }
}

fn write_numbers(out: &mut Vec<u8>, values: &[Option<f64>]) {
    let mut last = 0.0;
    write_runs(out, values, |out, value| append_double(out, value - std::mem::replace(&mut last, *value)));
}

fn write_texts(out: &mut Vec<u8>, values: &[Option<Cow<'_, str>>]) {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut known: Vec<&str> = Vec::new();
    for text in values.iter().flatten() {
        places.entry(text).or_insert_with(|| {
            known.push(text);
            known.len() - 1
        });
    }
    out.extend_from_slice(b"{\"K\":");
    append(out, &known);
    out.extend_from_slice(b",\"V\":");
    write_runs(out, values, |out, text| append(out, &places.get(&**text)));
    out.push(b'}');
}

fn write_runs<T>(out: &mut Vec<u8>, values: &[Option<T>], mut cell: impl FnMut(&mut Vec<u8>, &T)) {
    let mut comma = "";
    out.push(b'[');
    let mut rest = values;
    while let Some(skip) = rest.iter().position(Option::is_some) {
        let length = rest[skip..].iter().take_while(|value| value.is_some()).count();
        out.extend_from_slice(comma.as_bytes());
        append(out, &skip);
        out.extend_from_slice(if length == 1 { b"," } else { b",[" });
        for (index, value) in rest[skip..skip + length].iter().flatten().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            cell(out, value);
        }
        if length > 1 {
            out.push(b']');
        }
        rest = &rest[skip + length..];
        comma = ",";
    }
    out.push(b']');
}

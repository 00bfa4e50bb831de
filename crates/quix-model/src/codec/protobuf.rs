//! The protobuf codec `PB-Pd` of timeseries, read and written by hand: it is one message of six fields.
//!
//! ```text
//! message TimeseriesData { int64 epoch = 1; repeated int64 timestamps = 2; repeated Numeric numeric_values = 3;
//!   repeated Text string_values = 4; repeated Blob binary_values = 5; repeated Text tag_values = 6; }
//! message Numeric { string header = 1; repeated bool isnull = 2; repeated double values = 3; }   // header: the id
//! message Text, Blob: the same with strings, bytes
//! ```
//!
//! Every row has a value; where `isnull` is true it counts for nothing. Source: Quix Streams' .NET library.

use std::borrow::Cow;

use super::budget::Budget;
use crate::model::{Blob, Column, Timeseries};
use crate::problem::ReadProblem::{self, BadModel};

/// The second says what was mended.
pub(crate) fn read<'a>(
    bytes: &'a [u8],
    budget: &mut Budget,
) -> Result<(Timeseries<'a>, Option<ReadProblem>), ReadProblem> {
    let mut timeseries = message(bytes).ok_or(BadModel)?;
    let misfit = timeseries.fit(budget)?;
    Ok((timeseries, misfit.then_some(ReadProblem::ColumnLength)))
}

fn message(bytes: &[u8]) -> Option<Timeseries<'_>> {
    let mut timeseries = Timeseries::default();
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Wire::Varint(epoch)) => timeseries.epoch = epoch as i64,
            (2, Wire::Varint(timestamp)) => timeseries.timestamps.push(timestamp as i64),
            (2, Wire::Bytes(packed)) => {
                let mut packed = Fields(packed);
                while !packed.0.is_empty() {
                    timeseries.timestamps.push(packed.varint()? as i64);
                }
            }
            (3, Wire::Bytes(column)) => timeseries.numeric.push(read_column(column, numbers)?),
            (4, Wire::Bytes(column)) => timeseries.strings.push(read_column(column, text)?),
            (5, Wire::Bytes(column)) => timeseries.binary.push(read_column(column, blob)?),
            (6, Wire::Bytes(column)) => timeseries.tags.push(read_column(column, text)?),
            _ => {}
        }
    }
    Some(timeseries)
}

/// One column; fewer marks than values leave the rest as values, more are refused as .NET does.
fn read_column<'a, T>(bytes: &'a [u8], add: fn(Wire<'a>, &mut Vec<Option<T>>) -> Option<()>) -> Option<Column<'a, T>> {
    let mut id = Cow::Borrowed("");
    let mut nulls: Vec<bool> = Vec::new();
    let mut values = Vec::new();
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Wire::Bytes(name)) => id = String::from_utf8_lossy(name),
            (2, Wire::Varint(mark)) => nulls.push(mark != 0),
            (2, Wire::Bytes(packed)) => {
                let mut packed = Fields(packed);
                while !packed.0.is_empty() {
                    nulls.push(packed.varint()? != 0);
                }
            }
            (3, value) => add(value, &mut values)?,
            _ => {}
        }
    }
    if nulls.len() > values.len() {
        return None;
    }
    for (value, _) in values.iter_mut().zip(nulls).filter(|(_, null)| *null) {
        *value = None;
    }
    Some(Column { id, values })
}

/// Packed or one by one.
fn numbers(wire: Wire<'_>, values: &mut Vec<Option<f64>>) -> Option<()> {
    match wire {
        Wire::Fixed64(bytes) => values.push(Some(f64::from_le_bytes(bytes))),
        Wire::Bytes(packed) => {
            let (numbers, rest) = packed.as_chunks::<8>();
            values.extend(numbers.iter().map(|bytes| Some(f64::from_le_bytes(*bytes))));
            return rest.is_empty().then_some(());
        }
        Wire::Varint(_) | Wire::Fixed32 => return None,
    }
    Some(())
}

fn text<'a>(wire: Wire<'a>, values: &mut Vec<Option<Cow<'a, str>>>) -> Option<()> {
    let Wire::Bytes(bytes) = wire else { return None };
    values.push(Some(String::from_utf8_lossy(bytes)));
    Some(())
}

fn blob<'a>(wire: Wire<'a>, values: &mut Vec<Option<Blob<'a>>>) -> Option<()> {
    let Wire::Bytes(bytes) = wire else { return None };
    values.push(Some(Blob::from_bytes(bytes)));
    Some(())
}

/// The value of a field by its wire type.
enum Wire<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    /// Nothing here is of this type.
    Fixed32,
    Bytes(&'a [u8]),
}

/// What has not been read yet. Outer `None`: the bytes are no message.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The next field by its number; inner `None` at the end.
    fn next(&mut self) -> Option<Option<(u64, Wire<'a>)>> {
        if self.0.is_empty() {
            return Some(None);
        }
        let key = self.varint()?;
        let wire = match key & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(*self.take(8)?.first_chunk()?),
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.take(usize::try_from(length).ok()?)?)
            }
            5 => {
                self.take(4)?;
                Wire::Fixed32
            }
            _ => return None,
        };
        let number = key >> 3;
        (number != 0).then_some(Some((number, wire)))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// At most ten bytes of seven bits, the lowest first.
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// Appends the message as .NET does: lists packed, an epoch of 0 left out. Nothing is lost.
pub(crate) fn write(out: &mut Vec<u8>, timeseries: &Timeseries<'_>) {
    if timeseries.epoch != 0 {
        write_varint(out, 1 << 3);
        write_varint(out, timeseries.epoch as u64);
    }
    if !timeseries.timestamps.is_empty() {
        let mut packed = Vec::with_capacity(timeseries.timestamps.len() * 9);
        timeseries.timestamps.iter().for_each(|timestamp| write_varint(&mut packed, *timestamp as u64));
        write_bytes(out, 2, &packed);
    }
    for column in &timeseries.numeric {
        let packed = column.values.iter().flat_map(|value| value.unwrap_or_default().to_le_bytes()).collect::<Vec<_>>();
        write_column(out, 3, column, |out| {
            if !packed.is_empty() {
                write_bytes(out, 3, &packed);
            }
        });
    }
    for column in &timeseries.strings {
        write_column(out, 4, column, |out| write_texts(out, column));
    }
    for column in &timeseries.binary {
        write_column(out, 5, column, |out| {
            let none = Blob::from_bytes(&b""[..]);
            column.values.iter().for_each(|value| write_bytes(out, 3, &value.as_ref().unwrap_or(&none).bytes()));
        });
    }
    for column in &timeseries.tags {
        write_column(out, 6, column, |out| write_texts(out, column));
    }
}

fn write_texts(out: &mut Vec<u8>, column: &Column<'_, Cow<'_, str>>) {
    column.values.iter().for_each(|value| write_bytes(out, 3, value.as_deref().unwrap_or_default().as_bytes()));
}

fn write_column<T>(out: &mut Vec<u8>, field: u64, column: &Column<'_, T>, values: impl FnOnce(&mut Vec<u8>)) {
    let mut message = Vec::new();
    write_bytes(&mut message, 1, column.id.as_bytes());
    let nulls: Vec<u8> = column.values.iter().map(|value| u8::from(value.is_none())).collect();
    if !nulls.is_empty() {
        write_bytes(&mut message, 2, &nulls);
    }
    values(&mut message);
    write_bytes(out, field, &message);
}

fn write_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    write_varint(out, field << 3 | 2);
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

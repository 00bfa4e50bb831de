//! Timeseries: timestamps and four maps of columns, all of them always there.

use crate::json::{append, append_double};
use crate::model::{Column, Timeseries};

/// With its epoch left out if it is 0, as .NET writes it.
pub(crate) fn append_timeseries(out: &mut Vec<u8>, timeseries: &Timeseries<'_>) {
    if timeseries.epoch == 0 {
        append_timeseries_folded(out, timeseries);
    } else {
        append_timeseries_with_epoch(out, timeseries);
    }
}

/// With its epoch, even 0, and the timestamps as they are.
pub(crate) fn append_timeseries_with_epoch(out: &mut Vec<u8>, timeseries: &Timeseries<'_>) {
    out.extend_from_slice(b"{\"Epoch\":");
    append(out, &timeseries.epoch);
    out.push(b',');
    append_columns(out, timeseries.timestamps.iter().copied(), timeseries);
}

/// With absolute timestamps and no epoch.
pub(crate) fn append_timeseries_folded(out: &mut Vec<u8>, timeseries: &Timeseries<'_>) {
    out.push(b'{');
    append_columns(out, timeseries.absolute_timestamps(), timeseries);
}

/// To the closing brace.
fn append_columns(out: &mut Vec<u8>, timestamps: impl Iterator<Item = i64>, timeseries: &Timeseries<'_>) {
    out.extend_from_slice(b"\"Timestamps\":[");
    for (index, timestamp) in timestamps.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        append(out, &timestamp);
    }
    out.extend_from_slice(b"],\"NumericValues\":");
    append_map(out, &timeseries.numeric, |out, number| append_double(out, *number));
    out.extend_from_slice(b",\"StringValues\":");
    append_map(out, &timeseries.strings, append);
    out.extend_from_slice(b",\"BinaryValues\":");
    append_map(out, &timeseries.binary, append);
    out.extend_from_slice(b",\"TagValues\":");
    append_map(out, &timeseries.tags, append);
    out.push(b'}');
}

fn append_map<T>(out: &mut Vec<u8>, columns: &[Column<'_, T>], cell: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'{');
    for (index, column) in columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        append(out, &column.id);
        out.extend_from_slice(b":[");
        for (row, value) in column.values.iter().enumerate() {
            if row > 0 {
                out.push(b',');
            }
            match value {
                Some(value) => cell(out, value),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b']');
    }
    out.push(b'}');
}

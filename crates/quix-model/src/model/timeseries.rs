//! `Timeseries`: values of many parameters at many times, one column per parameter.

use std::borrow::Cow;

use super::blob::Blob;
use super::repeated::keep_last;
use crate::codec::Budget;
use crate::problem::ReadProblem;

/// A package of parameter data: row `i` of every column belongs to `timestamps[i]`. Columns borrow from the record.
///
/// Whoever reads one from a record can rely on it that every column has exactly as many rows as there are timestamps,
/// and every id once per kind. Source: Quix Streams' `TimeseriesDataRaw`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeseries<'a> {
    /// Added to each timestamp; 0 for most writers.
    pub epoch: i64,
    /// Nanoseconds since `epoch`, which counts from 1970 UTC; in any order.
    pub timestamps: Vec<i64>,
    /// Numbers.
    pub numeric: Vec<Column<'a, f64>>,
    /// Texts.
    pub strings: Vec<Column<'a, Cow<'a, str>>>,
    /// Bytes.
    pub binary: Vec<Column<'a, Blob<'a>>>,
    /// Texts that qualify a row, not a parameter.
    pub tags: Vec<Column<'a, Cow<'a, str>>>,
}

/// The values of one parameter or tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Column<'a, T> {
    /// Of the parameter, or name of the tag. Case matters.
    pub id: Cow<'a, str>,
    /// One per row; `None` where there is no value.
    pub values: Vec<Option<T>>,
}

impl<T> Column<'_, T> {
    fn into_owned<U>(self, owned: impl Fn(T) -> U) -> Column<'static, U> {
        let values = self.values.into_iter().map(|value| value.map(&owned)).collect();
        Column { id: Cow::Owned(self.id.into_owned()), values }
    }
}

impl Timeseries<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.timestamps.len()
    }

    /// Timestamps in nanoseconds since 1970, the epoch added; what no 64-bit integer holds stays at its end of the range.
    pub fn absolute_timestamps(&self) -> impl ExactSizeIterator<Item = i64> + Clone {
        self.timestamps.iter().map(|timestamp| self.epoch.saturating_add(*timestamp))
    }

    /// Ids of all parameters; one that has values of two kinds comes twice. Tags are not among them.
    pub fn parameter_ids(&self) -> impl Iterator<Item = &str> {
        let numeric = self.numeric.iter().map(|column| &*column.id);
        numeric.chain(self.strings.iter().map(|column| &*column.id)).chain(self.binary.iter().map(|column| &*column.id))
    }

    /// Id and length of each column, tags too.
    pub(crate) fn column_lengths(&self) -> impl Iterator<Item = (&str, usize)> {
        let numeric = self.numeric.iter().map(|column| (&*column.id, column.values.len()));
        let strings = self.strings.iter().chain(&self.tags).map(|column| (&*column.id, column.values.len()));
        let binary = self.binary.iter().map(|column| (&*column.id, column.values.len()));
        numeric.chain(strings).chain(binary)
    }

    /// The same, independent of the record.
    pub fn into_owned(self) -> Timeseries<'static> {
        let texts = |columns: Vec<Column<'_, Cow<'_, str>>>| {
            columns.into_iter().map(|column| column.into_owned(|text| Cow::Owned(text.into_owned()))).collect()
        };
        Timeseries {
            epoch: self.epoch,
            timestamps: self.timestamps,
            numeric: self.numeric.into_iter().map(|column| column.into_owned(|number| number)).collect(),
            strings: texts(self.strings),
            binary: self.binary.into_iter().map(|column| column.into_owned(Blob::into_owned)).collect(),
            tags: texts(self.tags),
        }
    }

    /// Cuts long columns, fills short ones with nulls, drops repeated ones. Tells whether a length was wrong.
    ///
    /// Filling costs budget: a record of many short columns and many timestamps would else become their product.
    pub(crate) fn fit(&mut self, budget: &mut Budget) -> Result<bool, ReadProblem> {
        let rows = self.rows();
        let numeric = fit(&mut self.numeric, rows, budget)?;
        let strings = fit(&mut self.strings, rows, budget)?;
        let binary = fit(&mut self.binary, rows, budget)?;
        let tags = fit(&mut self.tags, rows, budget)?;
        Ok(numeric || strings || binary || tags)
    }
}

fn fit<T: Clone>(columns: &mut Vec<Column<'_, T>>, rows: usize, budget: &mut Budget) -> Result<bool, ReadProblem> {
    keep_last(columns, |column| &column.id);
    let mut changed = false;
    for column in columns {
        budget.cells::<T>(rows.saturating_sub(column.values.len()))?;
        changed |= column.values.len() != rows;
        column.values.resize(rows, None);
    }
    Ok(changed)
}

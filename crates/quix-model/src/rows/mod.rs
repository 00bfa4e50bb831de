//! `RowRule`: how plain JSON of programs that know no Quix is parameter data. Here where the parts of a row are.

mod pointer;
mod table;
mod time;

use crate::codec::Budget;
use crate::json::Reader;
use crate::model::Timeseries;
use crate::problem::ReadProblem;

pub use pointer::{NotAPointer, Pointer};
pub use time::{Time, Unit};

use table::{Fault, Table};

/// Of a topic whose records are JSON objects, or arrays of them. Each object is a row: numbers, and booleans as 0 or 1, are
/// numeric values, strings are string values, arrays are string values of their JSON text, nulls are no values. Members of
/// members are called by both names with a dot between; of those of one name the last counts, null too. What is taken for time and tags
/// is no parameter too. `NaN` and `Infinity` are numbers, as Python writes them; a byte order mark before it all is passed over. Source of the names: pandas `json_normalize`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowRule {
    timestamp: Option<Time>,
    /// With what their columns are called.
    tags: Vec<(Pointer, String)>,
    /// Flattened names of what is no parameter.
    taken: Vec<String>,
}

impl RowRule {
    /// `timestamp`: where the time of a row is; without it, or where there is nothing or null, the record's. `tags`: where
    /// texts are that qualify a row; one that is not there is left out, what is no string is its JSON text.
    pub fn new(timestamp: Option<Time>, tags: Vec<Pointer>) -> Self {
        let pointers = tags.iter().chain(timestamp.as_ref().map(|time| &time.pointer));
        let taken = pointers.map(Pointer::dotted).collect();
        let tags = tags.into_iter().map(|pointer| (pointer.clone(), pointer.dotted())).collect();
        Self { timestamp, tags, taken }
    }

    /// The rows of one record, stored at a time in nanoseconds since 1970 UTC.
    pub(crate) fn read<'a>(
        &'a self,
        value: &'a [u8],
        stored: i64,
        budget: &mut Budget,
    ) -> Result<Timeseries<'a>, ReadProblem> {
        let value = value.strip_prefix(b"\xef\xbb\xbf").unwrap_or(value);
        let text = str::from_utf8(value).map_err(|_| ReadProblem::NotJson)?;
        let (mut reader, mut table) = (Reader::new(text), Table::new(self, stored, budget));
        let read = match reader.peek() {
            Some(b'[') => reader.array(|reader| table.row(reader)),
            _ => table.row(&mut reader),
        };
        read.and_then(|()| Ok(reader.end()?)).map_err(|Fault(problem)| problem)?;
        table.finish()
    }
}

#[cfg(test)]
mod tests;

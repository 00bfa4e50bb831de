//! `Budget`: what a body may still grow beyond the bytes that are there.

use crate::problem::ReadProblem;

/// Bytes left for what is not in the record: inflated gzip, rows that a run of nulls or an index stands for.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self, bytes: usize) -> Result<(), ReadProblem> {
        self.0 = self.0.checked_sub(bytes).ok_or(ReadProblem::InflatedTooLarge)?;
        Ok(())
    }

    /// Cells of a column.
    pub(crate) fn cells<T>(&mut self, cells: usize) -> Result<(), ReadProblem> {
        self.bytes(cells.saturating_mul(size_of::<Option<T>>()))
    }
}

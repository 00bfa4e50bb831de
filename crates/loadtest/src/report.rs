//! Numbers for people: units, aligned tables, medians.

use serde::Serialize;

/// Middle and ends of some measurements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of `values`; `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let upper = values.len() / 2;
        let lower = (values.len() - 1) / 2;
        Some(Self { median: (values[lower] + values[upper]) / 2.0, min, max })
    }

    /// As `median (min–max)`, each by `format`.
    pub fn show(self, format: impl Fn(f64) -> String) -> String {
        let Self { median, min, max } = self;
        format!("{} ({}–{})", format(median), format(min), format(max))
    }
}

/// A time given in microseconds, in the unit that suits it.
pub fn time(microseconds: f64) -> String {
    match microseconds {
        us if us < 1e3 => format!("{us:.1} µs"),
        us if us < 1e6 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.2} s", us / 1e6),
    }
}

/// A count, in thousands or millions if it is large.
pub fn count(value: f64) -> String {
    match value {
        value if value < 1e4 => format!("{value:.0}"),
        value if value < 1e6 => format!("{:.1}k", value / 1e3),
        value => format!("{:.2}M", value / 1e6),
    }
}

/// Rows of cells as text: the first column to the left, the others to the right.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        let odd = spread(&[3.0, 1.0, 9.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (3.0, 1.0, 9.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]).unwrap().median, 3.0);
        assert_eq!(odd.show(|value| format!("{value:.1}")), "3.0 (1.0–9.0)");
    }

    #[test]
    fn units_suit_their_numbers() {
        assert_eq!([0.04, 999.9, 1_000.0, 2_500_000.0].map(time), ["0.0 µs", "999.9 µs", "1.0 ms", "2.50 s"]);
        assert_eq!([9_999.0, 10_000.0, 1_234_567.0].map(count), ["9999", "10.0k", "1.23M"]);
    }

    #[test]
    fn tables_are_aligned_by_characters_not_bytes() {
        let rows = [vec!["a".to_owned(), "1 µs".to_owned()], vec!["bcd".to_owned(), "1234".to_owned(), "x".to_owned()]];
        assert_eq!(table(&rows), "a    1 µs\nbcd  1234  x\n");
        assert_eq!(table(&[]), "");
    }
}

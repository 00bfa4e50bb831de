//! `--dry-run`: what the columns are and what the first rows become, without a server.

use std::io::Write;

use ways::csv::{Form, Item, Mapping, Piece, Role};

use super::file::Sample;
use crate::args::CsvArgs;
use crate::commands::CommandError;
use crate::commands::text::escape;
use crate::server::shown_rows;

/// Prints a line for each column, the first record of at most three rows, and what would be rejected of the sample.
pub(super) fn print(
    args: &CsvArgs,
    mapping: &Mapping,
    sample: &Sample,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let divided = match mapping.delimiter {
        ';' => "semicolons",
        '\t' => "tabs",
        _ => "commas",
    };
    let form = match mapping.form {
        Form::Parameters => "parameter data",
        Form::Event => "events",
        Form::Json => "plain JSON",
    };
    writeln!(out, "{} columns, divided by {divided}, become {form}", mapping.columns.len())?;
    let width = mapping.columns.iter().map(|column| escape(&column.name).chars().count()).max().unwrap_or_default();
    for column in &mapping.columns {
        let role = match (column.role, mapping.unit) {
            (Role::Time, Some(unit)) => format!("time, {unit}"),
            (Role::Time, None) => "time".to_owned(),
            (Role::Tag, _) => "tag".to_owned(),
            (Role::Number, _) => "number".to_owned(),
            (Role::String, _) => "string".to_owned(),
            (Role::Skip, _) => "left out".to_owned(),
        };
        writeln!(out, "  {:width$}  {role}", escape(&column.name))?;
    }
    rows(args, mapping, sample, out)
}

fn rows(args: &CsvArgs, mapping: &Mapping, sample: &Sample, out: &mut impl Write) -> Result<(), CommandError> {
    let trouble = |error| CommandError::Import(format!("{}: {error}", args.file.display()));
    let mut piece = Piece::begin(mapping, &sample.bytes, sample.is_whole, None).map_err(trouble)?;
    let mut batches = mapping.batches();
    let (mut rows, mut rejected) = (0_u64, Vec::new());
    while let Some(item) = piece.next() {
        let (line, taken) = match item {
            Item::Row(row) if rows < SHOWN_ROWS => (row.spot.line, batches.push(&row)),
            Item::Row(row) => (row.spot.line, batches.check(&row)),
            Item::Oversized(spot) => (spot.line, Err(ways::csv::Reason::Oversized)),
        };
        match taken {
            Ok(()) => rows += 1,
            Err(reason) => rejected.push(format!("line {line}: {reason}")),
        }
    }
    if let Some(record) = batches.take().and_then(|batch| shown_rows(&batch.content)) {
        writeln!(out, "first rows, in stream '{}' of topic '{}':", escape(&args.stream), args.topic)?;
        writeln!(out, "  {record}")?;
    }
    let which = if sample.is_whole { "" } else { " of those looked at" };
    writeln!(out, "{rows} rows{which} can be written, {} cannot", rejected.len())?;
    for reason in rejected.iter().take(SHOWN_REASONS) {
        writeln!(out, "  {}", escape(reason))?;
    }
    Ok(())
}

const SHOWN_ROWS: u64 = 3;
const SHOWN_REASONS: usize = 10;

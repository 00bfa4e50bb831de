//! The figures for people.

use loadtest::report::{Spread, count, table, time};

use super::results::{Figures, Measured, Results, Verdict};

/// All tables, after [`Results::finish`].
pub(crate) fn describe(results: &Results) -> String {
    let mut text = format!(
        "median (min–max) of {} rounds; values of {} bytes; ratios within each round\n\n",
        results.disk.len(),
        results.value_bytes
    );
    let mut rows = vec![words(&["4 KiB written and fdatasync", "p50", "p99"])];
    for (name, which) in [("into space taken before", true), ("into a growing file", false)] {
        let summary = |index: usize| if which { results.disk[index].preallocated } else { results.disk[index].growing };
        let of = |value: fn(loadtest::load::latency::Summary) -> f64| {
            spread((0..results.disk.len()).map(|index| value(summary(index))), time)
        };
        rows.push(vec![name.to_owned(), of(|summary| summary.p50_us), of(|summary| summary.p99_us)]);
    }
    text += &table(&rows);
    let mut rows = vec![words(&["", "on", "per second", "by Kafka's", "p50", "p99", "server's cores"])];
    rows.extend(results.figures.iter().map(row));
    text += &format!("\n{}", table(&rows));
    text += NOTE;
    if !results.verdicts.is_empty() {
        let mut rows = vec![words(&["expected", "found", "", ""])];
        rows.extend(results.verdicts.iter().map(verdict));
        text += &format!("\n{}", table(&rows));
    }
    text + &format!("\n{:.0} s in all\n", results.seconds)
}

fn row(figures: &Figures) -> Vec<String> {
    let of = |value: fn(&Measured) -> Option<f64>, format: fn(f64) -> String| {
        spread(figures.rounds.iter().filter_map(value), format)
    };
    vec![
        figures.scenario.to_string(),
        figures.subject.to_string(),
        of(|run| Some(run.per_second), count),
        figures.rate_by_kafka.map_or(String::new(), |ratio| ratio.show(|ratio| format!("{ratio:.2}"))),
        of(|run| run.p50_us, time),
        of(|run| run.p99_us, time),
        of(|run| run.server_cores, |cores| format!("{cores:.2}")),
    ]
}

fn verdict(verdict: &Verdict) -> Vec<String> {
    let unit = verdict.unit;
    let met = if verdict.met { "met" } else { "NOT MET" };
    vec![
        verdict.expected.to_owned(),
        verdict.found.show(|value| format!("{value:.2}{unit}")),
        met.to_owned(),
        verdict.of.clone(),
    ]
}

fn spread(values: impl Iterator<Item = f64>, format: fn(f64) -> String) -> String {
    Spread::of(values).map_or(String::new(), |spread| spread.show(format))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

const NOTE: &str = "
Embedded acknowledges what is on the disk (fdatasync). Kafka acknowledges what the operating system has taken and writes it
out later: as one broker without replicas it may lose acknowledged records with its machine's power.
";

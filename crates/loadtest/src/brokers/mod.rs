//! `loadtest brokers`: the embedded broker beside a real Kafka on the same machine, in turns: acknowledgements, reads, and
//! the server as a whole on either; with what a sync of the disk takes, measured in the same rounds.

mod disk;
mod in_process;
mod kafka;
mod process;
mod producer;
mod reader;
mod results;
mod scenario;
mod server;
mod tables;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;

use crate::commands::output::{self, JsonTarget};
use results::{Measured, Results};
use scenario::Stage;

#[derive(Args)]
pub(crate) struct Options {
    /// The streamgate program
    #[arg(long)]
    server: PathBuf,
    /// Folder with the jars of Apache Kafka; without it there is no comparison
    #[arg(long, value_name = "FOLDER")]
    kafka_libs: Option<PathBuf>,
    /// embedded-log's example `append_load`, to measure the log without a server
    #[arg(long, value_name = "PROGRAM")]
    in_process: Option<PathBuf>,
    /// Where data folders are made, and deleted at the end: on the disk that is to be measured
    #[arg(long, value_name = "FOLDER", default_value = "target")]
    folder: PathBuf,
    /// Rounds of each scenario
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that each scenario is measured in a round
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Length of the values of appended records, and of events
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,
    /// Records in the topic that is read
    #[arg(long, default_value_t = 400_000)]
    records: usize,
    /// Only scenarios whose names begin so: appends, reads, calls
    #[arg(long)]
    only: Option<String>,
    /// Seconds after which no further round is begun
    #[arg(long, default_value_t = 330)]
    max_seconds: u64,
    /// Write all figures as JSON to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    json: Option<JsonTarget>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let start = Instant::now();
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_message("starting the brokers");
    let stage = Stage::open(options)?;
    let mut results = Results::new(options.value_bytes);
    let wanted = stage.scenarios(options.only.as_deref().unwrap_or(""));
    for round in 0..options.rounds {
        let begun = Instant::now();
        results.disk.push(stage.disk()?);
        for scenario in &wanted {
            let mut subjects = stage.subjects(*scenario);
            if round % 2 == 1 {
                subjects.reverse();
            }
            for subject in subjects {
                bar.set_message(format!("round {} of {}: {scenario} on {subject}", round + 1, options.rounds));
                // The disk changes its pace while others use it, so it is asked again right before.
                let sync_p50_us = if scenario.is_quietest() { Some(stage.disk()?.preallocated.p50_us) } else { None };
                let measured = stage.measure(*scenario, subject).with_context(|| format!("{scenario} on {subject}"))?;
                results.add(*scenario, subject, Measured { sync_p50_us, ..measured });
            }
        }
        // The next round will take as long as this one.
        if (start.elapsed() + begun.elapsed()).as_secs() > options.max_seconds {
            break;
        }
    }
    drop(stage);
    bar.finish_and_clear();
    results.finish(start.elapsed().as_secs_f64());
    output::put(&tables::describe(&results), &results, options.json.as_ref())
}

//! `loadtest bench`: a server and the floor in turns, several rounds, and what one costs in terms of the other.

mod results;
mod scenario;
mod subject;
mod writes;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use loadtest::load::idle::Carrier;

use crate::commands::output::{self, JsonTarget};
use results::{IdleResult, Results};
use scenario::{IDLE_EXPECTED_BYTES, Scenario, scenarios};
use subject::Subject;

#[derive(Args)]
pub(crate) struct Options {
    /// The streamgate program; without it only the floor is measured
    #[arg(long)]
    server: Option<PathBuf>,
    /// The floor program
    #[arg(long)]
    floor: PathBuf,
    /// Rounds of each scenario
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Idle connections to open; 0 leaves them out
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// Length of each event's value; 200 makes messages of about 500 bytes
    #[arg(long, default_value_t = 200)]
    payload_bytes: usize,
    /// Only scenarios whose names begin so
    #[arg(long)]
    only: Option<String>,
    /// Seconds after which no further round is begun
    #[arg(long, default_value_t = 200)]
    max_seconds: u64,
    /// Write all figures as JSON to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    json: Option<JsonTarget>,
}

pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let start = Instant::now();
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut results = Results::default();
    let only = options.only.as_deref().unwrap_or("");
    let wanted: Vec<Scenario> = scenarios().into_iter().filter(|scenario| scenario.name.starts_with(only)).collect();
    if !wanted.is_empty() {
        rounds(&options, &wanted, start, &bar, &mut results)?;
    }
    if options.idle > 0 && "idle".starts_with(only) {
        bar.set_message("idle");
        results.idle = idle(&options)?;
    }
    if let Some(program) = options.server.as_deref().filter(|_| "writes".starts_with(only)) {
        bar.set_message("writes");
        results.writes = writes::measure(program)?;
    }
    bar.finish_and_clear();
    results.finish(start.elapsed().as_secs_f64());
    output::put(&results.describe(), &results, options.json.as_ref())?;
    anyhow::ensure!(results.faults.is_empty(), "faults: {}", results.faults.join("; "));
    Ok(())
}

/// Runs all scenarios on all subjects in turns, and every second round in the opposite order.
fn rounds(
    options: &Options,
    wanted: &[Scenario],
    start: Instant,
    bar: &ProgressBar,
    results: &mut Results,
) -> anyhow::Result<()> {
    let server = options.server.as_deref().map(Subject::server).transpose()?;
    let frame_bytes = match &server {
        Some(server) => {
            scenario::message_bytes(server, options.payload_bytes).context("the server does not deliver")?
        }
        None => options.payload_bytes + 300,
    };
    results.frame_bytes = frame_bytes;
    let floor = Subject::floor(&options.floor, frame_bytes, false)?;
    let gathering = Subject::floor(&options.floor, frame_bytes, true)?;
    for round in 0..options.rounds {
        let begun = Instant::now();
        for scenario in wanted {
            bar.set_message(format!("round {} of {}: {}", round + 1, options.rounds, scenario.name));
            let floor = if scenario.gathers { &gathering } else { &floor };
            let mut subjects: Vec<&Subject> = server.iter().chain([floor]).collect();
            if round % 2 == 1 {
                subjects.reverse();
            }
            for subject in subjects {
                let measured = scenario
                    .measure(subject, options.payload_bytes)
                    .with_context(|| format!("{} on the {}", scenario.name, subject.name))?;
                results.add(scenario, subject.is_server(), measured);
            }
        }
        // The next round will take as long as this one.
        if (start.elapsed() + begun.elapsed()).as_secs() > options.max_seconds {
            break;
        }
    }
    Ok(())
}

/// Opens idle connections on a fresh process of each kind.
fn idle(options: &Options) -> anyhow::Result<Vec<IdleResult>> {
    let mut results = Vec::new();
    if let Some(program) = &options.server {
        for carrier in [Carrier::Websockets, Carrier::Events, Carrier::Polling] {
            let report = scenario::idle(&Subject::server(program)?, carrier, options.idle)?;
            let expected = (carrier == Carrier::Websockets).then_some(IDLE_EXPECTED_BYTES);
            results.push(IdleResult::new("server", report, expected));
        }
    }
    let report = scenario::idle(&Subject::floor(&options.floor, 500, false)?, Carrier::Websockets, options.idle)?;
    results.push(IdleResult::new("floor", report, None));
    Ok(results)
}

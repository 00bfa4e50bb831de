//! `loadtest churn`: arguments, and its table.

use anyhow::ensure;
use clap::Args;
use loadtest::load::churn;
use loadtest::process::CpuClock;
use loadtest::progress::Progress;
use loadtest::report::{count, table};

use super::fanout::{cores, left};
use super::{Common, output};

#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// Connections to open, subscribe and close
    #[arg(long, default_value_t = 2_000)]
    count: u64,
    /// Connections at the same time
    #[arg(long, default_value_t = 16)]
    concurrent: usize,
}

pub(crate) fn run(options: Options) -> anyhow::Result<()> {
    let Options { common, count: wanted, concurrent } = options;
    ensure!(concurrent > 0, "--concurrent must be positive");
    let clock = common.pid.map(CpuClock::of).transpose()?;
    let mut progress = Progress::new("connecting", wanted);
    let report = churn::run(&common.target()?, wanted, concurrent, clock, &mut progress)?;
    drop(progress);
    let row = |name: &str, text: String| vec![name.to_owned(), text];
    let mut rows = vec![
        row(
            "connections",
            format!(
                "{} in {:.2} s, {} per second, {} failed",
                report.connections,
                report.elapsed_s,
                count(report.connections_per_s),
                report.failed
            ),
        ),
        row("cores", cores(&report.cpu)),
    ];
    if let Some(nanoseconds) = report.server_ns_per_connection {
        let text = format!("{:.1} µs per connection", nanoseconds / 1e3);
        rows.push(row("server cpu", text));
    }
    rows.extend(report.first_failure.iter().map(|text| row("told", text.clone())));
    output::put(&table(&left(rows)), &report, common.json.as_ref())?;
    ensure!(report.failed == 0, "not every connection could be opened");
    Ok(())
}
